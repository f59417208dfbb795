-- What is to be removed from the bucket stands in the rows until it has been removed.

ALTER TABLE asset ADD COLUMN removed_at timestamptz; -- the object is gone

-- What is due: its time is over, or its generation was deleted. (LEAST ignores NULLs.)
CREATE INDEX asset_due ON asset (least(expires_at, deleted_at)) WHERE removed_at IS NULL;

-- As before, and not while an output of that day is still in the bucket.
CREATE OR REPLACE FUNCTION drop_generation_day(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    suffix text := '_' || to_char(day, 'YYYYMMDD');
    parent text;
    is_needed boolean;
BEGIN
    -- In this order: what has ended gets no further outputs.
    IF to_regclass('generation' || suffix) IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE finished_at IS NULL)', 'generation' || suffix)
            INTO is_needed;
        IF is_needed THEN
            RETURN false;
        END IF;
    END IF;
    IF to_regclass('asset' || suffix) IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE removed_at IS NULL)', 'asset' || suffix)
            INTO is_needed;
        IF is_needed THEN
            RETURN false;
        END IF;
    END IF;
    FOREACH parent IN ARRAY ARRAY['generation', 'attempt', 'asset', 'usage_event'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', parent || suffix);
    END LOOP;
    RETURN true;
END $$;
