"""`reapi payments sweep`: compares Stripe's payments with the ledger, now."""

import asyncio
import sys
from contextlib import AsyncExitStack

from billing.ledger_sql import LedgerSql
from billing.stripe_client import PaymentRefused, PaymentServiceUnavailable, StripeSettings
from core.engine.payment_room import open_payment_room, payment_rows
from core.engine.payment_sweep import SweepReport
from core.log import emitter
from core.settings import Settings
from gateway.opening import start_errors
from gateway.own_database import own_url
from gateway.process import ServeError
from storage.committer import Committer
from storage.pool import open_pool

FOUND = 1
"""The exit code when a payment cannot be booked, or Stripe does not answer."""


def sweep_payments(settings: Settings, days: int) -> int:
    """Sweep and print what was found; every oddity is an event on standard error."""
    if settings.stripe is None:
        raise ServeError("REAPI_STRIPE_SECRET_KEY is unset: there are no payments")
    try:
        with start_errors():
            report = asyncio.run(_sweep(settings, settings.stripe, days))
    except (PaymentServiceUnavailable, PaymentRefused):
        print("reapi: Stripe does not answer; what was mended stays", file=sys.stderr)
        return FOUND
    print(f"{report.seen} payments, {report.mended} mended, {report.problems} to look at")
    return FOUND if report.problems else 0


async def _sweep(settings: Settings, stripe: StripeSettings, days: int) -> SweepReport:
    async with AsyncExitStack() as stack:
        url = await own_url(settings, stack)
        keyring, emit = settings.open_keyring(), emitter(settings.log_level)
        pool = await stack.enter_async_context(open_pool(url, name="reapi-payments"))
        committer = await stack.enter_async_context(
            Committer(url, [LedgerSql(), payment_rows(keyring)])
        )
        room = await stack.enter_async_context(open_payment_room(stripe, pool, committer, emit))
        return await room.sweep.run(days)
