"""Etags of resources whose settings have versions."""

import re

_ETAG = re.compile(r"v([0-9]{1,9})\Z")
_NEVER = 0
"""No version: they begin at 1."""


def etag(version: int) -> str:
    """Changes with the settings."""
    return f"v{version}"


def version_of(text: str) -> int | None:
    """Which version a caller wants to change; None: whichever it is.

    What no etag of ours looks like is that of no version.
    """
    if not text:
        return None
    found = _ETAG.match(text)
    return _NEVER if found is None else int(found[1])
