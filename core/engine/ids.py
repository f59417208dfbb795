"""New ids of generations."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid4, uuid7

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_MILLISECOND = (1 << 48) - 1
"""The time in an id has 48 bits (RFC 9562)."""


def new_id() -> UUID:
    """A UUIDv7: its time chooses the partition, its 74 other bits are random."""
    return uuid7()


def moment_of(id_: UUID) -> datetime:
    """When a generation was made, to the millisecond: the same wherever it is shown."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)


def first_id(moment: datetime) -> UUID:
    """The smallest id that can be made at *moment* or later: what is older has a smaller one."""
    millis = -((_EPOCH - moment) // _MILLISECOND)
    return UUID(int=min(max(millis, 0), _LAST_MILLISECOND) << 80)


def random_id() -> UUID:
    """A UUIDv4, for a third of what the standard library takes."""
    return uuid4()
