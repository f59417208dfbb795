"""What may be written about generations: replays, claims, owners and ends. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from uuid import UUID

from core.engine.records import (
    Adopt,
    AlreadyTerminal,
    Claimed,
    Finished,
    FinishGeneration,
    GenerationUnknown,
    HideGeneration,
    IdempotencyMismatch,
    MarkOrphan,
    NewGeneration,
    NoteFate,
    NoteJob,
    NotOwner,
    Replay,
    RequestCancel,
    SubmitAttempt,
)
from core.model import GenerationState
from core.values import dataclass

Part = (
    NewGeneration
    | FinishGeneration
    | SubmitAttempt
    | NoteJob
    | NoteFate
    | Adopt
    | MarkOrphan
    | RequestCancel
    | HideGeneration
)
Refusal = Replay | IdempotencyMismatch | Claimed | GenerationUnknown | AlreadyTerminal | NotOwner
Answer = GenerationState | Finished | None
PARTS: tuple[type, ...] = (
    NewGeneration,
    FinishGeneration,
    SubmitAttempt,
    NoteJob,
    NoteFate,
    Adopt,
    MarkOrphan,
    RequestCancel,
    HideGeneration,
)

KEY_DAYS = 1
"""How long an idempotency key is remembered, and how old an orphan may be claimed."""
DAY_US = 86_400_000_000


STATES = {state.value: state for state in GenerationState}
"""By their names, for a call of an enum costs ten times as much as a look."""


@dataclass(slots=True)
class Standing:
    """Where a generation stands, as a commit sees it."""

    account_id: UUID
    state: GenerationState
    owner_epoch: int
    hidden: bool = False
    is_heard: bool = True
    """Whether anybody may want to be told of its end."""


@dataclass(frozen=True, slots=True)
class RememberedKey:
    """An idempotency row."""

    request: bytes
    generation_id: UUID
    expires_us: int


KeyName = tuple[UUID, bytes]
"""Account and HMAC of an idempotency key."""
Twin = tuple[UUID, UUID, bytes]
"""Account, key and fingerprint: what makes a request an SDK's retry of another."""


@dataclass(slots=True)
class Found:
    """The rows that may matter for a batch."""

    standings: dict[int, Standing] = field(default_factory=dict)
    """By the generation's id as a number: hashing a UUID is a call of Python."""
    keys: dict[KeyName, RememberedKey] = field(default_factory=dict)
    orphans: dict[Twin, list[UUID]] = field(default_factory=dict)
    """The claimable ones, oldest first."""
    attempts: Mapping[tuple[UUID, int], UUID] = field(default_factory=dict)
    """Marks, by generation and number; where attempts are submitted."""


class RecordsBook:
    """Who may begin, change and end generations, by what the rows say."""

    def __init__(self, found: Found, now_us: int) -> None:
        self.now_us = now_us
        self.created: list[NewGeneration] = []
        self.finished: list[FinishGeneration] = []
        self.submitted: list[SubmitAttempt] = []
        self.jobs: list[NoteJob] = []
        self.adopted: list[Adopt] = []
        self.fates: list[NoteFate] = []
        self.claimed: set[tuple[UUID, UUID]] = set()
        """Account and id of orphans that were not orphaned again since."""
        self.marked: list[MarkOrphan | RequestCancel | HideGeneration] = []
        self.remembered: dict[KeyName, RememberedKey] = {}
        self.forgotten: list[KeyName] = []
        """Expired idempotency rows in the way of new ones."""
        self._found = found
        self._unclaimable: set[UUID] = set()

    def recalls(self, part: Part) -> bool:
        # Beginnings and ends are recognised by the transfers that they travel with; what
        # travels alone may be done twice, except the submission of an attempt.
        if not isinstance(part, SubmitAttempt):
            return False
        name = (part.generation_id, part.attempt.number)
        return self._found.attempts.get(name) == part.attempt.mark

    def recall(self, part: Part) -> Answer:
        return self._answer(part)

    def refusal(self, part: Part) -> Refusal | None:
        match part:
            case NewGeneration():
                return self._remembered(part) or self._claimable(part)
            case FinishGeneration() | NoteFate():
                return self._not_changeable(part.account_id, part.id, part.owner_epoch)
            case MarkOrphan() | RequestCancel() | HideGeneration():
                known = self._standing(part.account_id, part.id)
                return GenerationUnknown() if known is None else None
            case Adopt():
                # Adopting twice is adopting once: the answer to the first may have been lost.
                standing = self._standing(part.account_id, part.id)
                if standing is not None and standing.owner_epoch == part.to_epoch:
                    return None
                return self._not_changeable(part.account_id, part.id, part.from_epoch)
            case SubmitAttempt() | NoteJob():
                return self._not_changeable(part.account_id, part.generation_id, part.owner_epoch)

    def turned_away(self, part: Part, refusal: Refusal) -> None:
        """A claim is the one refusal that leaves a trace: nobody else may claim that orphan."""
        if isinstance(refusal, Claimed):
            self.claimed.add((part.account_id, refusal.generation_id))

    def take(self, part: Part) -> Answer:
        match part:
            case NewGeneration():
                self._create(part)
                return None
            case FinishGeneration():
                standing = self._found.standings[part.id.int]
                standing.state = part.state
                self.finished.append(part)
                if part.state is GenerationState.FAILED:
                    self._unclaimable.add(part.id)
                return Finished(standing.hidden)
            case SubmitAttempt():
                self.submitted.append(part)
            case NoteJob():
                self._found.standings[part.generation_id.int].state = GenerationState.RUNNING
                self.jobs.append(part)
            case NoteFate():
                self._found.standings[part.id.int].state = GenerationState.RUNNING
                self.fates.append(part)
            case Adopt():
                self._found.standings[part.id.int].owner_epoch = part.to_epoch
                self.adopted.append(part)
            case MarkOrphan() | RequestCancel() | HideGeneration():
                self.marked.append(part)
                if isinstance(part, HideGeneration):
                    self._unclaimable.add(part.id)
                    self._found.standings[part.id.int].hidden = True
                if isinstance(part, MarkOrphan):
                    self.claimed.discard((part.account_id, part.id))
        return self._answer(part)

    @property
    def is_changed(self) -> bool:
        """Whether anything was taken about generations that neither begin nor end here."""
        return bool(self.marked or self.claimed or self.adopted or self.jobs or self.fates)

    def is_hidden(self, generation_id: UUID) -> bool:
        """Whether it is deleted, after all that was taken so far."""
        standing = self._found.standings.get(generation_id.int)
        return standing is not None and standing.hidden

    def to_tell(self) -> list[FinishGeneration]:
        """The ends of which somebody may want to hear; of what is deleted nobody does."""
        standings = self._found.standings
        told = [(part, standings[part.id.int]) for part in self.finished]
        return [part for part, standing in told if standing.is_heard and not standing.hidden]

    def _answer(self, part: Part) -> Answer:
        """The state, to who asks for a cancellation or a deletion; what an end should know."""
        if isinstance(part, FinishGeneration):
            return Finished(self.is_hidden(part.id))
        if not isinstance(part, (RequestCancel, HideGeneration)):
            return None
        standing = self._standing(part.account_id, part.id)
        return None if standing is None else standing.state

    def _standing(self, account_id: UUID, generation_id: UUID) -> Standing | None:
        standing = self._found.standings.get(generation_id.int)
        return standing if standing is not None and standing.account_id == account_id else None

    def _not_changeable(
        self, account_id: UUID, generation_id: UUID, owner_epoch: int
    ) -> Refusal | None:
        standing = self._standing(account_id, generation_id)
        if standing is None:
            return GenerationUnknown()
        if standing.state.is_terminal:
            return AlreadyTerminal(standing.state)
        if standing.owner_epoch != owner_epoch:
            return NotOwner(standing.owner_epoch)
        return None

    def _remembered(self, part: NewGeneration) -> Replay | IdempotencyMismatch | None:
        if part.idempotency_key is None:
            return None
        row = self._found.keys.get((part.account_id, part.idempotency_key))
        if row is None or row.expires_us <= self.now_us:
            return None
        if row.request != part.fingerprint:
            return IdempotencyMismatch()
        return Replay(row.generation_id)

    def _claimable(self, part: NewGeneration) -> Claimed | None:
        if not part.claim:
            return None
        for orphan in self._found.orphans.get(twin(part), ()):
            if orphan not in self._unclaimable and (part.account_id, orphan) not in self.claimed:
                return Claimed(orphan)
        return None

    def _create(self, part: NewGeneration) -> None:
        self.created.append(part)
        standing = Standing(part.account_id, GenerationState.ACCEPTED, part.owner_epoch)
        self._found.standings[part.id.int] = standing
        if part.idempotency_key is not None:
            name = (part.account_id, part.idempotency_key)
            if name in self._found.keys:
                self.forgotten.append(name)
            row = RememberedKey(part.fingerprint, part.id, self.now_us + KEY_DAYS * DAY_US)
            self._found.keys[name] = self.remembered[name] = row


def twin(part: NewGeneration) -> Twin:
    """What an orphan must share with *part* to answer it."""
    return (part.account_id, part.key_id, part.fingerprint)


def id_before(generation_id: UUID) -> UUID:
    """The smallest UUIDv7 that an orphan for *generation_id* may have: as old as a key."""
    milliseconds = generation_id.int >> 80
    return UUID(int=max(0, milliseconds - KEY_DAYS * DAY_US // 1000) << 80)


def generation_of(part: Part) -> tuple[UUID, UUID]:
    """Account and id of the generation that *part* is about."""
    if isinstance(part, (SubmitAttempt, NoteJob)):
        return part.account_id, part.generation_id
    return part.account_id, part.id


def locked(parts: Iterable[Part]) -> list[tuple[UUID, UUID]]:
    """Account and id of the generations that must exist for *parts*, each once."""
    return list(
        dict.fromkeys(generation_of(part) for part in parts if type(part) is not NewGeneration)
    )
