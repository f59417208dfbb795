-- Sessions of people, their places in accounts, and what happened there.

CREATE TABLE session (
    session_id   uuid        NOT NULL,
    user_id      uuid        NOT NULL,
    account_id   uuid        NOT NULL, -- that it acts in
    token_hmac   bytea       NOT NULL, -- of its token, which is with the browser only
    user_agent   text        NOT NULL DEFAULT '', -- a name of ours: `Firefox on Linux`
    network      inet,                 -- that it was last seen from
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    proved_at    timestamptz NOT NULL DEFAULT clock_timestamp(), -- who it is, by password or elsewhere
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    CONSTRAINT session_pkey PRIMARY KEY (session_id),
    CONSTRAINT session_token_once UNIQUE (token_hmac),
    CONSTRAINT session_token_is_keyed CHECK (octet_length(token_hmac) = 32),
    CONSTRAINT session_user_agent_is_short CHECK (length(user_agent) <= 60)
);

CREATE INDEX session_of_user ON session (user_id);
CREATE INDEX session_of_place ON session (account_id, user_id);
CREATE INDEX session_expired ON session (expires_at);

ALTER TABLE membership DROP CONSTRAINT membership_role_known;
ALTER TABLE membership
    ADD COLUMN member_id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD CONSTRAINT membership_member_once UNIQUE (member_id),
    ADD CONSTRAINT membership_role_known
        CHECK (role IN ('owner', 'admin', 'developer', 'billing'));

-- Who leaves an account loses the sessions there.
ALTER TABLE session ADD CONSTRAINT session_membership
    FOREIGN KEY (account_id, user_id) REFERENCES membership (account_id, user_id) ON DELETE CASCADE;

-- An account that had an owner keeps one until it is erased: whoever would take the last one waits
-- for the others.
CREATE FUNCTION account_keeps_an_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM account
      WHERE account_id = OLD.account_id AND deleting_at IS NULL AND erased_at IS NULL
        FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT FROM membership WHERE account_id = OLD.account_id AND role = 'owner')
    THEN
        RAISE EXCEPTION 'an account keeps an owner'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'membership_keeps_an_owner';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER membership_keeps_an_owner AFTER UPDATE OR DELETE ON membership
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION account_keeps_an_owner();

CREATE TABLE invitation (
    account_id    uuid        NOT NULL,
    invitation_id uuid        NOT NULL,
    email_hmac    bytea       NOT NULL,
    email_sealed  bytea       NOT NULL,
    role          text        NOT NULL,
    member_id     uuid        NOT NULL, -- who invited
    token_hmac    bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at    timestamptz NOT NULL,
    CONSTRAINT invitation_pkey PRIMARY KEY (account_id, invitation_id),
    CONSTRAINT invitation_once UNIQUE (account_id, email_hmac),
    CONSTRAINT invitation_token_once UNIQUE (token_hmac),
    CONSTRAINT invitation_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE,
    CONSTRAINT invitation_role_known CHECK (role IN ('owner', 'admin', 'developer', 'billing'))
);

CREATE INDEX invitation_expired ON invitation (expires_at);

-- A name that a person gave is sealed and comes before `name`, which is the operator's.
ALTER TABLE account
    ADD COLUMN name_sealed        bytea,
    ADD COLUMN deleting_at        timestamptz, -- set: being erased
    ADD COLUMN erased_at          timestamptz, -- set: only its ledger is left
    ADD COLUMN outputs_not_stored boolean NOT NULL DEFAULT false,
    ADD COLUMN allowed_models     text[]  NOT NULL DEFAULT '{}', -- none: all
    ADD COLUMN version            integer NOT NULL DEFAULT 1; -- of the settings: the etag

-- What people and operators did: security events of an account, audit entries of the operator.
ALTER TABLE audit_log
    ADD COLUMN user_id   uuid,                            -- the person who did it, if one did
    ADD COLUMN succeeded boolean NOT NULL DEFAULT true,
    ADD COLUMN network   inet,                            -- that it was done from, if known
    ADD COLUMN reason    text    NOT NULL DEFAULT '',     -- typed by the operator
    ADD CONSTRAINT audit_log_reason_is_short CHECK (length(reason) <= 500);

CREATE INDEX audit_log_by_time ON audit_log (at, id);
CREATE INDEX audit_log_with_network ON audit_log (at) WHERE network IS NOT NULL;
CREATE INDEX audit_log_of_account ON audit_log (account_id, at, id);
CREATE INDEX audit_log_of_user ON audit_log (user_id) WHERE user_id IS NOT NULL;
