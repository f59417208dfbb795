-- Rights of people over their data.

-- Which right was used and when. When an account is erased, whose it was is forgotten.
CREATE TABLE rights_request (
    id         uuid        NOT NULL, -- rises with time
    account_id uuid,
    user_id    uuid,
    kind       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at    timestamptz,
    CONSTRAINT rights_request_pkey PRIMARY KEY (id),
    CONSTRAINT rights_request_kind_known
        CHECK (kind IN ('access', 'rectification', 'erasure', 'objection', 'contact'))
);

CREATE INDEX rights_request_of_user ON rights_request (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX rights_request_of_account ON rights_request (account_id) WHERE account_id IS NOT NULL;

-- Archives of everything that is kept about an account. The link is sealed: whoever has it may read.
CREATE TABLE export (
    account_id        uuid        NOT NULL,
    export_id         uuid        NOT NULL, -- rises with time
    user_id           uuid        NOT NULL, -- who asked
    rights_request_id uuid        NOT NULL,
    without_assets    boolean     NOT NULL DEFAULT false,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until       timestamptz NOT NULL DEFAULT 'epoch', -- a process makes it until then
    tries             integer     NOT NULL DEFAULT 0,
    ready_at          timestamptz,
    failed_at         timestamptz,
    expires_at        timestamptz, -- set: when the archive is to be removed
    removed_at        timestamptz, -- from the bucket
    path_sealed       bytea       NOT NULL, -- known before the first byte is written
    size              bigint,
    sha256            bytea,
    CONSTRAINT export_pkey PRIMARY KEY (account_id, export_id),
    CONSTRAINT export_once UNIQUE (export_id),
    CONSTRAINT export_ready_is_whole CHECK (ready_at IS NULL OR (
        size IS NOT NULL AND octet_length(sha256) = 32 AND expires_at IS NOT NULL)),
    CONSTRAINT export_ends_once CHECK (ready_at IS NULL OR failed_at IS NULL)
);

CREATE INDEX export_to_make ON export (created_at) WHERE ready_at IS NULL AND failed_at IS NULL;
CREATE INDEX export_expired ON export (expires_at) WHERE removed_at IS NULL;

-- Accounts that are being erased; the row goes when nothing is left to erase.
CREATE TABLE erasure (
    account_id        uuid        NOT NULL,
    rights_request_id uuid        NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until       timestamptz NOT NULL DEFAULT 'epoch', -- a process works on it until then
    CONSTRAINT erasure_pkey PRIMARY KEY (account_id)
);

-- The counters of a key go with it.
CREATE FUNCTION drop_key_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM key_use WHERE account_id = OLD.account_id AND key_id = OLD.key_id;
    DELETE FROM key_seen WHERE account_id = OLD.account_id AND key_id = OLD.key_id;
    RETURN NULL;
END $$;

CREATE TRIGGER api_key_drops_counters AFTER DELETE ON api_key
    FOR EACH ROW EXECUTE FUNCTION drop_key_use();
