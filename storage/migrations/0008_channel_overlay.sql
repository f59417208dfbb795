-- What operators said about channels, laid over the catalogue: a row for each that differs from it.
-- It outlives reloads; a row of a channel that the catalogue has no more means nothing.

CREATE TABLE channel_overlay (
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    weight     integer, -- NULL: the catalogue's
    channel    text    NOT NULL,
    admission  text    NOT NULL,
    CONSTRAINT channel_overlay_pkey PRIMARY KEY (channel),
    CONSTRAINT channel_overlay_admission_known CHECK (admission IN (
        'open',     -- takes requests
        'draining', -- takes no new attempts, and finishes those it has
        'disabled'  -- takes no new attempts; recorded jobs are still polled
    )),
    CONSTRAINT channel_overlay_weight_positive CHECK (weight > 0),
    CONSTRAINT channel_overlay_differs CHECK (admission <> 'open' OR weight IS NOT NULL)
);

-- Every process listens; one that hears nothing reads the table all the same, twice a second.
CREATE FUNCTION notify_channel_overlay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('reapi_channels', '');
    RETURN NULL;
END $$;

CREATE TRIGGER channel_overlay_changed AFTER INSERT OR UPDATE OR DELETE ON channel_overlay
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel_overlay();

-- What was set to what: names and values of settings, never what a person typed. Entries that
-- concern no account have the nil UUID as account_id.
ALTER TABLE audit_log ADD COLUMN changes jsonb;
