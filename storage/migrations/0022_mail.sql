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
    due_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    tries       integer     NOT NULL DEFAULT 0,
    sent_at     timestamptz,
    failed_at   timestamptz,          -- given up
    provider_id text,                 -- what the mail service calls it
    fault       text        NOT NULL DEFAULT '', -- a word of ours
    CONSTRAINT mail_pkey PRIMARY KEY (mail_id),
    CONSTRAINT mail_once UNIQUE (once),
    CONSTRAINT mail_provider_id_once UNIQUE (provider_id)
);

CREATE INDEX mail_due ON mail (due_at) WHERE sealed IS NOT NULL;
CREATE INDEX mail_of_user ON mail (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX mail_by_time ON mail (created_at);

-- Addresses that bounced or complained: no mail but that of an account's safety goes there.
CREATE TABLE mail_suppression (
    email_hmac bytea       NOT NULL,
    cause      text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT mail_suppression_pkey PRIMARY KEY (email_hmac),
    CONSTRAINT mail_suppression_cause_known CHECK (cause IN ('bounce', 'complaint'))
);
