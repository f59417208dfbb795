"""What Ark's images and videos write and read alike. Pure.

Source: BytePlus ModelArk and Volcengine Ark, API reference (providers.md 3.1 to 3.3).
"""

import re
from collections.abc import Mapping

import pybase64

from core.body import Body
from core.model import Channel, Input

_LINK = re.compile(r"https?://[!-~]{1,8184}")


def headers(channel: Channel) -> dict[str, str]:
    """The authorization of the channel's credential."""
    return {"authorization": f"Bearer {channel.credential.reveal()}"}


def data_url(item: Input) -> str:
    """The input's bytes, written into a URL."""
    return f"data:{item.media_type};base64,{pybase64.b64encode_as_string(item.data.reveal())}"


def link(document: Mapping[str, object], name: str) -> Body[str] | None:
    """An http(s) URL of at most 8 KiB, without spaces; None if it is absent or anything else."""
    value = document.get(name)
    return Body(value) if isinstance(value, str) and _LINK.fullmatch(value) else None
