-- The ledger's rows, sealed: each account's in a hash chain whose head is signed every few seconds.
-- One job writes this beside the hot path (billing/sealing.py); docs/ledger.md gives the forms.

-- Which transfer stands where in its chain. The operator's own rows have a chain of their own for
-- each account that caused them.
CREATE TABLE ledger_chain (
    account_id   uuid   NOT NULL,
    transfer_id  uuid   NOT NULL,
    sequence     bigint NOT NULL, -- from 1, without gaps
    posted       bigint NOT NULL, -- afterwards, as held and debt
    held         bigint NOT NULL,
    debt         bigint NOT NULL,
    chain_sha256 bytea  NOT NULL, -- of the digest before and this row
    chain        text   NOT NULL,
    CONSTRAINT ledger_chain_pkey PRIMARY KEY (account_id, chain, sequence),
    CONSTRAINT ledger_chain_row_once UNIQUE (account_id, transfer_id),
    CONSTRAINT ledger_chain_known CHECK (chain IN ('customer', 'operator')),
    CONSTRAINT ledger_chain_from_one CHECK (sequence >= 1),
    CONSTRAINT ledger_chain_is_sha256 CHECK (octet_length(chain_sha256) = 32)
);

-- A signature over a chain up to one row, and over where the one before it stands.
CREATE TABLE ledger_seal (
    account_id   uuid        NOT NULL,
    sequence     bigint      NOT NULL, -- the last row that it covers
    sealed_at    timestamptz NOT NULL,
    chain_sha256 bytea       NOT NULL, -- that row's
    signature    bytea       NOT NULL, -- Ed25519
    chain        text        NOT NULL,
    key_id       text        NOT NULL, -- of the public key
    CONSTRAINT ledger_seal_pkey PRIMARY KEY (account_id, chain, sequence),
    CONSTRAINT ledger_seal_is_sha256 CHECK (octet_length(chain_sha256) = 32),
    CONSTRAINT ledger_seal_is_ed25519 CHECK (octet_length(signature) = 64)
);

CREATE TRIGGER ledger_chain_rows_stay BEFORE UPDATE OR DELETE ON ledger_chain
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_chain_is_never_emptied BEFORE TRUNCATE ON ledger_chain
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_seal_rows_stay BEFORE UPDATE OR DELETE ON ledger_seal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_seal_is_never_emptied BEFORE TRUNCATE ON ledger_seal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
REVOKE UPDATE, DELETE, TRUNCATE ON ledger_chain, ledger_seal FROM PUBLIC, CURRENT_USER;

-- How far sealing has come. Whoever holds the lock of the only row seals.
CREATE TABLE ledger_sealing (
    is_only       boolean     NOT NULL DEFAULT true,
    sealed_until  timestamptz NOT NULL, -- what was written before is sealed
    -- Where the slow pass over everything stands, which finds what a clock that stepped back hid.
    swept_account uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    swept_id      uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    CONSTRAINT ledger_sealing_pkey PRIMARY KEY (is_only),
    CONSTRAINT ledger_sealing_once CHECK (is_only)
) WITH (fillfactor = 50);

INSERT INTO ledger_sealing (sealed_until)
SELECT coalesce(min(created_at), now()) FROM transfer;

-- Finds what is new. Rows are only ever added, in the order of time, which a block range index knows
-- without costing an insert anything; a tree would cost every one of them.
CREATE INDEX transfer_by_time ON transfer USING brin (created_at)
    WITH (pages_per_range = 32, autosummarize = on);
