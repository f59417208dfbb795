-- People: who signs up, how they prove who they are, and what they decided.
--
-- Addresses and names lie sealed under a server key (core/sealing.py); addresses are found by a
-- keyed digest. So the database, its log of changes and its backups hold none of them as text.

-- Nobody could sign up before: the table is empty everywhere.
ALTER TABLE app_user
    DROP COLUMN email,
    ADD COLUMN email_hmac           bytea       NOT NULL, -- of the address in lower case
    ADD COLUMN email_sealed         bytea       NOT NULL,
    ADD COLUMN email_verified_at    timestamptz,
    ADD COLUMN pending_email_hmac   bytea,                -- waits for its verification
    ADD COLUMN pending_email_sealed bytea,
    ADD COLUMN display_name_sealed  bytea,
    ADD COLUMN password_hash        text,                 -- argon2id, with its salt; NULL: none
    ADD COLUMN password_changed_at  timestamptz,
    ADD COLUMN locale               text        NOT NULL DEFAULT 'en',
    ADD COLUMN newsletter           boolean     NOT NULL DEFAULT false,
    ADD COLUMN product_notices      boolean     NOT NULL DEFAULT true,
    ADD COLUMN billing_notices      boolean     NOT NULL DEFAULT true,
    ADD COLUMN deleting_at          timestamptz,          -- set: being erased, may not sign in
    ADD CONSTRAINT app_user_email_once UNIQUE (email_hmac),
    ADD CONSTRAINT app_user_email_is_keyed CHECK (octet_length(email_hmac) = 32),
    ADD CONSTRAINT app_user_pending_is_whole
        CHECK ((pending_email_hmac IS NULL) = (pending_email_sealed IS NULL)),
    ADD CONSTRAINT app_user_password_is_argon2id
        CHECK (password_hash IS NULL OR password_hash LIKE '$argon2id$%'),
    ADD CONSTRAINT app_user_locale_is_a_tag CHECK (locale ~ '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$');

-- Tokens of mails: each works once, and only its digest is here.
CREATE TABLE person_token (
    token_hmac bytea       NOT NULL,
    user_id    uuid        NOT NULL,
    purpose    text        NOT NULL,
    email_hmac bytea       NOT NULL, -- the address that it was sent to: it proves no other
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT person_token_pkey PRIMARY KEY (token_hmac),
    CONSTRAINT person_token_user FOREIGN KEY (user_id) REFERENCES app_user ON DELETE CASCADE,
    CONSTRAINT person_token_purpose_known CHECK (purpose IN ('verify_email', 'reset_password'))
);

CREATE INDEX person_token_of_user ON person_token (user_id);
CREATE INDEX person_token_expired ON person_token (expires_at);

-- Decisions of people, as a log.
CREATE TABLE consent (
    user_id        uuid        NOT NULL,
    id             uuid        NOT NULL, -- rises with time
    subject        text        NOT NULL,
    given          boolean     NOT NULL,
    policy_version text        NOT NULL DEFAULT '', -- that was shown, of terms and privacy
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT consent_pkey PRIMARY KEY (user_id, id),
    CONSTRAINT consent_user FOREIGN KEY (user_id) REFERENCES app_user ON DELETE CASCADE,
    CONSTRAINT consent_subject_known
        CHECK (subject IN ('terms', 'privacy', 'age', 'newsletter', 'support_cookies'))
);

-- How often somebody tried of late: by a keyed digest of what and who. Not in the log of changes.
CREATE UNLOGGED TABLE throttle (
    subject_hmac bytea       NOT NULL,
    tat_us       bigint      NOT NULL, -- GCRA's theoretical arrival time, µs since 1970
    expires_at   timestamptz NOT NULL,
    CONSTRAINT throttle_pkey PRIMARY KEY (subject_hmac)
);

CREATE INDEX throttle_expired ON throttle (expires_at);
