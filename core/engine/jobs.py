"""Follows jobs at providers: submits, looks until they end, finds again what got lost.

A look that fails never ends a job: the provider's word does, or the caller's wish with the
provider's consent, or the SLA, after which the operator bears a late bill (design.md 5,
semantics.md 18 and 22, providers.md 10.5). Each job waits in a timer of the event loop, whose
heap is the poll heap; a callback of the provider only shortens the wait.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol
from uuid import UUID

from core.engine.bookkeeping import Bookkeeper, Entry, not_ours
from core.engine.events import Live, Progress
from core.engine.looks import Calls, Looks
from core.engine.records import AttemptRecord
from core.errors import Fault, GatewayError, Phase, Reason, UpstreamError, explained
from core.log import Emit, defect
from core.model import Ask, Channel
from core.policy.polling import Schedule, is_absent, look_delay, page_ends, search_delay
from core.providers import JOB_DIALECTS
from core.providers.jobs import Broken, Elsewhere, JobDialect, Made, Stopped, Working
from core.providers.wire import Call, Reply
from storage.commits import CommitRejected, CommitUnanswered

GONE_SECONDS = 30.0
"""A job that was just made may not be listed everywhere yet (providers.md 10.5)."""
GONE_LOOKS = 3
"""In a row that find nothing; a look that fails otherwise says nothing."""
MAXIMUM_PAGES = 50


@dataclass(frozen=True, slots=True)
class Stake:
    """What stopping a job costs the operator, counted against its key before it is tried."""

    take: Callable[[], bool]
    """Count it; False where the key has cost enough."""
    give_back: Callable[[], None]
    """The job was not stopped."""


@dataclass(slots=True)
class Pursuit:
    """One job on one channel, and what is known of it. Times are monotonic, in seconds."""

    channel: Channel
    entry: Entry
    live: Live
    number: int
    """Of the attempt."""
    mark: UUID
    sla_ends: float
    sent_at: float
    sent_wall: float
    """The same in seconds since 1970, generously early."""
    job_id: str = ""
    is_fate_unknown: bool = False
    is_marked: bool = True
    """Whether its submission carried the mark, as far as this process knows."""
    stake: Stake | None = None
    """What the operator bears for stopping it while it runs; None: nothing."""
    is_stop_billed: bool = False
    """Whether it was stopped, and is billed all the same."""

    @property
    def dialect(self) -> JobDialect:
        """How its provider speaks."""
        return JOB_DIALECTS[self.channel.dialect]


class Doors(Protocol):
    """How providers reach this process."""

    def callback_url(self, pursuit: Pursuit) -> str:
        """Where the provider posts that something happened; empty where it could not."""
        ...

    def offer(self, id_: UUID, ask: Ask, channel: Channel) -> Ask:
        """The *ask*, with links to the inputs that the channel wants links to."""
        ...

    def withdraw(self, id_: UUID) -> None:
        """The links of a generation lead nowhere any more."""
        ...


class Closed:
    """No provider reaches this process."""

    def callback_url(self, pursuit: Pursuit) -> str:
        """There is none."""
        del pursuit
        return ""

    def offer(self, id_: UUID, ask: Ask, channel: Channel) -> Ask:
        """Inputs stay as they are."""
        del id_, channel
        return ask

    def withdraw(self, id_: UUID) -> None:
        """There were none."""


_CLOSED = Closed()


class Jobs:
    """Drives jobs; *chance* gives random numbers in [0, 1)."""

    def __init__(
        self,
        calls: Calls,
        books: Bookkeeper,
        emit: Emit,
        chance: Callable[[], float],
        doors: Doors = _CLOSED,
        now: Callable[[], float] = time.monotonic,
        holds: Callable[[int], bool] = lambda _epoch: True,
    ) -> None:
        """*holds* tells whether this process still holds the lease of an epoch."""
        self._calls = calls
        self._holds = holds
        self._looks = Looks(calls)
        self._books = books
        self._emit = emit
        self._chance = chance
        self._doors = doors
        self._now = now
        self.renewed: Callable[[Channel], Channel] = lambda channel: channel
        """Gives a channel the credential that stands where its own was read."""

    async def submit(self, pursuit: Pursuit, ask: Ask, started_ms: int) -> int:
        """Make the job; returns the HTTP status.

        Raises UpstreamError, and GatewayError NOT_OURS or STORAGE_UNAVAILABLE.

        The first attempt was written with the hold; a later one is written here, before bytes
        leave (semantics.md 18).
        """
        channel, dialect = pursuit.channel, pursuit.dialect
        pursuit.live.percent = None  # that was of the job before
        if pursuit.number > 1:
            record = AttemptRecord(
                pursuit.number,
                channel.name,
                pursuit.mark,
                started_ms=started_ms,
                credential=channel.credential_name,
            )
            await self._record(pursuit, record)
        ask = self._doors.offer(pursuit.entry.id, ask, channel)
        call = dialect.submit(ask, channel, pursuit.mark, self._doors.callback_url(pursuit))
        pursuit.is_marked = dialect.marks(ask, channel)
        pursuit.sent_at = self._now()
        try:
            reply = await self._made(pursuit, call, ask)
        except UpstreamError as error:
            if dialect.is_free():
                _settle(error)
            raise
        await self._note(pursuit)
        await self._start(pursuit, ask, reply)
        return reply.status

    async def _made(self, pursuit: Pursuit, call: Call, ask: Ask) -> Reply:
        """Send the submission, and learn the job's id."""
        reply = await self._calls.call(
            call, pursuit.channel, clear=partial(self._check_lease, pursuit)
        )
        try:
            pursuit.job_id = pursuit.dialect.submitted(reply, ask)
        except UpstreamError as error:
            error.phase, error.http_status = Phase.BODY, reply.status
            raise
        return reply

    def _check_lease(self, pursuit: Pursuit) -> None:
        """Make nothing any more once somebody else may have looked for it (semantics.md 17)."""
        if not self._holds(pursuit.entry.owner_epoch):
            raise not_ours()

    def forget(self, id_: UUID) -> None:
        """The generation has ended: no provider needs its inputs any more."""
        self._doors.withdraw(id_)

    async def _start(self, pursuit: Pursuit, ask: Ask, reply: Reply) -> None:
        """Make the further calls that some providers want before a job runs.

        When one fails, the job is cancelled: it must not start once another channel is asked.
        """
        dialect, channel, step = pursuit.dialect, pursuit.channel, 1
        try:
            while call := dialect.proceed(reply, step, pursuit.job_id, ask, channel):
                reply = await self._calls.call(
                    call, channel, clear=partial(self._check_lease, pursuit)
                )
                step += 1
        except UpstreamError as error:
            if not await self._cancel(pursuit, Working(is_queued=True)):
                return  # it may run: its looks tell
            _settle(error)
            raise

    async def follow(self, pursuit: Pursuit) -> Made:
        """Wait for the end of the job. Raises UpstreamError when it ended without outputs.

        Raises GatewayError CANCELLED when the provider stopped it at the caller's wish,
        UPSTREAM_TIMEOUT at the SLA, and NOT_OURS.
        """
        try:
            return await self._followed(pursuit)
        except UpstreamError:
            await self._set_fate(pursuit, is_unknown=False)
            raise

    async def _followed(self, pursuit: Pursuit) -> Made:
        missing = 0
        schedule = Schedule(pursuit.channel.poll_seconds, self._now())
        while True:
            delay = look_delay(schedule, self._now(), self._chance())
            is_late = await self._rest(pursuit, delay)
            schedule.looked = self._now()
            try:
                state = await self._look(pursuit)
            except UpstreamError as error:
                schedule.failed()
                missing = missing + 1 if error.fault is Fault.NOT_FOUND else 0
                if missing >= GONE_LOOKS and self._now() - pursuit.sent_at >= GONE_SECONDS:
                    raise
                if is_late:
                    raise explained(Reason.UPSTREAM_TIMEOUT) from None
                continue
            schedule.answered()
            missing = 0
            match state:
                case Made():
                    return state
                case Broken(failure):
                    raise ended(failure)
                case Stopped():
                    if pursuit.live.cancel_asked:
                        raise explained(Reason.CANCELLED)
                    raise UpstreamError(Fault.SERVER_ERROR, Phase.BODY)
                case Working():
                    _tell(pursuit.live, state)
                    if pursuit.live.cancel_asked and await self._cancel(pursuit, state):
                        raise explained(Reason.CANCELLED)
                    if is_late:
                        raise explained(Reason.UPSTREAM_TIMEOUT)

    async def find(self, pursuit: Pursuit) -> bool:
        """Whether the provider has the job, by its mark; takes until that is certain.

        Raises GatewayError UPSTREAM_TIMEOUT at the SLA, and NOT_OURS.
        """
        await self._set_fate(pursuit, is_unknown=True)
        lost_at, misses, tries = self._now(), 0, 0
        while True:
            is_late = await self._rest(pursuit, search_delay(tries, self._chance()))
            tries += 1
            try:
                job_id = await self._search(pursuit)
            except UpstreamError:
                misses, job_id = 0, None
            if job_id:
                pursuit.job_id = job_id
                await self._note(pursuit)
                await self._set_fate(pursuit, is_unknown=False)
                return True
            if is_late:
                raise explained(Reason.UPSTREAM_TIMEOUT)
            if job_id is None:  # no list, or none that could be read: it shows nothing
                continue
            misses += 1
            if is_absent(misses, self._now() - lost_at):
                await self._set_fate(pursuit, is_unknown=False)
                return False

    async def _rest(self, pursuit: Pursuit, seconds: float) -> bool:
        """Wait for the next look; True at the SLA, which allows one more."""
        now = self._now()
        await pursuit.live.pause(max(0.0, min(seconds, pursuit.sla_ends - now)))
        pursuit.channel = self.renewed(pursuit.channel)
        now = self._now()
        if now >= pursuit.sent_at + pursuit.channel.job_seconds:
            await self._set_fate(pursuit, is_unknown=True)
        return now >= pursuit.sla_ends

    async def _look(self, pursuit: Pursuit) -> "Working | Made | Broken | Stopped":
        dialect, channel = pursuit.dialect, pursuit.channel
        reply = await self._looks.ask(dialect.look(pursuit.job_id, channel), channel)
        state = dialect.state(reply, channel)
        if isinstance(state, Elsewhere):
            state = dialect.outcome(await self._looks.ask(state.call, channel), channel)
            assert not isinstance(state, Elsewhere), "an outcome is one"
        return state

    async def _cancel(self, pursuit: Pursuit, state: Working) -> bool:
        """Ask the provider to stop it; False when it goes on, which is charged.

        What runs where beginning is billed goes on once its key has cost the operator enough.
        """
        call = pursuit.dialect.cancel(pursuit.job_id, pursuit.channel, state)
        if call is None:
            return False
        if not pursuit.channel.bills_on_cancel or state.is_queued:
            return await self._stopped(pursuit, call)
        stake = pursuit.stake
        if stake is None or not stake.take():
            return False
        try:
            pursuit.is_stop_billed = await self._stopped(pursuit, call)
        finally:
            if not pursuit.is_stop_billed:
                stake.give_back()
        return pursuit.is_stop_billed

    async def _stopped(self, pursuit: Pursuit, call: Call) -> bool:
        try:
            return pursuit.dialect.cancelled(await self._looks.ask(call, pursuit.channel))
        except UpstreamError:
            return False

    async def _search(self, pursuit: Pursuit) -> str | None:
        """The job's id; empty if no page has it, None if there are no pages."""
        dialect, channel = pursuit.dialect, pursuit.channel
        call = first = dialect.find(channel, 1) if pursuit.is_marked else None
        for page in range(2, MAXIMUM_PAGES + 2):
            if call is None or first is None:
                return None
            found = dialect.found(await self._looks.ask(call, channel), pursuit.mark)
            if found.job_id or page_ends(found.is_last, found.oldest, pursuit.sent_wall):
                return found.job_id
            call = _following(first, found.cursor) or dialect.find(channel, page)
        return None  # older than we may look: nobody can say that it is absent

    async def _record(self, pursuit: Pursuit, record: AttemptRecord) -> None:
        try:
            await self._books.submit(pursuit.entry, record)
        except CommitUnanswered:
            raise GatewayError(
                Reason.STORAGE_UNAVAILABLE, "The attempt could not be recorded.", retry_after=1
            ) from None

    async def _note(self, pursuit: Pursuit) -> None:
        """Record the job's id. Without a database the looks go on: the end is recorded anyhow."""
        try:
            await self._books.note_job(pursuit.entry, pursuit.number, pursuit.job_id)
        except (CommitUnanswered, CommitRejected) as unrecorded:
            self._emit(defect("job", unrecorded))

    async def _set_fate(self, pursuit: Pursuit, *, is_unknown: bool) -> None:
        if pursuit.is_fate_unknown is not is_unknown:
            pursuit.is_fate_unknown = is_unknown
            try:
                await self._books.note_fate(pursuit.entry, is_unknown=is_unknown)
            except (CommitUnanswered, CommitRejected) as unrecorded:
                self._emit(defect("job", unrecorded))


def _following(first: Call, cursor: str) -> Call | None:
    """The request for the next page, where the one before told its cursor."""
    if not cursor:
        return None
    return replace(first, path=f"{first.path}{'&' if '?' in first.path else '?'}{cursor}")


def _tell(live: Live, state: Working) -> None:
    if state.percent is not None and state.percent != live.percent:
        live.percent = state.percent
        live.publish(Progress(state.percent))


def ended(error: UpstreamError) -> UpstreamError:
    """The same for a job that has ended: it leaves nothing unknown, whatever it is called."""
    _settle(error)
    error.phase = Phase.BODY
    return error


def _settle(error: UpstreamError) -> None:
    """Nothing is unknown after it: no job runs, so that another channel may be asked."""
    if error.fault in (Fault.TIMEOUT, Fault.LOST, Fault.INVALID_RESPONSE):
        error.fault = Fault.SERVER_ERROR
