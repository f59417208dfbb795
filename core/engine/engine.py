"""Runs generations: one commit before, attempts between, one commit after.

The engine awaits and decides nothing: what is valid and what it costs is the catalogue's,
who serves it is the policy's, whether it is paid for is the commit's.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from core.caller import Caller
from core.engine.admission import Slot
from core.engine.attempts import Attempts
from core.engine.bookkeeping import Bookkeeper
from core.engine.closing import Case, Closing
from core.engine.course import Course, Made
from core.engine.events import Accepted, Failed, Live, RateLimit
from core.engine.examined import Job
from core.engine.ids import new_id
from core.engine.intake import Intake
from core.engine.library import Library, Trace
from core.engine.order import Order
from core.engine.outputs import Store, discard
from core.engine.records import Claimed, Replay
from core.engine.watching import Numbered, Watching, replayed
from core.errors import GatewayError, Reason, explained
from core.log import Emit, defect
from core.model import Asset, Generation
from core.policy.deadlines import is_over
from core.policy.decisions import Attempt, Stop
from core.policy.failover import Failover, Fleet
from core.values import dataclass


@dataclass(frozen=True, slots=True)
class Ticket:
    """A generation that was accepted now, or found again. Call `watch` once."""

    generation: Generation
    watch: Callable[[], AsyncGenerator[Numbered, None]]


class Engine:
    """The generations of this process."""

    def __init__(
        self,
        intake: Intake,
        fleet: Fleet,
        attempts: Attempts,
        books: Bookkeeper,
        library: Library,
        store: Store,
        emit: Emit,
    ) -> None:
        """The *emit* hears of defects and of every end."""
        self._now = attempts.now
        self._intake = intake
        self._fleet = fleet
        self._attempts = attempts
        self._books = books
        self._library = library
        self._store = store
        self._closing = Closing(books, store, emit, attempts.now)
        self._emit = emit
        self._live: dict[UUID, Live] = {}
        self._opening: set[UUID] = set()
        self._stopping = False
        self._watching = Watching(self._live, library, lambda: self._stopping)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        """How many generations run in this process."""
        return len(self._live)

    def is_running(self, id_: UUID) -> bool:
        """Whether this process works on it: from before its first commit to after its last."""
        return id_ in self._live or id_ in self._opening

    async def start(self, caller: Caller, order: Order, slot: Slot) -> Ticket:
        """Accept a request, or find the generation that answers it.

        The *slot* is the engine's from now on. Raises GatewayError and StorageUnavailable;
        then nothing is held.
        """
        try:
            if caller.sandbox:
                await self._intake.prepare()
            job = self._intake.examine(caller, order)
        except (GatewayError, asyncio.CancelledError):
            slot.release()
            raise
        # The generation lives in a task of its own from the start: a caller who goes away
        # during the commit must not leave a hold behind that nobody works for.
        ticket: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._spawn(self._live_through(caller, job, slot, ticket))
        # Cancelling who waits cancels the future, which tells `_live_through` that nobody does.
        return await ticket

    async def _live_through(
        self, caller: Caller, job: Job, slot: Slot, ticket: "asyncio.Future[Ticket]"
    ) -> None:
        """One generation, from the first commit to the last."""
        failover = Failover(self._fleet, self._attempts.careful(job.routing))
        id_ = new_id()
        self._opening.add(id_)
        try:
            opened = await self._open(caller, job, slot, failover, id_)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the ticket
            failover.close()
            slot.release()
            if not ticket.cancelled():
                ticket.set_exception(error)
            return
        finally:
            self._opening.discard(id_)
        if isinstance(opened, Ticket):
            failover.close()
            slot.release()
            if not ticket.cancelled():
                ticket.set_result(opened)
            return
        case, first = opened
        if ticket.cancelled():
            self.caller_left(caller, id_, detached=job.detached)
        else:
            ticket.set_result(Ticket(case.accepted, case.live.watch))
        course = self._course(job, case, slot)
        try:
            making = self._making(job, case, failover, first, course, slot)
            await self._supervised(case, course, making)
        finally:
            slot.release()

    async def _open(
        self, caller: Caller, job: Job, slot: Slot, failover: Failover, id_: UUID
    ) -> tuple[Case, Attempt] | Ticket:
        """Commit the hold; or find the generation that answers a repeated request."""
        first = failover.next_channel(self._now())
        if isinstance(first, Stop):
            raise first.to_error()
        opened = await self._books.open(caller, job, id_, first)
        slot.dispatched()
        if isinstance(opened, Replay | Claimed):
            return await self._again(caller, opened.generation_id)
        entry, allowance = opened
        generation = job.accepted(caller, id_, entry.owner_epoch, first.channel.name)
        live = Live(entry.id, caller.account_id, entry.owner_epoch)
        limit = RateLimit(allowance.limit, allowance.remaining, allowance.reset_us / 1e6)
        live.publish(Accepted(generation, rate_limit=limit))
        self._live[entry.id] = live
        case = Case(entry, generation, live, job.seconds, job.step)
        return case, first

    async def watch(
        self, caller: Caller, id_: UUID, after: int = 0
    ) -> AsyncGenerator[Numbered, None]:
        """The events of a generation after sequence number *after*, from any process."""
        return await self._watching.watch(caller.account_id, id_, after)

    async def cancel(self, caller: Caller, id_: UUID) -> Generation:
        """Ask to stop: granted unless what it costs is spent; then it finishes and is charged."""
        await self._books.request_cancel(caller.account_id, id_)
        self.wish_to_cancel(id_)
        return await self._library.find(caller.account_id, id_)

    def wish_to_cancel(self, id_: UUID) -> None:
        """The caller's wish, recorded already, is known here."""
        live = self._live.get(id_)
        if live is not None:
            live.ask_to_cancel()

    def hint(self, id_: UUID) -> None:
        """Its provider says that something happened: look at once."""
        live = self._live.get(id_)
        if live is not None:
            live.nudge()

    def with_progress(self, item: Generation) -> Generation:
        """The same, with how far its job is, where this process looks."""
        live = self._live.get(item.id)
        if live is None or live.percent is None or item.state.is_terminal:
            return item
        return replace(item, progress_percent=live.percent)

    async def explain(self, caller: Caller, id_: UUID) -> Trace:
        """How it was served so far: what is on record, and what this process makes now."""
        trace = await self._library.trace(caller.account_id, id_)
        live = self._live.get(id_)
        if live is None or trace.generation.state.is_terminal:
            return trace
        attempts = {item.number: item for item in trace.attempts}
        for number, standing in live.attempts.items():
            attempts[number] = standing()
        generation = self.with_progress(trace.generation)
        return replace(
            trace, generation=generation, attempts=tuple([attempts[n] for n in sorted(attempts)])
        )

    async def delete(self, caller: Caller, id_: UUID) -> tuple[Sequence[Asset], Sequence[Asset]]:
        """Hide it and delete its outputs, also those that arrive later.

        Returns the outputs that it had, and those of them that the store has no more.
        """
        found = await self._library.find(caller.account_id, id_)
        if not found.state.is_terminal:  # whoever owns it, now or later, shall know
            await self._books.request_cancel(caller.account_id, id_)
        live = self._live.get(id_)
        if live is not None:
            live.delete_asked = True
            live.ask_to_cancel()
        await self._books.hide(caller.account_id, id_)
        # Read after hiding: what ends from now on finds that it is hidden.
        outputs = await self._library.outputs(caller.account_id, id_)
        return outputs, await discard(self._store, outputs)

    async def abandon(self, caller: Caller, id_: UUID) -> None:
        """Let an SDK's retry claim it."""
        await self._books.mark_orphan(caller.account_id, id_)

    def caller_left(self, caller: Caller, id_: UUID, *, detached: bool) -> None:
        """The call that started or watched it is gone (semantics.md 6)."""
        if detached:
            self._spawn(self.abandon(caller, id_))
        elif id_ in self._live:
            self.wish_to_cancel(id_)
            self._spawn(self._books.request_cancel(caller.account_id, id_))

    def end_in(self, seconds: float, caller: Caller, id_: UUID) -> None:
        """The time of its caller is over then: attempts are over, a job is asked to stop."""
        live = self._live.get(id_)
        if live is not None:
            live.leave_in(seconds, partial(self.caller_left, caller, id_, detached=False))

    async def drain(self, seconds: float) -> None:
        """Wait for what runs, at most *seconds*."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)

    async def stop(self, seconds: float) -> None:
        """End what still runs: failed as REQUEST_NOT_RETAINED, and given back."""
        self._stopping = True
        for live in self._live.values():
            if live.task is not None and not live.finishing:
                live.task.cancel()
        await self.drain(seconds)

    async def _again(self, caller: Caller, id_: UUID) -> Ticket:
        """The generation that answers a repeated request, finished or still running."""
        live = self._live.get(id_)
        generation = await self._library.find(caller.account_id, id_)
        if live is None:
            return Ticket(generation, lambda: self._watching.follow(generation))
        return Ticket(generation, lambda: replayed(live, generation))

    def _course(self, job: Job, case: Case, slot: Slot) -> Course:
        """The attempts of *job*, of which there is none yet."""
        return Course(
            self._now(),
            case.entry,
            job.model.kind,
            job.media_type,
            job.ask.count,
            count=slot.count,
            quoted_micros=case.accepted.quoted_micros,
            hedges=job.model.hedge,
        )

    async def _making(
        self, job: Job, case: Case, failover: Failover, first: Attempt, course: Course, slot: Slot
    ) -> Made:
        """From acceptance to what channels made; raises GatewayError."""
        with failover:
            if self._stopping:
                raise _stopped()
            if case.live.cancel_asked:
                raise explained(Reason.CANCELLED)
            try:
                return await self._attempts.run(job.ask, failover, first, case.live, course)
            except GatewayError as error:
                if is_over(error.reason, job.routing.ends, self._now()):
                    raise explained(Reason.DEADLINE_EXCEEDED) from None
                raise
            finally:
                slot.returned()

    def take_over(self, case: Case, course: Course, making: Coroutine[Any, Any, Made]) -> None:
        """Run an adopted generation: *making* waits for what its job makes."""

        async def rest() -> Made:
            if self._stopping:  # it came too late for `stop` to cancel it
                making.close()
                raise asyncio.CancelledError
            return await making

        self._live[case.entry.id] = case.live
        self._spawn(self._supervised(case, course, rest()))

    async def _supervised(self, case: Case, course: Course, making: Awaitable[Made]) -> None:
        """Deliver what *making* gives; however that ends, so does the generation.

        Except for what has a job at a provider when this process stops: that is left to the
        next one, under its row (semantics.md 17, 18).
        """
        case.live.task = asyncio.current_task()
        try:
            made = await making
            case.live.finishing = True
            await self._closing.deliver(case, made, course)
        except GatewayError as error:
            if error.reason is Reason.STILL_RUNNING:
                self._closing.leave(case, error)
            else:
                await self._closing.fail(case, error, course)
        except asyncio.CancelledError:  # by `stop`, and by nobody else
            if course.pursuit is None:
                await self._closing.fail(case, _stopped(), course)
            else:
                self._closing.leave(case, _still_running())
        except Exception as defective:  # noqa: BLE001 - the supervision boundary of generations
            self._emit(defect("generation", defective))
            await self._closing.fail(case, _lost(), course)
        finally:
            if not case.live.ended:  # whatever went wrong: exactly one terminal event
                case.live.publish(Failed(_lost(), case.accepted))
            del self._live[case.entry.id]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._emit(defect("background", error))


def _stopped() -> GatewayError:
    return explained(Reason.REQUEST_NOT_RETAINED, retry_after=1)


def _lost() -> GatewayError:
    return GatewayError(Reason.INTERNAL, "The gateway failed.")


def _still_running() -> GatewayError:
    return GatewayError(
        Reason.STILL_RUNNING, "This process stops; another one goes on with the generation."
    )
