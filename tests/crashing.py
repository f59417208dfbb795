"""A gateway that is killed at a named point of its work: `python -m tests.crashing serve`.

`CRASH_AT` names the point. Whoever reaches it first kills the whole process with SIGKILL: no
`finally` runs, nothing is flushed, the kernel cuts the connections.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import storage.migrate
from billing.stripe_client import StripePayments
from core.engine.bookkeeping import Bookkeeper
from core.engine.events import Live
from core.engine.mirroring import Mirror
from core.engine.payment_looks import PaymentLooks
from core.engine.storing import PatientStore
from core.model import Preview
from gateway.cli import main
from storage.commits import Commit


def die(*_: object) -> None:
    """What a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: type, name: str) -> None:
    """Die instead of calling the method."""
    setattr(owner, name, die)


def after(owner: type, name: str) -> None:
    """Die when the method has returned."""
    method = getattr(owner, name)

    @functools.wraps(method)
    async def dying(*arguments: Any, **named: Any) -> None:
        await method(*arguments, **named)
        die()

    setattr(owner, name, dying)


def mid_stream() -> None:
    """Die when the caller has been sent a preview."""
    publish = Live.publish

    def dying(self: Live, *events: Any) -> None:
        publish(self, *events)
        if any(isinstance(event, Preview) for event in events):
            die()

    Live.publish = dying  # type: ignore[method-assign] # that is what this module is for


def around_booking(*, is_done: bool) -> None:
    """Die when a webhook's payment was read at Stripe: before its commit, or after it."""
    init = PaymentLooks.__init__

    class Commits:
        def __init__(self, commits: Any) -> None:
            self._commits = commits

        async def commit(self, commit: Commit) -> None:
            if is_done:
                await self._commits.commit(commit)
            die()

    def opening(self: PaymentLooks, stripe: Any, payments: Any, commits: Any, emit: Any) -> None:
        init(self, stripe, payments, Commits(commits), emit)

    PaymentLooks.__init__ = opening  # type: ignore[method-assign] # likewise


def mid_migration() -> None:
    """Die when a file's statements have run and are not committed."""
    apply = storage.migrate.apply

    async def dying(connection: Any, migration: storage.migrate.Migration) -> None:
        if migration.number < HALF:
            await apply(connection, migration)
            return
        async with connection.transaction():
            await connection.execute(migration.statements)
            die()

    storage.migrate.apply = dying


HALF = 6
"""The file in which it dies: some were applied before."""

POINTS: dict[str, Callable[[], None]] = {
    "after hold": lambda: after(Bookkeeper, "open"),
    "accepted upstream, id not recorded": lambda: before(Bookkeeper, "note_job"),
    "id recorded": lambda: after(Bookkeeper, "note_job"),
    "mid-stream": mid_stream,
    "before mirror": lambda: before(PatientStore, "put"),
    "after mirror": lambda: after(PatientStore, "put"),
    "after mirror of a hosted result": lambda: after(Mirror, "keep"),
    "before settle": lambda: before(Bookkeeper, "close"),
    "after settle": lambda: after(Bookkeeper, "close"),
    "mid-webhook, before the commit": lambda: around_booking(is_done=False),
    "mid-webhook, after the commit": lambda: around_booking(is_done=True),
    "mid-Stripe-call, before it": lambda: before(StripePayments, "create_checkout"),
    "mid-Stripe-call, after it": lambda: after(StripePayments, "create_checkout"),
    "mid-migration": mid_migration,
}

if __name__ == "__main__":
    POINTS[os.environ["CRASH_AT"]]()
    sys.argv[0] = "reapi"
    main()
