-- Mail: a durable queue. What a mail says lies sealed, and goes when it was sent.
CREATE TABLE mail (
    mail_id     uuid        NOT NULL, -- the idempotency key at the mail service
    user_id     uuid,                 -- who it is for; NULL: somebody who is not known here
    account_id  uuid,                 -- what it is about, if one
    kind        text        NOT NULL,
    once        text,                 -- what it is about: the same mail is sent once
    email_hmac  bytea       NOT NULL, -- of the address, to stop mail that bounces
    sealed      bytea,                -- address, name, links and facts; NULL: sent or given up
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at      timestamptz NOT NULL DEFAULT clock_timestamp(), -- of a claimed one: its claim ends
    asked_at    timestamptz,          -- since when the mail service is asked
    tries       integer     NOT NULL DEFAULT 0,
    sent_at     timestamptz,
    failed_at   timestamptz,          -- given up
    provider_id text,                 -- what the mail service calls it
    fault       text        NOT NULL DEFAULT '', -- a word of ours
    is_bulk     boolean     NOT NULL GENERATED ALWAYS AS (
        kind IN ('newsletter', 'product', 'policy', 'price_increase')) STORED, -- goes to everybody
    CONSTRAINT mail_pkey PRIMARY KEY (mail_id),
    CONSTRAINT mail_once UNIQUE (once),
    CONSTRAINT mail_provider_id_once UNIQUE (provider_id),
    CONSTRAINT mail_ends_once CHECK (sent_at IS NULL OR failed_at IS NULL),
    CONSTRAINT mail_that_is_over_is_empty
        CHECK (sealed IS NULL OR (sent_at IS NULL AND failed_at IS NULL))
);

-- Thousands of newsletters, or of notices of a policy, do not keep a password waiting.
CREATE INDEX mail_due ON mail (is_bulk, due_at) WHERE sealed IS NOT NULL;
CREATE INDEX mail_of_user ON mail (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX mail_of_account ON mail (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX mail_by_time ON mail (created_at);

-- Addresses that bounced or complained: no mail goes there but what somebody there just asked for.
CREATE TABLE mail_suppression (
    email_hmac bytea       NOT NULL,
    cause      text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT mail_suppression_pkey PRIMARY KEY (email_hmac),
    CONSTRAINT mail_suppression_cause_known CHECK (cause IN ('bounce', 'complaint'))
);

CREATE INDEX notice_to_mail ON notice (created_at) WHERE mailed_at IS NULL;

-- When its receipt was mailed, or would have been to nobody; what was credited before counts as so.
ALTER TABLE payment ADD COLUMN receipt_mailed_at timestamptz DEFAULT now();
ALTER TABLE payment ALTER COLUMN receipt_mailed_at DROP DEFAULT;
UPDATE payment SET receipt_mailed_at = NULL WHERE credited_micros = 0;

CREATE INDEX payment_to_mail ON payment (booked_at)
    WHERE receipt_mailed_at IS NULL AND credited_micros > 0;
