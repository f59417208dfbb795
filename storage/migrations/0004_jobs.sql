-- Videos have a length, and a job's fate can be unknown for a while.

ALTER TABLE generation
    ADD COLUMN duration_ms integer NOT NULL DEFAULT 0, -- asked for (at most), then made; 0: no length
    ADD COLUMN fate_unknown_since timestamptz,
    ADD CONSTRAINT generation_duration_not_negative CHECK (duration_ms >= 0);

-- Owners look here for wishes to cancel that other processes took.
CREATE INDEX generation_wishes ON generation (owner_epoch)
    WHERE finished_at IS NULL AND cancel_requested_at IS NOT NULL;
