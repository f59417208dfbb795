-- What processes tell each other about channels: ejections, recoveries, credentials that cool. Hints
-- that expire within minutes: losing them loses nothing but time.

CREATE UNLOGGED TABLE channel_signal (
    told_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    until      timestamptz NOT NULL, -- then it means nothing any more
    id         uuid    NOT NULL, -- random, another at every change
    origin     uuid    NOT NULL, -- the process that tells; random at its start
    ejections  integer NOT NULL, -- since the last recovery
    channel    text    NOT NULL,
    operation  text    NOT NULL, -- '': all that use the credential
    credential text    NOT NULL, -- where the catalogue says it is: 'env:NAME'; '': the operation's
    seal       bytea   NOT NULL, -- HMAC of the credential's value, so that another one is not meant
    fault      text    NOT NULL, -- '': it was found good again
    CONSTRAINT channel_signal_pkey PRIMARY KEY (channel, operation, credential)
);

-- Every process listens; one that hears nothing reads the table all the same, twice a second.
CREATE FUNCTION notify_channel_signal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('reapi_signals', '');
    RETURN NULL;
END $$;

CREATE TRIGGER channel_signal_told AFTER INSERT OR UPDATE ON channel_signal
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel_signal();

-- Who looks at a job does so with the credential that submitted it.
ALTER TABLE attempt
    ADD COLUMN credential text NOT NULL DEFAULT ''; -- where the catalogue says it is
