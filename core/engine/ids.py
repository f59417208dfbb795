"""New ids of generations."""

from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """A UUIDv7: its time chooses the partition, its 74 other bits are random."""
    return UUID(bytes=uuid_utils.uuid7().bytes)
