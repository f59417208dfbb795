-- Accounts, keys and the ledger.
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
