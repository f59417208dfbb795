-- Keys of members, the networks they work from, and their rotation.
ALTER TABLE api_key
    ADD COLUMN user_id          uuid,                        -- the member who made it, if one did
    ADD COLUMN allowed_networks cidr[] NOT NULL DEFAULT '{}', -- none: all
    ADD COLUMN replaced_by      uuid,                        -- the key that it was rotated to
    ADD COLUMN line_id          uuid,                        -- the first key of its rotations, whose
                                                             -- budgets it has; NULL: itself
    ADD CONSTRAINT api_key_networks_few CHECK (cardinality(allowed_networks) <= 100),
    ADD CONSTRAINT api_key_replaced_stops CHECK (replaced_by IS NULL OR expires_at IS NOT NULL),
    ADD CONSTRAINT api_key_replaces_one UNIQUE (account_id, replaced_by);

CREATE INDEX api_key_of_user ON api_key (account_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX api_key_of_line ON api_key (account_id, line_id) WHERE line_id IS NOT NULL;

-- What the owner of a budget knows its key by: the newest of those that it was rotated to.
CREATE FUNCTION newest_of_line(of_account uuid, line uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT k.public_id FROM api_key k
     WHERE k.account_id = of_account AND (k.key_id = line OR k.line_id = line)
     ORDER BY k.created_at DESC, k.key_id DESC LIMIT 1
$$;

-- As before, but for the name of the key.
CREATE OR REPLACE FUNCTION notice_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notice (account_id, id, expires_at, kind, subject, facts)
    SELECT NEW.account_id, uuid_at(clock_timestamp()),
           budget_period_end(NEW.period, NEW.period_start) + interval '30 days', 'budget_alert',
           format('%s/%s/%s', NEW.budget_id, extract(epoch FROM NEW.period_start)::bigint, percent),
           jsonb_strip_nulls(jsonb_build_object(
               'budget', 'budgets/' || replace(NEW.budget_id::text, '-', ''),
               'api_key', 'api_keys/' || newest_of_line(NEW.account_id, NEW.key_id),
               'period', NEW.period,
               'percent', percent,
               'limit_micros', NEW.limit_micros,
               'spent_micros', NEW.spent_micros,
               'held_micros', NEW.held_micros))
      FROM unnest(NEW.alert_percents) AS percent
     WHERE (NEW.spent_micros + NEW.held_micros)::numeric * 100 >= NEW.limit_micros::numeric * percent
       -- What it had passed before was told in the commit that passed it.
       AND NOT ((OLD.period_start, OLD.limit_micros) = (NEW.period_start, NEW.limit_micros)
                AND percent = ANY (OLD.alert_percents)
                AND (OLD.spent_micros + OLD.held_micros)::numeric * 100
                    >= OLD.limit_micros::numeric * percent)
        ON CONFLICT ON CONSTRAINT notice_once DO NOTHING;
    RETURN NULL;
END $$;

-- When a key was last used, for whatever: gathered in memory and written beside the hot path. Not
-- in the row of the key: whoever changes that makes every process read it again.
CREATE TABLE key_seen (
    account_id uuid        NOT NULL,
    key_id     uuid        NOT NULL,
    seen_at    timestamptz NOT NULL,
    CONSTRAINT key_seen_pkey PRIMARY KEY (account_id, key_id)
) WITH (fillfactor = 50);

-- From how many networks a key was used, for the operator's report of abuse: keyed digests of
-- networks by day, gathered in memory and written beside the hot path.
CREATE TABLE key_network (
    account_id   uuid  NOT NULL,
    key_id       uuid  NOT NULL,
    day          date  NOT NULL,
    network_hmac bytea NOT NULL,
    CONSTRAINT key_network_pkey PRIMARY KEY (account_id, key_id, day, network_hmac),
    CONSTRAINT key_network_is_keyed CHECK (octet_length(network_hmac) = 32)
);

CREATE INDEX key_network_by_day ON key_network (day);
