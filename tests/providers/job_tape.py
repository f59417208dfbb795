"""What one provider says of one job, and what it means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from core.model import Ask, FieldRule, Mode
from core.providers.jobs import Found, JobState

NOTHING = Found()


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
    """Empty where the provider cannot be asked to cancel."""
    mark: UUID
    page: bytes
    """Of jobs, one of them with the mark; empty where the provider has no such list."""
    found: Found = NOTHING
    outcomes: Mapping[str, tuple[bytes, JobState]] = field(default_factory=dict)
    """What is said elsewhere of jobs that have ended, where the looks do not tell how."""
    fields: Mapping[str, FieldRule] = field(default_factory=dict)
    variants: Mapping[Mode, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the channel, where the dialect needs them."""
    upstream_model: str = "model&id=1"
    is_marked: bool = True
    """Whether a submission carries its mark: elsewhere a lost job cannot be told from others."""
    is_cancelled: bool = True
    """Whether that answer to a cancellation is certain: elsewhere the looks tell."""
