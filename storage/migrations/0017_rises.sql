-- Increases of prices that a catalogue has announced and that had not begun when it was activated:
-- whoever opens an account later is told too (core/engine/catalogue_versions.py).
ALTER TABLE catalogue_version ADD COLUMN rises jsonb NOT NULL DEFAULT '[]';
ALTER TABLE catalogue_version ADD CONSTRAINT catalogue_version_rises_are_listed
    CHECK (jsonb_typeof(rises) = 'array');
