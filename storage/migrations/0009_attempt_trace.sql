-- How each attempt came about, for ExplainGeneration and for replays (`reapi simulate`).

ALTER TABLE attempt
    ADD COLUMN shard      integer NOT NULL DEFAULT 0,     -- the part of a split request; from 0
    ADD COLUMN is_hedge   boolean NOT NULL DEFAULT false, -- begun beside another that took long
    ADD COLUMN standing   text    NOT NULL DEFAULT '',    -- how the channel stood; '': unknown
    ADD COLUMN candidates integer NOT NULL DEFAULT 0,     -- channels that could serve; 0: unknown
    ADD CONSTRAINT attempt_shard_not_negative CHECK (shard >= 0);
