"""How providers are handed files, and hand theirs out: as links, or as bytes in a URL. Pure."""

import re
from collections.abc import Mapping

import pybase64

from core.body import Body
from core.model import Channel, Input

_LINK = re.compile(r"https?://[!-~]{1,8184}")


def data_url(item: Input) -> str:
    """The input's bytes, written into a URL."""
    return f"data:{item.media_type};base64,{pybase64.b64encode_as_string(item.data.reveal())}"


def address(item: Input, channel: Channel) -> str:
    """The URL by which *channel* is told of an input.

    Its bytes themselves, unless the channel takes only links in this role: then ours, or the
    caller's own where the channel cannot reach us (`inline:role` in `unsupported`, so that no
    other input gets here).
    """
    if item.role not in channel.links and f"inline:{item.role}" not in channel.unsupported:
        return data_url(item)
    assert item.url is not None, "routing lets only inputs with a link come here"
    return item.url.reveal()


def link(document: Mapping[str, object], name: str) -> Body[str] | None:
    """An http(s) URL of at most 8 KiB, without spaces; None if it is absent or anything else."""
    return as_link(document.get(name))


def as_link(value: object) -> Body[str] | None:
    """The same of a value that has no name, such as an element of a list."""
    return Body(value) if isinstance(value, str) and _LINK.fullmatch(value) else None
