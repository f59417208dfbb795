"""Two accounts in one core: one has something of everything, the people of the other want it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from psycopg import sql

from accounts.granting import Scope
from accounts.roles import Role
from billing.stripe_client import StripePayments, StripeSettings
from core.caller import Caller as Known
from simulator.stripe import FakeStripe
from storage.pool import Pool, open_pool
from tests.account_house import grpc_channel
from tests.journeying import Caller, GrpcWire, RestWire, Wire
from tests.members_of import Somebody, joins, run, signed_in, somebody
from tests.rights.full_account import fill
from tests.webhooks.whole_core import Whole, whole_core

STRIPE_KEY = "sk_test_isolation"
PAGE = "https://gateway.test/bought"
LISTED: Mapping[str, tuple[str, str]] = {
    "api_keys": ("ListApiKeys", "api_keys"),
    "generations": ("ListGenerations", "generations"),
    "budgets": ("ListBudgets", "budgets"),
    "webhook_endpoints": ("ListWebhookEndpoints", "webhook_endpoints"),
    "webhook_deliveries": ("ListWebhookDeliveries", "webhook_deliveries"),
    "payments": ("ListPayments", "payments"),
    "statements": ("ListStatements", "statements"),
    "payment_methods": ("ListPaymentMethods", "payment_methods"),
    "members": ("ListMembers", "members"),
    "invitations": ("ListInvitations", "invitations"),
    "sessions": ("ListSessions", "sessions"),
    "exports": ("ListExports", "exports"),
}
"""Where an owner finds the names of each kind."""


@dataclass
class Stranger:
    """Somebody of the other account, and how core knows them."""

    who: str
    caller: Caller
    known: Known


@dataclass
class TwoAccounts:
    """Both, over one transport."""

    whole: Whole
    pool: Pool
    wire: Wire
    owner: Caller
    """Of the account that has everything."""
    person: Somebody
    names: Mapping[str, str]
    """One of each kind."""
    strangers: list[Stranger]

    async def rows(self) -> dict[str, str]:
        """A digest of every row of the account and its people, by table."""
        person = self.person
        found = {}
        columns = await run(self.pool, _TABLES)
        for table, column in columns:
            if table in SEALED:
                continue
            value = person.account_id if column == "account_id" else person.user_id
            digest_of = _COUNT if table == "mail" else _DIGEST
            query = sql.SQL(digest_of).format(sql.Identifier(table), sql.Identifier(column))
            [(digest,)] = await run(self.pool, query.as_string(), (value,))
            found[f"{table}.{column}"] = digest
        return found


SEALED = ("ledger_chain", "ledger_seal", "ledger_sealing")
"""What a loop derives from `transfer`, in its own time."""
_COUNT = "SELECT count(*)::text FROM {} t WHERE {} = %s"
"""Of mail: what it says is forgotten when it was sent."""
_NOTHING_WAITS = (
    "DELETE FROM auto_top_up",
    "DELETE FROM top_up",
    "DELETE FROM budget_hold",
    "UPDATE notice SET mailed_at = now(), announced_at = now()",
    "UPDATE payment SET receipt_mailed_at = now()",
)
"""Nothing that a loop would go on with: what changes is what somebody changed."""
_TABLES = """
SELECT c.table_name, c.column_name FROM information_schema.columns c
  JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE t.table_schema = 'public' AND t.table_type = 'BASE TABLE'
   AND c.column_name IN ('account_id', 'user_id')
 ORDER BY 1, 2
"""
_DIGEST = (
    "SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {} t WHERE {} = %s"
)


@asynccontextmanager
async def two_accounts(url: str, folder: Path, transport: str) -> AsyncIterator[TwoAccounts]:
    """Open them; *transport* is `grpc` or `rest`."""
    async with AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(FakeStripe(STRIPE_KEY))
        settings = StripeSettings(STRIPE_KEY, ("whsec_isolation",), stripe.url)
        whole = await stack.enter_async_context(whole_core(url, folder, stripe=settings))
        pool = await stack.enter_async_context(open_pool(url, name="isolation"))
        wire: Wire = RestWire(whole.http)
        if transport == "grpc":
            wire = GrpcWire(await stack.enter_async_context(grpc_channel(whole)))
        del whole.http.headers["authorization"]
        rich, poor = await somebody(pool), await somebody(pool)
        await fill(pool, rich.account_id, rich.user_id, rich.email, "Ada")
        for rest in _NOTHING_WAITS:
            await run(pool, rest)
        for who in (rich, poor):
            await _has_a_card(pool, stripe, settings, who)
        owner = Caller(wire, (await signed_in(pool, rich)).token)
        await run(pool, "DELETE FROM invitation")  # its token was never mailed
        asked = {"email": "irene@radium.example", "role": "ROLE_ADMIN"}
        await owner.ask("CreateInvitation", invitation=asked)
        names = await _names(owner, rich)
        strangers = await _strangers(pool, wire, poor)
        yield TwoAccounts(whole, pool, wire, owner, rich, names, strangers)


async def _has_a_card(
    pool: Pool, stripe: FakeStripe, settings: StripeSettings, who: Somebody
) -> None:
    client = StripePayments(settings)
    customer = await client.create_customer(who.account_id, f"customer-{who.account_id}")
    await run(
        pool,
        "INSERT INTO stripe_customer (account_id, customer_id) VALUES (%s, %s)"
        " ON CONFLICT (account_id) DO UPDATE SET customer_id = excluded.customer_id",
        (who.account_id, customer),
    )
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        attached = await http.post(
            f"{stripe.url}/v1/payment_methods/pm_card_visa/attach",
            data={"customer": customer},
            headers={"authorization": f"Bearer {STRIPE_KEY}"},
        )
    assert attached.status_code == 200, attached.text
    await client.close()


async def _names(owner: Caller, person: Somebody) -> dict[str, str]:
    found = {"accounts": f"accounts/{person.account_id.hex}"}
    for kind, (rpc, field) in LISTED.items():
        listed: list[dict[str, Any]] = (await owner.ask(rpc))[field]
        assert listed, f"{rpc}: there is nothing"
        found[kind] = listed[0]["name"]
    pack = (await owner.ask("ListCreditPacks"))["credit_packs"][0]["name"]
    asked = {"credit_pack": pack, "success_uri": PAGE, "cancel_uri": PAGE}
    bought = await owner.ask("CreateCheckoutSession", **asked)
    found["checkout_sessions"] = bought["checkout_session"]["name"]
    return found


async def _strangers(pool: Pool, wire: Wire, boss: Somebody) -> list[Stranger]:
    """A person of every role, and keys that may do everything and what keys usually may."""
    found = []
    for role in Role:
        person = boss
        if role is not Role.OWNER:
            person = await somebody(pool)
            await joins(pool, person, boss.account_id, role)
        token = (await signed_in(pool, person, boss.account_id)).token
        known = Known(boss.account_id, uuid4(), user_id=person.user_id, role=role)
        found.append(Stranger(role, Caller(wire, token), known))
    owner = found[0].caller
    for who, scopes in (("every scope", list(Scope)), ("a usual key", [])):
        asked = {"scopes": [f"SCOPE_{scope.name}" for scope in scopes]}
        secret = (await owner.ask("CreateApiKey", api_key=asked))["secret"]
        usual = frozenset(str(scope) for scope in scopes) or USUAL
        known = Known(boss.account_id, uuid4(), scopes=usual)
        found.append(Stranger(who, owner.holding(secret), known))
    return found


USUAL = frozenset(
    str(scope)
    for scope in (
        *(Scope.GENERATE, Scope.READ_GENERATIONS, Scope.DELETE_GENERATIONS, Scope.READ_BILLING),
    )
)
