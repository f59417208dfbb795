-- Keys of members, the networks they work from, and their rotation.
ALTER TABLE api_key
    ADD COLUMN user_id          uuid,                        -- the member who made it, if one did
    ADD COLUMN allowed_networks cidr[] NOT NULL DEFAULT '{}', -- none: all
    ADD COLUMN replaced_by      uuid,                        -- the key that it was rotated to
    ADD CONSTRAINT api_key_networks_few CHECK (cardinality(allowed_networks) <= 100);

CREATE INDEX api_key_of_user ON api_key (account_id, user_id) WHERE user_id IS NOT NULL;

-- From how many networks a key was used, for the operator's report of abuse: keyed digests of
-- networks by day, gathered in memory and written beside the hot path.
CREATE TABLE key_network (
    account_id   uuid  NOT NULL,
    key_id       uuid  NOT NULL,
    day          date  NOT NULL,
    network_hmac bytea NOT NULL,
    CONSTRAINT key_network_pkey PRIMARY KEY (account_id, key_id, day, network_hmac)
);

CREATE INDEX key_network_by_day ON key_network (day);
