"""An account with people, and a row in every table that may hold something of either."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from accounts.addresses import address_digest
from accounts.invitation_store import ADDRESS as INVITED
from accounts.mail_queue import Kind, Letter, post
from accounts.oauth import ADDRESS as LINKED
from accounts.people import ADDRESS, NewPerson, create_person
from accounts.places import NAME_PURPOSE
from core.engine.callback_urls import PURPOSE as CALLBACK
from core.engine.ids import first_id, new_id
from core.engine.outputs import asset_name
from core.engine.payment_room import PURPOSE as PAYMENT
from core.keyring import Keyring
from core.rights.exporting import new_base
from core.vault import KeyringVault
from core.webhooks.endpoints import NAME, URL
from core.webhooks.endpoints import PURPOSE as ENDPOINT
from storage.job_tables import make_job_tables
from storage.pool import Pool

KEYRING: Final = Keyring((b"k" * 32,))
VAULT: Final = KeyringVault(KEYRING)
LINK: Final = "ab" * 12
HASH: Final = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g"


@dataclass(frozen=True)
class Full:
    """Who they are."""

    account: UUID
    user: UUID
    email: str
    name: str
    generation: UUID
    export: UUID
    base: str
    """Of the archive that was made before."""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """What the output is called in the bucket."""
        return asset_name(self.generation, LINK, 0, "image/png")


async def sign_up(pool: Pool, email: str, name: str) -> tuple[UUID, UUID]:
    """A person with a verified address, and the account that it owns."""
    user = new_id()
    async with pool.connection() as connection, connection.transaction():
        new = NewPerson(user, email, email_verified=True, display_name=name, password_hash=HASH)
        assert await create_person(connection, VAULT, new) is not None
        cursor = await connection.execute(
            "SELECT account_id FROM membership WHERE user_id = %s", (user,)
        )
        row = await cursor.fetchone()
    assert row is not None
    return user, row[0]


async def fill(pool: Pool, account: UUID, user: UUID, email: str, name: str) -> Full:
    """Rows in every table: what the map says is erased is there to be erased."""
    await make_job_tables(pool)
    made = Full(account, user, email, name, new_id(), new_id(), "")
    made = Full(account, user, email, name, made.generation, made.export, new_base(made.export))
    values = _values(made)
    async with pool.connection() as connection, connection.transaction():
        for statement in _ROWS:
            await connection.execute(statement, values)
        letter = Letter(
            new_id(), Kind.RECEIPT, email, {}, name, user_id=user, account_id=account, once="once"
        )
        await post(connection, VAULT, letter)
    return made


async def values_of(connection: AsyncConnection[Any], table: str) -> int:
    cursor = await connection.execute(f"SELECT count(*) FROM {table}")
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def _values(made: Full) -> dict[str, Any]:
    now = datetime.now(UTC)
    account, generation, endpoint, payment = made.account, made.generation, uuid4(), uuid4()
    digest, invitation = bytes(range(32)), uuid4()
    return {
        "account": account,
        "invited": VAULT.seal(INVITED, "irene@radium.example", invitation.bytes),
        "invitation": invitation,
        "user": made.user,
        "name": made.name,
        "name_sealed": VAULT.seal(NAME_PURPOSE, f"{made.name} & Co", account.bytes),
        "now": now,
        "soon": now + timedelta(hours=1),
        "generation": generation,
        "key": uuid4(),
        "public": uuid4().hex[:12],
        "hold": uuid4(),
        "settle": uuid4(),
        "digest": digest,
        "other": digest[::-1],
        "email_hmac": address_digest(VAULT, made.email),
        "email_sealed": VAULT.seal(ADDRESS, made.email, made.user.bytes),
        "linked": VAULT.seal(LINKED, made.email, made.user.bytes),
        "link": LINK,
        "endpoint": endpoint,
        "url": VAULT.seal(ENDPOINT, "https://me.example/hook", account.bytes, endpoint.bytes, URL),
        "hook": VAULT.seal(ENDPOINT, "My hook", account.bytes, endpoint.bytes, NAME),
        "callback": VAULT.seal(CALLBACK, "https://me.example/back", account.bytes),
        "payment": payment,
        "invoice": VAULT.seal(
            PAYMENT, "https://stripe.example/invoice", b"invoice_url", payment.bytes
        ),
        "id1": uuid4(),
        "id2": new_id(),
        "id3": uuid4(),
        "budget": uuid4(),
        "export": made.export,
        "base": VAULT.seal("export-link", made.base, made.export.bytes),
        "facts": Jsonb({"percent": 50}),
        "args": Jsonb({"account_id": account.hex, "delivery_id": uuid4().hex}),
        "first": first_id(now),
    }


_ROWS: Final = (
    "UPDATE account SET name_sealed = %(name_sealed)s WHERE account_id = %(account)s",
    """INSERT INTO api_key (account_id, key_id, public_id, secret_hmac, name, requests_per_minute,
        concurrency, user_id)
       VALUES (%(account)s, %(key)s, %(public)s, %(digest)s, %(name)s, 60, 10, %(user)s)""",
    "INSERT INTO key_seen VALUES (%(account)s, %(key)s, now())",
    "INSERT INTO key_network VALUES (%(account)s, %(key)s, current_date, %(digest)s)",
    """INSERT INTO generation (account_id, id, key_id, hold_id, owner_epoch, quoted_micros,
        created_at, finished_at, requested_count, delivered_count, sandbox, fingerprint, state,
        kind, model, catalogue_version, endpoint, request_id)
       VALUES (%(account)s, %(generation)s, %(key)s, %(hold)s, 1, 40000, now(), now(), 1, 1, false,
        %(digest)s, 'succeeded', 'image', 'gpt-image-2', 'c0ffee', '/v1/images/generations',
        'req_1')""",
    """INSERT INTO attempt (account_id, generation_id, mark, number, started_ms, state, channel)
       VALUES (%(account)s, %(generation)s, %(id1)s, 1, 0, 'done', 'openai-a')""",
    """INSERT INTO asset (account_id, generation_id, size_bytes, created_at, expires_at,
        output_index, width, height, sha256, media_type, link)
       VALUES (%(account)s, %(generation)s, 3, now(), now() + interval '30 days', 0, 16, 16,
        %(digest)s, 'image/png', %(link)s)""",
    """INSERT INTO usage_event (account_id, generation_id, key_id, charged_micros, created_at,
        delivered_count, model, channel)
       VALUES (%(account)s, %(generation)s, %(key)s, 40000, now(), 1, 'gpt-image-2', 'openai-a')""",
    "INSERT INTO taken_down VALUES (%(account)s, %(generation)s, 0)",
    """INSERT INTO idempotency VALUES
        (%(account)s, %(generation)s, %(soon)s, %(digest)s, %(digest)s)""",
    "INSERT INTO quote_use VALUES (%(account)s, %(id1)s, %(soon)s)",
    "INSERT INTO call_repeat VALUES (%(account)s, %(id1)s, %(soon)s, %(digest)s, %(digest)s)",
    """INSERT INTO webhook_endpoint (account_id, id, url, display_name, secret)
       VALUES (%(account)s, %(endpoint)s, %(url)s, %(hook)s, %(digest)s)""",
    "INSERT INTO webhook_callback_secret (account_id, secret) VALUES (%(account)s, %(digest)s)",
    "INSERT INTO webhook_callback VALUES (%(account)s, %(generation)s, %(id1)s, %(callback)s)",
    """INSERT INTO webhook_delivery (account_id, id, target, endpoint_id, generation_id, created_at,
        round_at, event_type, state)
       VALUES (%(account)s, %(id2)s, %(endpoint)s, %(endpoint)s, %(generation)s, now(), now(),
        'generation.succeeded', 'delivered')""",
    """INSERT INTO budget (account_id, budget_id, key_id, period, limit_micros)
       VALUES (%(account)s, %(budget)s, %(key)s, 'total', 1000000)""",
    "INSERT INTO budget_hold VALUES (%(account)s, %(budget)s, %(id3)s, 'epoch')",
    """INSERT INTO notice (account_id, id, kind, subject, facts)
       VALUES (%(account)s, %(id2)s, 'balance_low', 'x', %(facts)s)""",
    "INSERT INTO low_balance VALUES (%(account)s)",
    """INSERT INTO checkout_session (account_id, id, stripe_key, asked_at, expires_at, price_micros,
        credited_micros, saves_card, product, display_name)
       VALUES (%(account)s, %(id1)s, %(id3)s, now(), now(), 10000, 10000, false, 'p', 'Pack')""",
    """INSERT INTO auto_top_up (account_id, enabled_at, threshold_micros, amount_micros,
        monthly_limit_micros) VALUES (%(account)s, now(), 10000, 10000, 20000)""",
    """INSERT INTO top_up (account_id, id, stripe_key, minute, created_at, amount_micros,
        month_micros, monthly_limit_micros, month, state)
       VALUES (%(account)s, %(id1)s, %(id3)s, 1, now(), 10000, 10000, 20000, current_date,
        'credited')""",
    "INSERT INTO promo_tries VALUES (%(account)s, now(), 1)",
    "INSERT INTO promo_redemption VALUES (%(account)s, %(id1)s, %(id3)s, now())",
    "INSERT INTO stripe_customer (account_id, customer_id) VALUES (%(account)s, 'cus_1')",
    """INSERT INTO payment VALUES (%(account)s, %(payment)s, %(id1)s, %(id3)s, now(), now(), 12100000,
        2100000, 1000000, 10000000, 1000000, 1, 'partially_refunded', 'checkout', 'pack', 'usd',
        'pi_1', 'cus_1', 'in_1', '', %(invoice)s, NULL)""",
    """INSERT INTO payment_adjustment VALUES (%(account)s, %(payment)s, %(id1)s, now(), 1000000,
        1000000, 1, 're_1')""",
    """INSERT INTO payment_refund (account_id, refund_id, payment_id, amount_micros, stripe_refund)
       VALUES (%(account)s, %(id1)s, %(payment)s, 1000000, 're_1')""",
    """INSERT INTO transfer (account_id, id, resolves, amount_micros, releases_micros, created_at,
        kind) VALUES (%(account)s, %(payment)s, NULL, 10000000, 0, now(), 'payment'),
        (%(account)s, %(hold)s, NULL, 40000, 0, now(), 'hold'),
        (%(account)s, %(settle)s, %(hold)s, 40000, 40000, now(), 'settle')""",
    """INSERT INTO ledger_chain VALUES
        (%(account)s, %(payment)s, 1, 10000000, 0, 0, %(digest)s, 'customer')""",
    """INSERT INTO ledger_seal VALUES (%(account)s, 1, now(), %(digest)s,
        %(digest)s || %(digest)s, 'customer', 'k1')""",
    """INSERT INTO session (session_id, user_id, account_id, token_hmac, user_agent, network,
        expires_at) VALUES (%(id1)s, %(user)s, %(account)s, %(digest)s, 'Firefox on Linux',
        '192.0.2.77', %(soon)s)""",
    """INSERT INTO invitation (account_id, invitation_id, email_hmac, email_sealed, role, member_id,
        token_hmac, expires_at)
       VALUES (%(account)s, %(invitation)s, %(other)s, %(invited)s, 'admin', %(id3)s, %(digest)s,
        %(soon)s)""",
    "INSERT INTO mail_suppression (email_hmac, cause) VALUES (%(email_hmac)s, 'bounce')",
    """INSERT INTO audit_log (account_id, id, actor, action, target, user_id, network)
       VALUES (%(account)s, %(id1)s, 'person', 'sign_in', '', %(user)s, '192.0.2.77'),
        (%(account)s, %(id3)s, 'operator', 'account.suspend',
         'accounts/' || replace(%(account)s::text, '-', ''), NULL, NULL)""",
    """INSERT INTO rights_request (id, account_id, user_id, kind, done_at)
       VALUES (%(id1)s, %(account)s, %(user)s, 'access', now())""",
    """INSERT INTO export (account_id, export_id, user_id, rights_request_id, tries, ready_at,
        expires_at, path_sealed, size, sha256)
       VALUES (%(account)s, %(export)s, %(user)s, %(id1)s, 1, now(), now() + interval '24 hours',
        %(base)s, 3, %(digest)s)""",
    """INSERT INTO consent (user_id, id, subject, given, policy_version)
       VALUES (%(user)s, %(id2)s, 'terms', true, '2026-11-01')""",
    """INSERT INTO oauth_identity (provider, subject_hmac, user_id, email_sealed)
       VALUES ('github', %(digest)s, %(user)s, %(linked)s)""",
    """INSERT INTO oauth_flow (state_hmac, browser_hmac, provider, user_id, sealed, expires_at)
       VALUES (%(digest)s, %(digest)s, 'google', %(user)s, %(digest)s, %(soon)s)""",
    """INSERT INTO person_token (token_hmac, user_id, purpose, email_hmac, expires_at)
       VALUES (%(digest)s, %(user)s, 'reset_password', %(email_hmac)s, %(soon)s)""",
    """INSERT INTO procrastinate_jobs (queue_name, task_name, args)
       VALUES ('webhooks', 'webhooks.send', %(args)s)""",
)
