"""What one provider says of one job, and what it means."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from core.model import Ask
from core.providers.jobs import Found, JobState


@dataclass(frozen=True)
class JobTape:
    """The bodies of 200s: of a submission, of looks, of a cancellation, of a page of jobs."""

    name: str
    dialect: str
    ask: Ask
    created: bytes
    job_id: str
    looks: Mapping[str, tuple[bytes, JobState]]
    """By a name of the case; a `Broken` stands for all with its fault."""
    cancelled: bytes
    mark: UUID
    page: bytes
    """Of jobs, one of them with the mark; empty where the provider has no such list."""
    found: Found
