-- Binding quotes. A quote is not stored: its token is signed and says everything (core/engine/
-- quotes.py). What is stored is that it was used, in the commit that holds its price, until it has
-- expired anyway.

CREATE TABLE quote_use (
    account_id uuid        NOT NULL,
    quote_id   uuid        NOT NULL,
    expires_at timestamptz NOT NULL, -- the quote's; swept afterwards
    CONSTRAINT quote_use_once PRIMARY KEY (account_id, quote_id)
);

CREATE INDEX quote_use_expired ON quote_use (expires_at);

-- What a receipt tells of the price: 30 days, as all of the row.
ALTER TABLE generation
    ADD COLUMN quote_id    uuid, -- the quote that it carried, if any
    ADD COLUMN price_lines text; -- JSON: what the most that it may cost is made of; NULL: accepted before
