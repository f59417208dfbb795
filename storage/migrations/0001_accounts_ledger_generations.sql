-- Accounts, keys, the ledger, generations and what belongs to them.
--
-- Every table that a request touches leads with account_id. Money is integer micro-dollars.
-- Hot tables have no foreign keys: a foreign key locks its parent row at every insert, and the
-- group committer holds the locks that matter already. Names that users type stand in four columns
-- only (account.name, app_user.email, api_key.name, webhook_outbox.url); no prompt stands anywhere.

-- ---- accounts

CREATE TABLE account (
    account_id   uuid        NOT NULL,
    name         text        NOT NULL, -- typed by its owner
    created_at   timestamptz NOT NULL DEFAULT now(),
    suspended_at timestamptz,          -- set: its keys are refused, running generations end
    CONSTRAINT account_pkey PRIMARY KEY (account_id)
);

CREATE TABLE app_user (
    user_id    uuid        NOT NULL,
    email      text        NOT NULL, -- typed by the user
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT app_user_pkey PRIMARY KEY (user_id),
    CONSTRAINT app_user_email_once UNIQUE (email)
);

CREATE TABLE membership (
    account_id uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    role       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT membership_pkey PRIMARY KEY (account_id, user_id),
    CONSTRAINT membership_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE,
    CONSTRAINT membership_user FOREIGN KEY (user_id) REFERENCES app_user ON DELETE CASCADE,
    CONSTRAINT membership_role_known CHECK (role IN ('owner', 'member'))
);

CREATE INDEX membership_of_user ON membership (user_id);

CREATE TABLE api_key (
    account_id          uuid        NOT NULL,
    key_id              uuid        NOT NULL,
    public_id           text        NOT NULL, -- the part of the key that may be shown
    secret_hmac         bytea       NOT NULL, -- HMAC-SHA-256 under a server key
    name                text        NOT NULL, -- typed by its owner
    requests_per_minute integer     NOT NULL,
    concurrency         integer     NOT NULL,
    scopes              text[]      NOT NULL DEFAULT '{}',
    sandbox             boolean     NOT NULL DEFAULT false,
    created_at          timestamptz NOT NULL DEFAULT now(),
    expires_at          timestamptz,
    revoked_at          timestamptz,
    CONSTRAINT api_key_pkey PRIMARY KEY (account_id, key_id),
    CONSTRAINT api_key_public_id_once UNIQUE (public_id),
    CONSTRAINT api_key_account FOREIGN KEY (account_id) REFERENCES account,
    CONSTRAINT api_key_secret_is_sha256 CHECK (octet_length(secret_hmac) = 32),
    CONSTRAINT api_key_rate_sane CHECK (requests_per_minute BETWEEN 1 AND 1000000),
    CONSTRAINT api_key_concurrency_sane CHECK (concurrency BETWEEN 1 AND 1000000)
);

-- The counters that every request changes, apart from what is read: narrow rows with room to move
-- in their page.
CREATE TABLE key_use (
    account_id uuid    NOT NULL,
    key_id     uuid    NOT NULL,
    tat_us     bigint  NOT NULL DEFAULT 0, -- GCRA's theoretical arrival time, µs since 1970
    in_flight  integer NOT NULL DEFAULT 0, -- slots taken
    CONSTRAINT key_use_pkey PRIMARY KEY (account_id, key_id),
    CONSTRAINT key_use_in_flight_not_negative CHECK (in_flight >= 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE FUNCTION make_key_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO key_use (account_id, key_id) VALUES (NEW.account_id, NEW.key_id);
    RETURN NULL;
END $$;

CREATE TRIGGER api_key_has_counters AFTER INSERT ON api_key
    FOR EACH ROW EXECUTE FUNCTION make_key_use();

-- ---- the ledger

CREATE TABLE balance (
    account_id uuid   NOT NULL,
    posted     bigint NOT NULL DEFAULT 0, -- credits minus charges
    pending    bigint NOT NULL DEFAULT 0, -- held, neither charged nor given back yet
    CONSTRAINT balance_pkey PRIMARY KEY (account_id),
    CONSTRAINT balance_never_overdrawn CHECK (posted - pending >= 0),
    CONSTRAINT balance_pending_not_negative CHECK (pending >= 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE FUNCTION make_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO balance (account_id) VALUES (NEW.account_id);
    RETURN NULL;
END $$;

CREATE TRIGGER account_has_balance AFTER INSERT ON account
    FOR EACH ROW EXECUTE FUNCTION make_balance();

-- One row moves an amount from one book to another: `debit` and `credit` are the two entries, so
-- entries add up to zero in every row. Which books those are follows from the kind. The customer's book has a balance row; the operator's
-- books are the sums of their transfers. Kept for seven years; which generation a transfer
-- belongs to is known only to rows that are dropped after 30 days.
CREATE TABLE transfer (
    account_id    uuid        NOT NULL,
    id            uuid        NOT NULL, -- random, chosen by the sender: the idempotency key
    resolves      uuid,                 -- the hold that this settle or void ends
    amount_micros bigint      NOT NULL,
    releases_micros bigint    NOT NULL, -- of a settle or void: the amount of the hold
    created_at    timestamptz NOT NULL,
    kind          text        NOT NULL,
    debit         text        NOT NULL GENERATED ALWAYS AS (CASE kind
        WHEN 'hold' THEN 'customer'
        WHEN 'settle' THEN 'customer'
        WHEN 'void' THEN 'revenue'
        WHEN 'grant' THEN 'promotional'
        WHEN 'payment' THEN 'cash'
        WHEN 'refund' THEN 'customer'
        WHEN 'overrun' THEN 'risk'
        WHEN 'risk_loss' THEN 'risk'
        WHEN 'hedge_loss' THEN 'hedge_loss' END) STORED,
    credit        text        NOT NULL GENERATED ALWAYS AS (CASE kind
        WHEN 'hold' THEN 'revenue'
        WHEN 'settle' THEN 'revenue'
        WHEN 'void' THEN 'customer'
        WHEN 'grant' THEN 'customer'
        WHEN 'payment' THEN 'customer'
        WHEN 'refund' THEN 'refunds'
        WHEN 'overrun' THEN 'revenue'
        WHEN 'risk_loss' THEN 'cash'
        WHEN 'hedge_loss' THEN 'cash' END) STORED,
    CONSTRAINT transfer_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT transfer_kind_known CHECK (kind IN (
        'hold',      -- reserves; moves nothing yet -> settle | void
        'settle',    -- charges a hold, wholly or in part
        'void',      -- gives a hold back
        'grant',     -- promotional credits
        'payment',   -- money received
        'refund',    -- money sent back
        'overrun',   -- what exceeded a hold: ours to bear
        'risk_loss', -- an upstream's bill that nobody is charged for
        'hedge_loss' -- the bill of the loser of a hedge
    )),
    CONSTRAINT transfer_amount_not_negative CHECK (amount_micros >= 0),
    CONSTRAINT transfer_resolves_a_hold CHECK ((kind IN ('settle', 'void')) = (resolves IS NOT NULL)),
    CONSTRAINT transfer_within_hold CHECK (
        CASE WHEN resolves IS NULL THEN releases_micros = 0 ELSE amount_micros <= releases_micros END
    ),
    CONSTRAINT transfer_void_is_whole CHECK (kind <> 'void' OR amount_micros = releases_micros)
);

CREATE UNIQUE INDEX transfer_hold_resolved_once ON transfer (account_id, resolves)
    WHERE resolves IS NOT NULL;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER transfer_rows_stay BEFORE UPDATE OR DELETE ON transfer
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transfer_is_never_emptied BEFORE TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
REVOKE UPDATE, DELETE, TRUNCATE ON transfer FROM PUBLIC, CURRENT_USER;

-- Both entries of every transfer that moved something, signed: a credit is positive.
CREATE VIEW ledger_entry AS
SELECT account_id, id AS transfer_id, kind, debit AS book, -amount_micros AS amount_micros, created_at
  FROM transfer WHERE kind NOT IN ('hold', 'void')
UNION ALL
SELECT account_id, id, kind, credit, amount_micros, created_at
  FROM transfer WHERE kind NOT IN ('hold', 'void');

-- Empty when the books are right. `what` says which law is broken, `off_by` by how much.
CREATE VIEW ledger_discrepancy AS
WITH moved AS (
    SELECT account_id, sum(amount_micros) AS posted FROM ledger_entry WHERE book = 'customer' GROUP BY 1
), reserved AS (
    SELECT account_id, sum(CASE kind WHEN 'hold' THEN amount_micros ELSE -releases_micros END) AS pending
      FROM transfer WHERE kind IN ('hold', 'settle', 'void') GROUP BY 1
), whole AS (
    SELECT (SELECT coalesce(sum(posted), 0) FROM balance)
         + (SELECT coalesce(sum(amount_micros), 0) FROM ledger_entry WHERE book <> 'customer') AS total
)
SELECT account_id, 'posted' AS what, coalesce(b.posted, 0) - coalesce(m.posted, 0) AS off_by
  FROM balance b FULL JOIN moved m USING (account_id)
 WHERE coalesce(b.posted, 0) <> coalesce(m.posted, 0)
UNION ALL
SELECT account_id, 'pending', coalesce(b.pending, 0) - coalesce(r.pending, 0)
  FROM balance b FULL JOIN reserved r USING (account_id)
 WHERE coalesce(b.pending, 0) <> coalesce(r.pending, 0)
UNION ALL
SELECT NULL, 'sum of all entries', total FROM whole WHERE total <> 0;

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
