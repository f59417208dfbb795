-- Signing in with other services.

-- Who a person is there: a keyed digest of the service's id, never the id.
CREATE TABLE oauth_identity (
    provider     text        NOT NULL,
    subject_hmac bytea       NOT NULL,
    user_id      uuid        NOT NULL,
    email_sealed bytea       NOT NULL, -- the address that the service told
    linked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT oauth_identity_pkey PRIMARY KEY (provider, subject_hmac),
    CONSTRAINT oauth_identity_once UNIQUE (user_id, provider),
    CONSTRAINT oauth_identity_user FOREIGN KEY (user_id) REFERENCES app_user ON DELETE CASCADE,
    CONSTRAINT oauth_identity_provider_known CHECK (provider IN ('github', 'google'))
);

-- Sign-ins on their way. The row goes when the answer comes: a state works once.
CREATE TABLE oauth_flow (
    state_hmac   bytea       NOT NULL,
    browser_hmac bytea       NOT NULL, -- of the token that ties the answer to the browser
    provider     text        NOT NULL,
    user_id      uuid,                 -- who links, where it is to link
    sealed       bytea       NOT NULL, -- verifier, nonce, page to return to, what was agreed to
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    CONSTRAINT oauth_flow_pkey PRIMARY KEY (state_hmac),
    CONSTRAINT oauth_flow_user FOREIGN KEY (user_id) REFERENCES app_user ON DELETE CASCADE
);

CREATE INDEX oauth_flow_expired ON oauth_flow (expires_at);
