"""Mail of tests: a queue with something in it, and an office that sends it to the simulator."""

from contextlib import asynccontextmanager
from uuid import uuid4

from accounts.mail_queue import Kind, Letter, post
from accounts.mail_store import Mails
from core.body import Secret
from core.mail.content import Links
from core.mail.message import Sender
from core.mail.post_office import Desk, PostOffice
from core.mail.resend import Resend, ResendSettings
from simulator.mail import FakeMail
from tests.members_of import VAULT, run, transaction

API_KEY = "re_test_key"
SENDER = Sender("reAPI", "mail@gateway.example.com")
PUBLIC = "https://gateway.example.com"
FACTS = {
    Kind.VERIFY_EMAIL: {"token": "tok/en+1"},
    Kind.VERIFY_NEW_EMAIL: {"token": "t"},
    Kind.RESET_PASSWORD: {"token": "t"},
    Kind.INVITATION: {"token": "t", "account": "Ada's account", "role": "developer"},
    Kind.RECEIPT: {
        "payment": "payments/1",
        "amount": "5.00",
        "currency": "usd",
        "credits": "5,000",
    },
    Kind.BUDGET_ALERT: {
        "budget": "budgets/1",
        "percent": "80",
        "limit_micros": "10000000",
        "spent_micros": "8000000",
        "held_micros": "45000",
    },
    Kind.PASSWORD_CHANGED: {"removed": "github", "kept": "google"},
    Kind.SIGN_IN_ADDED: {"provider": "github"},
    Kind.SIGN_IN_REMOVED: {"provider": "google"},
    Kind.BALANCE_LOW: {"available_micros": "1500500", "threshold_micros": "2000000"},
    Kind.PRICE_INCREASE: {
        "model": "veo-3.1",
        "unit": "seconds",
        "old_micros": "200000",
        "new_micros": "250000",
        "per": "1",
        "effective_from": "2026-12-24T00:00:00+00:00",
    },
    Kind.POLICY: {"title": "Privacy policy", "version": "2026-12-01", "effective": "2026-12-31"},
    Kind.NEWSLETTER: {"subject": "News", "text": "First.\n\nSecond."},
    Kind.PRODUCT: {"subject": "A new model", "text": "It is there."},
    Kind.EXPORT_READY: {"expires": "2026-11-23T17:12:00+00:00"},
    Kind.ACCOUNT_ERASED: {"request": "rights_requests/1"},
    Kind.CONTACT: {"email": "ada@example.org", "display_name": "Ada", "subject": "S", "text": "T"},
}


class Log:
    """What was emitted."""

    def __init__(self):
        self.events = []

    def __call__(self, event):
        self.events.append(event)

    @property
    def outcomes(self):
        return [(each.kind, each.outcome) for each in self.events if hasattr(each, "outcome")]


def letter(kind=Kind.RESET_PASSWORD, to="ada@example.com", **more):
    return Letter(uuid4(), kind, to, {**FACTS.get(kind, {}), **more.pop("facts", {})}, **more)


async def queue(pool, *letters):
    async with transaction(pool) as connection:
        for each in letters:
            await post(connection, VAULT, each)


async def rows(pool, columns):
    return await run(pool, f"SELECT {columns} FROM mail ORDER BY created_at, mail_id")


async def move(pool, interval):
    """Let *interval* pass for everything that is queued."""
    await run(
        pool,
        f"UPDATE mail SET due_at = due_at - interval '{interval}', "
        f"asked_at = asked_at - interval '{interval}'",
    )


@asynccontextmanager
async def sending(pool, mail=None, transport=None, log=None):
    """An office that sends to *mail* by Resend's API, or by *transport*."""
    settings = ResendSettings(Secret(API_KEY), "http://127.0.0.1:9" if mail is None else mail.url)
    by = transport or Resend(settings)
    try:
        yield PostOffice(
            Mails(pool, VAULT), VAULT, Desk(by, SENDER), Links(PUBLIC), log or Log(), lambda: 0.5
        )
    finally:
        await by.close()


def fake():
    return FakeMail(API_KEY)
