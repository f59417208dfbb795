"""Reads the points in time that providers send. Pure: what time it is comes as an argument."""

from collections.abc import Mapping
from datetime import UTC, datetime

from core.providers.reading import word


def moment(document: Mapping[str, object], name: str) -> float:
    """A time of ISO 8601 in seconds since 1970; 0 if it is absent or anything else.

    One without a zone is in UTC, not in this machine's zone.
    """
    try:
        when = datetime.fromisoformat(word(document, name))
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, seconds)
