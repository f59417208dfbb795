-- Messages to customers: where they go, what signs them, and how each of them did.
--
-- URLs, names and secrets are sealed under a server key (core/sealing.py): nothing that a customer
-- typed stands here in the clear. The commit that ends a generation writes its messages; nobody
-- is notified by it, a loop looks (semantics.md 29).

DROP TABLE webhook_outbox; -- a placeholder that nothing was ever written to

CREATE TABLE webhook_endpoint (
    account_id            uuid        NOT NULL,
    id                    uuid        NOT NULL,
    version               integer     NOT NULL DEFAULT 1, -- rises with every change: the etag
    disabled              boolean     NOT NULL DEFAULT false,
    created_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_success_at       timestamptz,
    failing_since         timestamptz, -- the first failure after the last success
    old_secret_expires_at timestamptz,
    event_types           text[]      NOT NULL DEFAULT '{}', -- empty: all about generations
    url                   bytea       NOT NULL, -- sealed; typed by the customer
    display_name          bytea       NOT NULL, -- sealed; typed by the customer
    secret                bytea       NOT NULL, -- sealed
    old_secret            bytea,                -- sealed; signs too until it expires
    CONSTRAINT webhook_endpoint_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT webhook_endpoint_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE,
    CONSTRAINT webhook_endpoint_old_secret_expires
        CHECK ((old_secret IS NULL) = (old_secret_expires_at IS NULL))
);

-- What signs the messages to callback URLs of single requests.
CREATE TABLE webhook_callback_secret (
    account_id            uuid        NOT NULL,
    old_secret_expires_at timestamptz,
    secret                bytea       NOT NULL, -- sealed
    old_secret            bytea,                -- sealed
    CONSTRAINT webhook_callback_secret_pkey PRIMARY KEY (account_id),
    CONSTRAINT webhook_callback_secret_account
        FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE,
    CONSTRAINT webhook_callback_secret_old_one_expires
        CHECK ((old_secret IS NULL) = (old_secret_expires_at IS NULL))
);

CREATE TABLE webhook_callback (
    account_id    uuid  NOT NULL,
    generation_id uuid  NOT NULL,
    target        uuid  NOT NULL, -- keyed digest of account and host: who is slow together
    url           bytea NOT NULL, -- sealed; typed by the caller
    CONSTRAINT webhook_callback_pkey PRIMARY KEY (account_id, generation_id)
);

-- Swept by age: ids begin with their time.
CREATE INDEX webhook_callback_by_age ON webhook_callback (generation_id);

-- One message to one URL; ids rise with time. It is outbox and history in one.
CREATE TABLE webhook_delivery (
    account_id    uuid        NOT NULL,
    id            uuid        NOT NULL,
    target        uuid        NOT NULL, -- the endpoint, or the callback's target
    endpoint_id   uuid,                 -- NULL: the callback URL of the generation
    generation_id uuid,                 -- NULL: a test
    created_at    timestamptz NOT NULL,
    round_at      timestamptz NOT NULL, -- since when it is tried: made, or sent again
    next_try_at   timestamptz,
    last_try_at   timestamptz,
    queued_at     timestamptz,          -- given to a worker, whose answer is awaited
    try_count     integer     NOT NULL DEFAULT 0,
    round_tries   integer     NOT NULL DEFAULT 0,
    http_status   integer     NOT NULL DEFAULT 0,
    event_type    text        NOT NULL,
    state         text        NOT NULL DEFAULT 'pending',
    fault         text        NOT NULL DEFAULT '',
    CONSTRAINT webhook_delivery_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT webhook_delivery_state_known CHECK (state IN (
        'pending',   -- waits for its next try     -> delivered | failed
        'delivered', -- taken with a 2xx status    -> pending, if it is asked for again
        'failed'     -- given up                   -> pending, if it is asked for again
    )),
    CONSTRAINT webhook_delivery_next_iff_pending
        CHECK ((state = 'pending') = (next_try_at IS NOT NULL))
) WITH (fillfactor = 70);

CREATE INDEX webhook_delivery_waiting ON webhook_delivery (target, next_try_at)
    WHERE state = 'pending' AND queued_at IS NULL;
CREATE INDEX webhook_delivery_queued ON webhook_delivery (account_id, target)
    WHERE queued_at IS NOT NULL;
CREATE INDEX webhook_delivery_of_endpoint ON webhook_delivery (account_id, endpoint_id, id);
CREATE INDEX webhook_delivery_of_generation ON webhook_delivery (account_id, generation_id, id);
CREATE INDEX webhook_delivery_by_age ON webhook_delivery (created_at);

-- What a request under a request_id made, so that its repeat makes nothing.
CREATE TABLE webhook_repeat (
    account_id   uuid        NOT NULL,
    made         uuid        NOT NULL,
    expires_at   timestamptz NOT NULL,
    key_hmac     bytea       NOT NULL, -- HMAC of method and request_id
    request_hmac bytea       NOT NULL, -- HMAC of the request
    CONSTRAINT webhook_repeat_pkey PRIMARY KEY (account_id, key_hmac)
);

CREATE INDEX webhook_repeat_expired ON webhook_repeat (expires_at);

-- A UUIDv7 of *at*: 48 bits of milliseconds, then chance.
CREATE FUNCTION uuid_at(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
            || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$$;
