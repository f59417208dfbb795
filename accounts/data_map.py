"""Every table of the database: what it holds of people, how long, and what erasure leaves. Pure.

A table, or a column that could hold something of a person, that is not listed here fails the tests.
Erasure deletes in the order of `TABLES`; `docs/privacy.md` shows them.
"""

from typing import Final

from accounts.data_of_gateway import TABLES as OF_GATEWAY
from accounts.data_words import BOOKS, DAYS, USED, Erase, Table

_DELETED: Final = "until the account is deleted"

TABLES: Final = (
    # ---- what was generated
    Table(
        "attempt",
        "metadata of the tries of a generation: channel, times, reason codes, the job's id there",
        DAYS,
        "state channel fault phase upstream_job_id credential standing",
        Erase.DELETE,
        file="attempts.jsonl",
    ),
    Table(
        "usage_event",
        "what a generation used: model, counts, charge",
        DAYS,
        "model channel",
        Erase.DELETE,
        file="usage.jsonl",
    ),
    Table(
        "asset",
        "outputs: digest, size, type, link, when the object was removed from the bucket",
        "30 days; a deleted output goes from the bucket within two minutes",
        "sha256 media_type link",
        Erase.DELETE,
        file="assets.jsonl",
    ),
    Table(
        "generation",
        "metadata of a generation: ids, model, channel, counts, times, reason codes, price",
        DAYS,
        "fingerprint state kind model catalogue_version endpoint request_id channel size quality"
        " background output_format reason metadata price_lines",
        Erase.DELETE,
        file="generations.jsonl",
    ),
    Table(
        "taken_down",
        "outputs that the operator took down: ids",
        "32 days",
        "",
        Erase.DELETE,
    ),
    Table(
        "idempotency",
        "keyed digests of idempotency keys and requests",
        "24 hours",
        "key_hmac request_hmac",
        Erase.DELETE,
    ),
    Table("quote_use", "ids of quotes that were used", "until they expire", "", Erase.DELETE),
    # ---- webhooks
    Table(
        "webhook_delivery",
        "messages: ids, event type, state, times, HTTP status; never a body or an answer",
        DAYS,
        "event_type state fault",
        Erase.DELETE,
        file="webhook_deliveries.jsonl",
    ),
    Table(
        "webhook_callback",
        "callback URLs of requests, sealed; a keyed digest of the host",
        "30 days, or until the generation is deleted",
        "url",
        Erase.DELETE,
        file="callbacks.jsonl",
    ),
    Table(
        "webhook_endpoint",
        "webhook endpoints: URL, name and secrets, sealed",
        "until deleted",
        "event_types url display_name secret old_secret",
        Erase.DELETE,
        file="webhook_endpoints.json",
    ),
    Table(
        "webhook_callback_secret",
        "what signs messages to callback URLs, sealed",
        _DELETED,
        "secret old_secret",
        Erase.DELETE,
    ),
    # ---- money
    Table(
        "budget_hold",
        "which hold counts against which budget: ids",
        "until the hold is resolved",
        "",
        Erase.DELETE,
    ),
    Table(
        "budget",
        "budgets: limits and sums",
        "until deleted",
        "period",
        Erase.DELETE,
        file="budgets.json",
    ),
    Table(
        "notice",
        "notices of money: ids, percents, amounts, times",
        "30 days after the period that they are about",
        "kind subject facts",
        Erase.DELETE,
        file="notices.jsonl",
    ),
    Table("low_balance", "who was told of a low balance", USED, "", Erase.DELETE),
    Table(
        "checkout_session",
        "checkouts: amounts, the pack, Stripe's id of the page",
        DAYS,
        "state product display_name stripe_session",
        Erase.DELETE,
        file="checkouts.jsonl",
    ),
    Table(
        "auto_top_up",
        "auto-top-up: its amounts, Stripe's id of the card; no digit of it",
        _DELETED,
        "payment_method failure_code",
        Erase.DELETE,
        file="auto_top_up.json",
    ),
    Table(
        "top_up",
        "charges of a saved card: amounts, Stripe's ids",
        _DELETED,
        "state payment_method payment_intent failure_code",
        Erase.DELETE,
        file="top_ups.jsonl",
    ),
    Table("promo_tries", "how often codes were tried of late", _DELETED, "", Erase.DELETE),
    Table(
        "payment",
        "payments: amounts, tax, state, Stripe's ids; links to invoice and receipt, sealed;"
        " no name, address or card",
        "7 years, also when the account is deleted",
        "state origin product currency payment_intent customer_id invoice_id failure_code"
        " invoice_url receipt_url",
        Erase.KEEP,
        file="payments.json",
    ),
    Table(
        "payment_adjustment",
        "refunds and disputes: amounts, Stripe's ids",
        "with the payment",
        "source_id",
        Erase.KEEP,
        file="payment_adjustments.jsonl",
    ),
    Table(
        "payment_refund",
        "refunds that the operator asked for: amounts, Stripe's ids",
        "with the payment",
        "stripe_refund",
        Erase.KEEP,
        file="payment_refunds.jsonl",
    ),
    Table(
        "stripe_customer",
        "who an account is at Stripe: needed to book refunds and disputes that come later",
        "with the last payment; where nothing was paid, until the account is deleted",
        "customer_id",
        Erase.KEEP,
        file="stripe_customer.json",
    ),
    Table(
        "promo_redemption",
        "promotional codes that were redeemed: ids, times",
        BOOKS,
        "",
        Erase.KEEP,
        file="promo_redemptions.jsonl",
    ),
    Table(
        "transfer",
        "the ledger: amount, kind, time, random ids; nothing says what a hold was for",
        BOOKS,
        "kind",
        Erase.KEEP,
        file="ledger.csv",
    ),
    Table(
        "ledger_chain",
        "the chain over the ledger: places, digests, balances",
        BOOKS,
        "chain_sha256 chain",
        Erase.KEEP,
    ),
    Table(
        "ledger_seal",
        "signatures over the chain",
        BOOKS,
        "chain_sha256 signature chain key_id",
        Erase.KEEP,
    ),
    Table("ledger_sealing", "how far sealing has come", BOOKS, "", Erase.KEEP),
    Table("balance", "balances", BOOKS, "", Erase.KEEP, file="balance.json"),
    # ---- keys
    Table("key_use", "counters of keys", "with the key", "", Erase.DELETE),
    Table("key_seen", "when keys were last used", "with the key", "", Erase.DELETE),
    Table(
        "key_network",
        "from how many networks a key was used: keyed digests, by day",
        DAYS,
        "network_hmac",
        Erase.DELETE,
    ),
    Table(
        "api_key",
        "API keys: a keyed digest of the secret, name, limits, networks",
        "until 32 days after they were revoked or expired",
        "public_id secret_hmac name scopes allowed_models user_id allowed_networks",
        Erase.DELETE,
        Erase.FORGET,
        file="api_keys.json",
    ),
    # ---- people
    Table(
        "session",
        "sessions: a keyed digest of the token, a name of the browser, the last IP address",
        "until they expire or are ended",
        "user_id token_hmac user_agent network",
        Erase.DELETE,
        Erase.DELETE,
        file="sessions.json",
    ),
    Table(
        "invitation",
        "invitations: address sealed and as a keyed digest, role",
        "until accepted, revoked or expired",
        "email_hmac email_sealed role token_hmac",
        Erase.DELETE,
        file="invitations.json",
    ),
    Table(
        "mail",
        "mails: kind, state, a keyed digest of the address; what it says, sealed, until it is sent",
        "30 days; what it says at most 3 days after it was first tried; of the mail that tells of a"
        " deletion nothing once it is sent",
        "user_id kind once email_hmac sealed provider_id fault",
        Erase.DELETE,
        Erase.DELETE,
        file="mails.jsonl",
    ),
    Table(
        "mail_suppression",
        "addresses that bounced or complained: keyed digests",
        "2 years",
        "email_hmac cause",
    ),
    Table(
        "export",
        "archives that were asked for: times, size, digest; the link, sealed",
        "the archive 24 hours, that there was one 30 days",
        "user_id path_sealed sha256",
        Erase.DELETE,
        Erase.DELETE,
        file="exports.json",
    ),
    Table(
        "audit_log",
        "security-relevant actions: who, what, when, from which IP address; what operators did, "
        "and why",
        "2 years; IP addresses 90 days",
        "actor action target changes user_id network reason",
        Erase.FORGET,
        Erase.FORGET,
        file="security_events.jsonl",
    ),
    Table(
        "rights_request",
        "which right was used and when",
        "3 years; without ids once the account is deleted",
        "user_id kind",
        Erase.FORGET,
        Erase.FORGET,
        file="rights_requests.json",
    ),
    Table(
        "call_repeat",
        "request ids of calls that change settings: keyed digests",
        "24 hours",
        "key_hmac request_hmac",
        Erase.DELETE,
    ),
    Table("erasure", "accounts that are being erased", "until they are", "", Erase.DELETE),
    Table(
        "consent",
        "decisions of people: which, when, on which version of a policy",
        "with the person",
        "user_id subject policy_version",
        person=Erase.DELETE,
        file="consents.json",
    ),
    Table(
        "oauth_identity",
        "who a person is at GitHub or Google: a keyed digest of its id there, the address, sealed",
        "until unlinked",
        "provider subject_hmac user_id email_sealed",
        person=Erase.DELETE,
        file="identities.json",
    ),
    Table(
        "oauth_flow",
        "sign-ins on their way: keyed digests; what they need, sealed",
        "10 minutes",
        "state_hmac browser_hmac provider user_id sealed",
        person=Erase.DELETE,
    ),
    Table(
        "person_token",
        "tokens of mails: keyed digests",
        "until used or expired",
        "token_hmac user_id purpose email_hmac",
        person=Erase.DELETE,
    ),
    Table(
        "membership",
        "who belongs to which account, and as what",
        "until left",
        "user_id role",
        Erase.DELETE,
        Erase.DELETE,
        file="members.json",
    ),
    Table(
        "app_user",
        "people: address and name, sealed, a keyed digest of the address; the argon2id hash of the "
        "password; language and notices",
        _DELETED,
        "user_id email_hmac email_sealed pending_email_hmac pending_email_sealed"
        " display_name_sealed password_hash locale",
        person=Erase.DELETE,
        file="profile.json",
    ),
    Table(
        "account",
        "accounts: the name, sealed, or the operator's; settings",
        "until deleted; then its random id alone, for the books",
        "name name_sealed allowed_models",
        Erase.FORGET,
        file="account.json",
    ),
    *OF_GATEWAY,
)
"""In the order in which erasure deletes: nothing before what refers to it."""

BY_NAME: Final = {table.name: table for table in TABLES}
PERMITTED: Final = frozenset(table.name for table in TABLES if table.account is Erase.KEEP) | {
    "account"
}
"""Where the id of an erased account still is; nothing else of anybody is."""


def markdown() -> str:
    """The table of `docs/privacy.md`."""
    lines = ["| table | what | how long | when the account is deleted |", "|---|---|---|---|"]
    lines += [
        f"| `{table.name}` | {table.holds} | {table.kept} | {_WORDS[_fate(table)]} |"
        for table in TABLES
    ]
    return "\n".join(lines) + "\n"


def _fate(table: Table) -> Erase:
    return table.person if table.account is Erase.NOTHING else table.account


_WORDS: Final = {
    Erase.NOTHING: "",
    Erase.DELETE: "deleted",
    Erase.KEEP: "kept: names nobody",
    Erase.FORGET: "ids removed",
}
