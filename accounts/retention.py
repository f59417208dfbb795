"""How long what is kept: one table of rules. Pure: *now* is an argument.

What a rule does is in its words; `core.engine.rules` does it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, LiteralString

DAY: Final = timedelta(days=1)
MONTH: Final = 30 * DAY
"""What the privacy policy promises of usage metadata, links and outputs."""
YEAR: Final = timedelta(days=365.25)
PAYMENT_YEARS: Final = 7
"""As tax law asks of records of sales; the database refuses earlier deletion (migration 0012)."""


class Deed(StrEnum):
    """What is done with what is due."""

    DELETE = "delete"
    """Its rows go."""
    EMPTY = "empty"
    """One column of it is emptied; the row stays."""
    GIVE_UP = "give up"
    """Mail that was not sent: what it says is emptied, and it has failed."""
    DROP_DAYS = "drop days"
    """Whole partitions go (`core.engine.retention`)."""
    REMOVE_OUTPUTS = "remove outputs"
    """Objects go from the bucket (`core.engine.sweeping`)."""
    REMOVE_EXPORTS = "remove archives"
    """Likewise (`core.rights.exporting`)."""


class Age(StrEnum):
    """What the age column holds."""

    TIME = "time"
    DATE = "date"
    ID = "id"
    """A UUIDv7: it begins with its time."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Due is what has an age column (*column*) of *keep* or more before now."""

    table: str
    column: str
    keep: timedelta
    why: str
    deed: Deed = Deed.DELETE
    age: Age = Age.TIME
    emptied: str = ""
    """The column that is emptied."""
    only: LiteralString = "true"
    """Of which rows: SQL, ours."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.table}.{self.emptied}" if self.emptied else self.table

    def due_before(self, now: datetime) -> datetime:
        """What is as old as that, or older, is due."""
        # A calendar's years: seven of them are seven birthdays, whatever leap years there are.
        if self.keep % YEAR == timedelta(0) and self.keep:
            years = self.keep // YEAR
            day = 28 if (now.month, now.day) == (2, 29) else now.day
            return now.replace(year=now.year - years, day=day)
        return now - self.keep


_EXPIRED: Final = "it is worth nothing once it has expired"
_NONE: Final = timedelta(0)

# Budgets and the keys that it was rotated to refer to it.
_IDLE: Final = (
    "NOT EXISTS (SELECT FROM budget b WHERE b.account_id = t.account_id AND b.key_id = t.key_id)"
    " AND NOT EXISTS (SELECT FROM api_key k WHERE k.account_id = t.account_id"
    " AND k.line_id = t.key_id AND k.revoked_at IS NULL"
    " AND (k.expires_at IS NULL OR k.expires_at > now()))"
)
_UNSENT: Final = "nobody waits for what it says any longer"

RULES: Final = (
    Rule("asset", "expires_at", _NONE, "outputs: 30 days", Deed.REMOVE_OUTPUTS,
         only="removed_at IS NULL"),
    Rule("generation", "id", MONTH, "usage metadata and links: 30 days", Deed.DROP_DAYS, Age.ID),
    Rule("export", "expires_at", _NONE, "archives: 24 hours", Deed.REMOVE_EXPORTS,
         only="removed_at IS NULL"),
    Rule("export", "created_at", MONTH, "usage metadata",
         only="(removed_at IS NOT NULL OR failed_at IS NOT NULL)"),
    # The database's own clock has a say: no moved one loses what the law wants kept.
    Rule("payment", "created_at", PAYMENT_YEARS * YEAR, "records of sales: 7 years",
         only="t.created_at <= now() - interval '7 years'"),
    Rule("webhook_delivery", "created_at", MONTH, "usage metadata"),
    Rule("webhook_callback", "generation_id", MONTH, "usage metadata", age=Age.ID),
    Rule("taken_down", "created_at", 32 * DAY, "after the output that it is about"),
    Rule("stripe_event", "applied_at", MONTH, "ten times as long as Stripe tries again"),
    Rule("checkout_session", "created_at", MONTH, "what was paid stands in payment"),
    Rule("key_network", "day", MONTH, "usage metadata", age=Age.DATE),
    # Its last payment is gone, and no other is to come.
    Rule("stripe_customer", "created_at", _NONE, "of erased accounts: with the last payment",
         only="EXISTS (SELECT FROM account a WHERE a.account_id = t.account_id"
              " AND a.erased_at IS NOT NULL)"
              " AND NOT EXISTS (SELECT FROM payment p WHERE p.account_id = t.account_id)"),
    *(
        Rule("api_key", column, 32 * DAY, "after all generations that were made with it",
             only=_IDLE)
        for column in ("revoked_at", "expires_at")
    ),
    Rule("audit_log", "at", 90 * DAY, "IP addresses: to look into an attack of late", Deed.EMPTY,
         emptied="network", only="network IS NOT NULL"),
    Rule("audit_log", "at", 2 * YEAR, "who did what: what is found late is found within two years"),
    # Mail to everybody may wait for its turn for days: its time begins with the first try.
    Rule("mail", "asked_at", 3 * DAY, _UNSENT, Deed.GIVE_UP, emptied="sealed",
         only="sealed IS NOT NULL"),
    Rule("mail", "created_at", 3 * DAY, _UNSENT, Deed.GIVE_UP, emptied="sealed",
         only="sealed IS NOT NULL AND asked_at IS NULL AND NOT is_bulk"),
    Rule("mail", "created_at", MONTH, _UNSENT, Deed.GIVE_UP, emptied="sealed",
         only="sealed IS NOT NULL AND asked_at IS NULL AND is_bulk"),
    Rule("mail", "created_at", 3 * DAY, "nothing is kept of who is gone",
         only="kind = 'account_erased' AND sealed IS NULL"),
    Rule("mail", "created_at", MONTH, "usage metadata", only="sealed IS NULL"),
    Rule("mail_suppression", "created_at", 2 * YEAR, "an address may be good again"),
    Rule("rights_request", "created_at", 3 * YEAR, "as long as complaints may be brought",
         only="(done_at IS NOT NULL OR kind <> 'erasure')"),
    *(
        Rule(table, "expires_at", _NONE, _EXPIRED)
        for table in ("idempotency", "quote_use", "call_repeat", "notice", "session",
                      "person_token", "oauth_flow", "invitation", "throttle")
    ),
)  # fmt: skip
