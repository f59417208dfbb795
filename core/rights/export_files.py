"""What is in an export: which rows of which table, and which sealed columns are opened. Data only.

Every table that the map of data says is exported has its file here, and no other.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, LiteralString

from accounts.invitation_store import ADDRESS as INVITED
from accounts.oauth import ADDRESS as LINKED
from accounts.people import ADDRESS, NAME
from accounts.places import NAME_PURPOSE
from core.engine.callback_urls import PURPOSE as CALLBACK
from core.engine.payment_room import PURPOSE as PAYMENT
from core.values import dataclass
from core.webhooks.endpoints import NAME as ENDPOINT_NAME
from core.webhooks.endpoints import PURPOSE as ENDPOINT
from core.webhooks.endpoints import URL as ENDPOINT_URL

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column that is opened: with which purpose, and what it is bound to."""

    purpose: str
    bound: Callable[[Row], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file. `.json` is a list, `.jsonl` an object a line, `.csv` has a header."""

    name: str
    table: str
    columns: LiteralString
    """As `SELECT` has them; those that `sealed` needs only begin with `_`."""
    where: LiteralString = "t.account_id = %(account)s"
    order: LiteralString = "t.created_at"
    sealed: Mapping[str, Sealed] | None = None
    joined: LiteralString = ""


_MINE: Final = "t.user_id = %(user)s"


def _person(row: Row) -> tuple[bytes, ...]:
    return (row["_user"].bytes,)


def _account(row: Row) -> tuple[bytes, ...]:
    return (row["_account"].bytes,)


def _endpoint(column: bytes) -> Callable[[Row], tuple[bytes, ...]]:
    return lambda row: (row["_account"].bytes, row["id"].bytes, column)


def _payment(column: bytes) -> Callable[[Row], tuple[bytes, ...]]:
    return lambda row: (column, row["id"].bytes)


FILES: Final = (
    ExportFile(
        "profile.json", "app_user",
        "t.user_id AS _user, t.user_id AS id, t.email_sealed AS email, t.email_verified_at,"
        " t.pending_email_sealed AS pending_email, t.display_name_sealed AS display_name, t.locale,"
        " t.newsletter, t.product_notices, t.billing_notices, t.password_changed_at,"
        " t.password_hash IS NOT NULL AS has_password, t.created_at",
        _MINE,
        sealed={"email": Sealed(ADDRESS, _person), "pending_email": Sealed(ADDRESS, _person),
                "display_name": Sealed(NAME, _person)},
    ),
    ExportFile(
        "account.json", "account",
        "t.account_id AS _account, t.account_id AS id, t.name, t.name_sealed AS display_name,"
        " t.created_at, t.suspended_at, t.outputs_not_stored, t.allowed_models",
        sealed={"display_name": Sealed(NAME_PURPOSE, _account)},
    ),
    ExportFile(
        "members.json", "membership",
        "t.user_id AS _user, t.member_id, t.role, t.created_at, u.email_sealed AS email,"
        " u.display_name_sealed AS display_name",
        joined="JOIN app_user u USING (user_id)",
        sealed={"email": Sealed(ADDRESS, _person), "display_name": Sealed(NAME, _person)},
    ),
    ExportFile(
        "invitations.json", "invitation",
        "t.invitation_id AS id, t.email_sealed AS email, t.role, t.created_at, t.expires_at",
        sealed={"email": Sealed(INVITED, lambda row: (row["id"].bytes,))},
    ),
    ExportFile(
        "identities.json", "oauth_identity",
        "t.user_id AS _user, t.provider, t.email_sealed AS email, t.linked_at",
        _MINE, "t.linked_at",
        sealed={"email": Sealed(LINKED, _person)},
    ),
    ExportFile("consents.json", "consent",
               "t.id, t.subject, t.given, t.policy_version, t.created_at", _MINE),
    ExportFile("sessions.json", "session",
               "t.session_id AS id, t.user_agent, t.network, t.created_at, t.proved_at,"
               " t.last_seen_at, t.expires_at", _MINE),
    ExportFile("rights_requests.json", "rights_request",
               "t.id, t.kind, t.created_at, t.done_at",
               "(t.user_id = %(user)s OR t.account_id = %(account)s)"),
    ExportFile("security_events.jsonl", "audit_log",
               "t.id, t.at, t.actor, t.action, t.target, t.succeeded, t.changes,"
               " CASE WHEN t.actor <> 'operator' THEN t.network END AS network,"
               " t.user_id = %(user)s AS is_mine",
               "(t.account_id = %(account)s OR t.user_id = %(user)s)", "t.at"),
    ExportFile("mails.jsonl", "mail",
               "t.mail_id AS id, t.kind, t.created_at, t.sent_at, t.failed_at",
               "(t.user_id = %(user)s OR t.account_id = %(account)s AND t.user_id IS NULL)"),
    ExportFile("exports.json", "export",
               "t.export_id AS id, t.without_assets, t.created_at, t.ready_at, t.failed_at,"
               " t.expires_at, t.size, encode(t.sha256, 'hex') AS sha256"),
    ExportFile("api_keys.json", "api_key",
               "t.public_id, t.name, t.scopes, t.requests_per_minute, t.concurrency,"
               " t.allowed_models, t.allowed_networks, t.sandbox, t.created_at, t.expires_at,"
               " t.revoked_at"),
    ExportFile(
        "webhook_endpoints.json", "webhook_endpoint",
        "t.account_id AS _account, t.id, t.url, t.display_name, t.event_types, t.disabled,"
        " t.created_at, t.last_success_at, t.failing_since",
        sealed={"url": Sealed(ENDPOINT, _endpoint(ENDPOINT_URL)),
                "display_name": Sealed(ENDPOINT, _endpoint(ENDPOINT_NAME))},
    ),
    ExportFile("webhook_deliveries.jsonl", "webhook_delivery",
               "t.id, t.endpoint_id, t.generation_id, t.notice_id, t.event_type, t.state,"
               " t.created_at, t.last_try_at, t.try_count, t.http_status, t.fault"),
    ExportFile(
        "callbacks.jsonl", "webhook_callback",
        "t.account_id AS _account, t.generation_id, t.url", order="t.generation_id",
        sealed={"url": Sealed(CALLBACK, _account)},
    ),
    ExportFile("generations.jsonl", "generation",
               "t.id, t.kind, t.model, t.endpoint, t.state, t.reason, t.metadata, t.created_at,"
               " t.finished_at, t.requested_count, t.delivered_count, t.attempt_count, t.channel,"
               " t.size, t.quality, t.background, t.output_format, t.duration_ms, t.sandbox,"
               " t.quoted_micros, t.charged_micros, t.price_lines, t.request_id, t.hidden_at",
               order="t.id"),
    ExportFile("attempts.jsonl", "attempt",
               "t.generation_id, t.number, t.channel, t.state, t.fault, t.phase, t.http_status,"
               " t.started_ms, t.acknowledged_ms, t.first_byte_ms, t.ended_ms, t.upstream_job_id,"
               " t.is_hedge, t.shard", order="t.generation_id, t.number"),
    ExportFile("usage.jsonl", "usage_event",
               "t.generation_id, t.model, t.channel, t.charged_micros, t.created_at,"
               " t.input_text_tokens, t.input_image_tokens, t.output_tokens,"
               " t.output_image_tokens, t.delivered_count", order="t.generation_id"),
    ExportFile("assets.jsonl", "asset",
               "t.generation_id, t.output_index, t.media_type, t.size_bytes, t.width, t.height,"
               " encode(t.sha256, 'hex') AS sha256, t.created_at, t.expires_at, t.deleted_at",
               order="t.generation_id, t.output_index"),
    ExportFile("ledger.csv", "transfer",
               "t.id, t.kind, t.amount_micros, t.releases_micros, t.resolves, b.debit, b.credit,"
               " t.created_at", joined="JOIN transfer_books b ON b.kind = t.kind"),
    ExportFile("balance.json", "balance", "t.posted, t.pending, t.debt", order="t.account_id"),
    ExportFile(
        "payments.json", "payment",
        "t.id, t.created_at, t.state, t.origin, t.product, t.currency, t.paid_micros,"
        " t.tax_micros, t.refunded_micros, t.credited_micros, t.clawed_back_micros,"
        " t.payment_intent, t.invoice_id, t.failure_code, t.invoice_url, t.receipt_url",
        sealed={"invoice_url": Sealed(PAYMENT, _payment(b"invoice_url")),
                "receipt_url": Sealed(PAYMENT, _payment(b"receipt_url"))},
    ),
    ExportFile("payment_adjustments.jsonl", "payment_adjustment",
               "t.payment_id, t.created_at, t.money_micros, t.credits_micros, t.step, t.source_id"),
    ExportFile("payment_refunds.jsonl", "payment_refund",
               "t.payment_id, t.amount_micros, t.created_at, t.stripe_refund"),
    ExportFile("stripe_customer.json", "stripe_customer", "t.customer_id, t.created_at"),
    ExportFile("promo_redemptions.jsonl", "promo_redemption",
               "t.promo_id, t.transfer_id, t.redeemed_at", order="t.redeemed_at"),
    ExportFile("checkouts.jsonl", "checkout_session",
               "t.id, t.created_at, t.expires_at, t.price_micros, t.credited_micros, t.saves_card,"
               " t.state, t.product, t.display_name"),
    ExportFile("auto_top_up.json", "auto_top_up",
               "t.enabled_at, t.threshold_micros, t.amount_micros, t.monthly_limit_micros,"
               " t.payment_method, t.failure_code", order="t.account_id"),
    ExportFile("top_ups.jsonl", "top_up",
               "t.id, t.created_at, t.amount_micros, t.state, t.payment_method, t.payment_intent,"
               " t.failure_code"),
    ExportFile("budgets.json", "budget",
               "t.budget_id AS id, t.period, t.limit_micros, t.alert_percents, t.spent_micros,"
               " t.held_micros, t.period_start, t.created_at"),
    ExportFile("notices.jsonl", "notice",
               "t.id, t.kind, t.facts, t.created_at, t.announced_at, t.mailed_at"),
)  # fmt: skip
"""In the order of the archive; the outputs follow in `assets/`."""
