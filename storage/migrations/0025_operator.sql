-- What operators do: outputs that stay deleted, refunds that they asked for, lists of accounts.

-- What operators take down stays down: an output that is recorded later is deleted from the start.
CREATE TABLE taken_down (
    account_id    uuid        NOT NULL,
    generation_id uuid        NOT NULL,
    output_index  integer     NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT taken_down_pkey PRIMARY KEY (account_id, generation_id, output_index)
);

-- It goes a day after the generation that it is about, which is dropped with its day.
CREATE INDEX taken_down_by_age ON taken_down (created_at);

-- Refunds that the operator asked for: the row, with the idempotency key that Stripe is asked
-- under, is committed before Stripe is asked. What they move is booked like any other refund.
CREATE TABLE payment_refund (
    account_id    uuid        NOT NULL,
    refund_id     uuid        NOT NULL, -- also the idempotency key
    payment_id    uuid        NOT NULL,
    amount_micros bigint      NOT NULL, -- of the payment's currency
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    stripe_refund text,                 -- Stripe's id; NULL: it has not answered
    CONSTRAINT payment_refund_pkey PRIMARY KEY (account_id, refund_id),
    CONSTRAINT payment_refund_payment FOREIGN KEY (account_id, payment_id) REFERENCES payment
        ON DELETE CASCADE,
    CONSTRAINT payment_refund_is_whole_cents CHECK (amount_micros > 0 AND amount_micros % 10000 = 0)
);

-- Accounts that may not spend: the generations that they run are cancelled, in every process.
CREATE INDEX account_stopped ON account (account_id)
    WHERE suspended_at IS NOT NULL OR deleting_at IS NOT NULL;
CREATE INDEX account_by_age ON account (created_at DESC, account_id DESC);
