-- What operators take down stays down.
CREATE TABLE taken_down (
    account_id    uuid        NOT NULL,
    generation_id uuid        NOT NULL,
    output_index  integer     NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT taken_down_pkey PRIMARY KEY (account_id, generation_id, output_index)
);
