"""Which text of a policy holds when, and what may be published. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

NOTICE: Final = timedelta(days=14)
"""Between the publication of a new version and the day from which it holds: as for prices."""
AGREED: Final = ("privacy", "terms")
"""What a new person agrees to; the others only inform."""


class PolicyError(Exception):
    """A policy cannot be published as it is written; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a policy as it lies in a file."""

    policy_id: str
    """`privacy`."""
    version: date
    title: str
    markdown: str
    """With placeholders."""
    effective: date | None = None
    """From when it shall hold; None: as soon as the notice allows."""

    @property
    def sha256(self) -> bytes:
        """Of title and text: what must not change once it is published."""
        return hashlib.sha256(f"{self.title}\n{self.markdown}".encode()).digest()

    @property
    def name(self) -> str:
        """`privacy@2026-11-22`."""
        return f"{self.policy_id}@{self.version}"


@dataclass(frozen=True, slots=True)
class Published:
    """One version that this deployment has published."""

    document: Document
    sha256: bytes
    effective_at: datetime


def unpublished(
    documents: Iterable[Document], published: Sequence[Published], now: datetime
) -> list[Published]:
    """What of *documents* is to be published *now*, oldest first; raises PolicyError.

    The first versions of a policy hold at once, or from when they say. Later ones are announced.
    """
    known = {(each.document.policy_id, each.document.version): each for each in published}
    latest: dict[str, date] = {}
    for policy_id, version in known:
        latest[policy_id] = max(version, latest.get(policy_id, version))
    new = []
    for document in sorted(documents, key=lambda each: (each.policy_id, each.version)):
        before = known.get((document.policy_id, document.version))
        if before is None:
            effective_at = _effective(document, latest.get(document.policy_id), now)
            new.append(Published(document, document.sha256, effective_at))
        elif before.sha256 != document.sha256:
            raise PolicyError(
                f"{document.name} was published with another text, which never changes: restore "
                f"it, and write the new one as a version of its own"
            )
    return new


def _effective(document: Document, latest: date | None, now: datetime) -> datetime:
    """From when a new version holds; *latest* is the newest that is published."""
    wished = None if document.effective is None else _midnight(document.effective)
    if latest is None:
        return wished or now
    if document.version <= latest:
        raise PolicyError(
            f"{document.name} is new but not the newest: {latest} is published; date it later"
        )
    if wished is not None and wished < now + NOTICE:
        first = (now + NOTICE).date() + timedelta(days=1)
        raise PolicyError(
            f"{document.name} would hold without {NOTICE.days} days' notice: set its `effective` "
            f"to {first} or later, or leave it out"
        )
    return wished or now + NOTICE


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def current(published: Iterable[Published], now: datetime) -> Mapping[str, Published]:
    """By policy, the version that holds."""
    found: dict[str, Published] = {}
    for each in sorted(published, key=_order):
        if each.effective_at <= now:
            found[each.document.policy_id] = each
    return found


def coming(published: Iterable[Published], now: datetime) -> list[Published]:
    """What is published and does not hold yet, by time."""
    return [each for each in sorted(published, key=_order) if each.effective_at > now]


def _order(each: Published) -> tuple[datetime, date]:
    return each.effective_at, each.document.version
