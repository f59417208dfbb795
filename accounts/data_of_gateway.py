"""Tables that hold nothing of any account or person, or nothing that lasts. Pure."""

from typing import Final

from accounts.data_words import BOOKS, DAYS, USED, Erase, Table

TABLES: Final = (
    Table("throttle", "who tried what how often of late: keyed digests", "hours", "subject_hmac"),
    Table(
        "stripe_event",
        "ids and types of Stripe's events, never their content",
        DAYS,
        "event_id kind payment_intent",
    ),
    Table(
        "promo_code",
        "promotional codes: a keyed digest, what it gives; its name, the operator's, sealed",
        BOOKS,
        "code_hmac display_name",
    ),
    Table("payment_sweep", "when payments were last compared", USED, ""),
    Table("policy_version", "published policies", USED, "policy_id sha256 title markdown"),
    Table(
        "catalogue_version",
        "versions of the catalogue, without credentials",
        USED,
        "hash content rises",
    ),
    Table("process_lease", "leases of processes", USED, ""),
    Table("process_secrets", "which server keys a process knows", USED, "seals_with knows"),
    Table(
        "channel_signal",
        "how channels do: names, keyed digests of credentials, faults",
        "minutes",
        "channel operation credential seal fault",
    ),
    Table(
        "channel_overlay",
        "what operators set of channels",
        "until set back",
        "channel admission",
    ),
    Table("schema_migration", "the shape of the database", USED, "name sha256"),
    Table("job_schema_migration", "the same of background jobs", USED, "file"),
    Table(
        "procrastinate_jobs",
        "what workers do now: ids of account and message",
        "until it is done",
        "queue_name task_name lock queueing_lock args",
        Erase.FORGET,
    ),
    Table("procrastinate_events", "states of those", "until it is done", ""),
    Table("procrastinate_workers", "who works", USED, ""),
    Table("procrastinate_periodic_defers", "what is due again", USED, "task_name periodic_id"),
)
