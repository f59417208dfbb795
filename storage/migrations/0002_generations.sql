-- Generations and what belongs to them: processes that own them, attempts, outputs, usage, and
-- what is remembered of callers' idempotency keys.

-- ---- processes

-- One row per run of a process. Epochs rise over all processes and restarts and stay below 2^31
-- (they are the upper half of an event's sequence number).
CREATE SEQUENCE process_epoch AS integer;

CREATE TABLE process_lease (
    epoch       bigint      NOT NULL DEFAULT nextval('process_epoch'),
    process_id  uuid        NOT NULL,
    acquired_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz NOT NULL,
    CONSTRAINT process_lease_pkey PRIMARY KEY (epoch)
) WITH (fillfactor = 50);

ALTER SEQUENCE process_epoch OWNED BY process_lease.epoch;

CREATE TABLE catalogue_version (
    hash         text        NOT NULL,
    content      text        NOT NULL, -- immutable
    activated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT catalogue_version_pkey PRIMARY KEY (hash)
);

-- ---- generations: partitioned by the day in their UUIDv7 id; after 30 days the day is dropped

CREATE TABLE generation (
    account_id          uuid        NOT NULL,
    id                  uuid        NOT NULL,
    key_id              uuid        NOT NULL,
    hold_id             uuid        NOT NULL, -- the transfer that pays for it
    owner_epoch         bigint      NOT NULL,
    quoted_micros       bigint      NOT NULL,
    charged_micros      bigint      NOT NULL DEFAULT 0,
    created_at          timestamptz NOT NULL,
    deadline_at         timestamptz,
    finished_at         timestamptz, -- set if and only if the state is terminal
    cancel_requested_at timestamptz,
    orphaned_at         timestamptz, -- the caller left before the answer
    claimed_at          timestamptz, -- an SDK's retry took the orphan
    hidden_at           timestamptz, -- deleted by the caller
    requested_count     integer     NOT NULL,
    delivered_count     integer     NOT NULL DEFAULT 0,
    attempt_count       integer     NOT NULL DEFAULT 1,
    sandbox             boolean     NOT NULL,
    fingerprint         bytea       NOT NULL, -- HMAC of the canonical request
    state               text        NOT NULL DEFAULT 'accepted',
    kind                text        NOT NULL,
    model               text        NOT NULL,
    catalogue_version   text        NOT NULL,
    endpoint            text        NOT NULL,
    request_id          text        NOT NULL,
    channel             text,
    size                text,
    quality             text,
    background          text,
    output_format       text,
    reason              text,  -- why it failed: reapi.v1.ErrorReason
    metadata            jsonb, -- the dynamic parts of the reason, ours
    CONSTRAINT generation_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT generation_state_known CHECK (state IN (
        'accepted',  -- held and recorded             -> running | succeeded | failed | cancelled
        'running',   -- a job of it is known upstream -> succeeded | failed | cancelled
        'succeeded', -- delivered and charged
        'failed',    -- given back
        'cancelled'  -- given back, at the caller's wish
    )),
    CONSTRAINT generation_finished_iff_terminal
        CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CONSTRAINT generation_counts_sane CHECK (delivered_count BETWEEN 0 AND requested_count),
    CONSTRAINT generation_only_success_is_charged CHECK (charged_micros = 0 OR state = 'succeeded')
) PARTITION BY RANGE (id);

-- What has not ended, by owner: adoption reads it.
CREATE INDEX generation_open ON generation (owner_epoch) WHERE finished_at IS NULL;
-- What an SDK's retry may claim.
CREATE INDEX generation_claimable ON generation (account_id, key_id, fingerprint)
    WHERE orphaned_at IS NOT NULL AND claimed_at IS NULL;

CREATE TABLE attempt (
    account_id      uuid    NOT NULL,
    generation_id   uuid    NOT NULL,
    mark            uuid    NOT NULL, -- random; the provider may echo or list it
    number          integer NOT NULL,
    http_status     integer NOT NULL DEFAULT 0,
    started_ms      integer NOT NULL, -- since the generation was accepted, as all times here
    acknowledged_ms integer,
    first_byte_ms   integer,
    ended_ms        integer,
    state           text    NOT NULL,
    channel         text    NOT NULL,
    fault           text,
    phase           text,
    upstream_job_id text,
    CONSTRAINT attempt_pkey PRIMARY KEY (account_id, generation_id, number),
    CONSTRAINT attempt_number_from_one CHECK (number >= 1),
    CONSTRAINT attempt_state_known CHECK (state IN (
        'submitting', -- recorded; bytes may be leaving -> submitted | done | failed | lost
        'submitted',  -- the provider's job id is known -> done | failed | lost
        'done',       -- gave the outputs
        'failed',     -- ended without
        'lost'        -- sent, outcome unknown
    ))
) PARTITION BY RANGE (generation_id);

CREATE TABLE asset (
    account_id    uuid        NOT NULL,
    generation_id uuid        NOT NULL,
    size_bytes    bigint      NOT NULL,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    deleted_at    timestamptz,
    output_index  integer     NOT NULL,
    width         integer     NOT NULL,
    height        integer     NOT NULL,
    sha256        bytea       NOT NULL,
    media_type    text        NOT NULL,
    link          text        NOT NULL, -- the unguessable part of its URL
    CONSTRAINT asset_pkey PRIMARY KEY (account_id, generation_id, output_index),
    CONSTRAINT asset_is_sha256 CHECK (octet_length(sha256) = 32),
    CONSTRAINT asset_size_not_negative CHECK (size_bytes >= 0)
) PARTITION BY RANGE (generation_id);

-- A link names no account.
CREATE INDEX asset_by_generation ON asset (generation_id);

CREATE TABLE usage_event (
    account_id          uuid        NOT NULL,
    generation_id       uuid        NOT NULL,
    key_id              uuid        NOT NULL,
    charged_micros      bigint      NOT NULL,
    created_at          timestamptz NOT NULL,
    input_text_tokens   bigint,
    input_image_tokens  bigint,
    output_tokens       bigint,
    output_image_tokens bigint,
    delivered_count     integer     NOT NULL,
    model               text        NOT NULL,
    channel             text        NOT NULL,
    CONSTRAINT usage_event_pkey PRIMARY KEY (account_id, generation_id)
) PARTITION BY RANGE (generation_id);

-- The smallest UUIDv7 of a day (UTC).
CREATE FUNCTION uuid_of_day(day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((day - date '1970-01-01')::bigint * 86400000), 12, '0') || repeat('0', 20))::uuid
$$;

-- Make the partitions of the days from `first` to `last`; those that are there stay. Attaching
-- takes no lock that a commit would wait for. Returns how many tables were made.
CREATE FUNCTION make_generation_days(first date, last date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    day date;
    parent text;
    child text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('generation days'));
    FOR day IN SELECT d::date FROM generate_series(first, last, interval '1 day') AS d LOOP
        FOREACH parent IN ARRAY ARRAY['generation', 'attempt', 'asset', 'usage_event'] LOOP
            child := parent || '_' || to_char(day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass(child) IS NOT NULL;
            EXECUTE format(
                'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = %s)',
                child, parent, CASE WHEN parent IN ('generation', 'attempt') THEN 60 ELSE 100 END);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                parent, child, uuid_of_day(day), uuid_of_day(day + 1));
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- Drop one day with everything in it. Refused while a generation of that day has not ended.
CREATE FUNCTION drop_generation_day(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    suffix text := '_' || to_char(day, 'YYYYMMDD');
    parent text;
    is_open boolean;
BEGIN
    IF to_regclass('generation' || suffix) IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE finished_at IS NULL)', 'generation' || suffix)
            INTO is_open;
        IF is_open THEN
            RETURN false;
        END IF;
    END IF;
    FOREACH parent IN ARRAY ARRAY['generation', 'attempt', 'asset', 'usage_event'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', parent || suffix);
    END LOOP;
    RETURN true;
END $$;

SELECT make_generation_days(current_date - 1, current_date + 7);

-- ---- the rest

CREATE TABLE idempotency (
    account_id    uuid        NOT NULL,
    generation_id uuid        NOT NULL,
    expires_at    timestamptz NOT NULL,
    key_hmac      bytea       NOT NULL, -- HMAC of the caller's key
    request_hmac  bytea       NOT NULL, -- HMAC of the canonical request
    CONSTRAINT idempotency_pkey PRIMARY KEY (account_id, key_hmac)
);

CREATE INDEX idempotency_expired ON idempotency (expires_at);

CREATE TABLE webhook_outbox (
    account_id    uuid        NOT NULL,
    id            uuid        NOT NULL,
    generation_id uuid        NOT NULL,
    due_at        timestamptz NOT NULL,
    delivered_at  timestamptz,
    tries         integer     NOT NULL DEFAULT 0,
    url           bytea       NOT NULL, -- typed by the caller; encrypted
    CONSTRAINT webhook_outbox_pkey PRIMARY KEY (account_id, id)
);

CREATE INDEX webhook_outbox_due ON webhook_outbox (due_at) WHERE delivered_at IS NULL;

CREATE TABLE audit_log (
    account_id uuid        NOT NULL,
    id         uuid        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    actor      text        NOT NULL, -- an id of ours
    action     text        NOT NULL,
    target     text        NOT NULL, -- an id of ours
    CONSTRAINT audit_log_pkey PRIMARY KEY (account_id, id)
);
