-- Money that was paid for credits: kept for seven years, also after its account is gone.
--
-- What Stripe says now decides (billing/payments.py); these rows say what was booked of it. No name,
-- no address, no card: Stripe has those. Money in millionths of the currency.

-- Who somebody is at Stripe.
CREATE TABLE stripe_customer (
    account_id  uuid        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    customer_id text        NOT NULL,
    CONSTRAINT stripe_customer_pkey PRIMARY KEY (account_id),
    CONSTRAINT stripe_customer_once UNIQUE (customer_id),
    CONSTRAINT stripe_customer_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE
);

-- No foreign key to account: it outlives its account.
CREATE TABLE payment (
    account_id         uuid        NOT NULL,
    id                 uuid        NOT NULL, -- derived from payment_intent; the credit's transfer id
    reference          uuid        NOT NULL, -- the checkout_session or top_up that it is of
    booking_id         uuid        NOT NULL, -- of the last look: what is sent again is known
    created_at         timestamptz NOT NULL, -- begun, at Stripe
    booked_at          timestamptz NOT NULL, -- of the last look
    paid_micros        bigint      NOT NULL, -- with tax
    tax_micros         bigint      NOT NULL,
    refunded_micros    bigint      NOT NULL, -- went back, by refunds and disputes
    credited_micros    bigint      NOT NULL,
    clawed_back_micros bigint      NOT NULL,
    version            integer     NOT NULL, -- rises with every look
    state              text        NOT NULL,
    origin             text        NOT NULL,
    product            text        NOT NULL, -- a word of ours
    currency           text        NOT NULL,
    payment_intent     text        NOT NULL, -- Stripe's ids, here and below
    customer_id        text        NOT NULL,
    invoice_id         text        NOT NULL,
    failure_code       text        NOT NULL,
    invoice_url        bytea,                -- sealed: who has the link sees name and address
    receipt_url        bytea,                -- sealed, likewise
    CONSTRAINT payment_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT payment_intent_once UNIQUE (payment_intent),
    CONSTRAINT payment_state_known CHECK (state IN (
        'pending',            -- not paid yet             -> succeeded | failed
        'failed',             -- not paid                 -> succeeded, if it is tried again
        'succeeded',          -- paid and credited        -> what follows, and back
        'partially_refunded', -- a part of the money went back
        'refunded',           -- all of it did
        'disputed',           -- the card's holder contests it
        'dispute_lost'        -- its bank took the money back
    )),
    CONSTRAINT payment_origin_known CHECK (origin IN ('checkout', 'auto_top_up')),
    CONSTRAINT payment_currency_is_code CHECK (currency ~ '^[a-z]{3}$'),
    CONSTRAINT payment_product_is_word CHECK (product ~ '^[a-z0-9_.-]{0,64}$'),
    CONSTRAINT payment_failure_is_word CHECK (failure_code ~ '^[a-z0-9_.-]{0,64}$'),
    CONSTRAINT payment_money_sane CHECK (
        tax_micros BETWEEN 0 AND paid_micros AND refunded_micros BETWEEN 0 AND paid_micros
    ),
    -- No credit that was not paid for, none taken twice, and what is all gone is all taken.
    CONSTRAINT payment_credit_is_paid CHECK (credited_micros = 0 OR paid_micros > 0),
    CONSTRAINT payment_clawback_within_credit
        CHECK (clawed_back_micros BETWEEN 0 AND credited_micros),
    CONSTRAINT payment_whole_refund_takes_all CHECK (
        paid_micros = 0 OR refunded_micros < paid_micros OR clawed_back_micros = credited_micros
    ),
    CONSTRAINT payment_unpaid_credits_nothing CHECK (
        state NOT IN ('pending', 'failed') OR clawed_back_micros = credited_micros
    )
) WITH (fillfactor = 70);

CREATE INDEX payment_of_account ON payment (account_id, created_at DESC, id DESC);
CREATE INDEX payment_of_reference ON payment (account_id, reference);
CREATE INDEX payment_by_age ON payment (created_at);
CREATE INDEX payment_unsettled ON payment (created_at) WHERE state IN ('pending', 'disputed');

CREATE FUNCTION refuse_early_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is kept for seven years', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER payment_rows_stay BEFORE DELETE ON payment FOR EACH ROW
    WHEN (OLD.created_at > now() - interval '7 years') EXECUTE FUNCTION refuse_early_deletion();
CREATE TRIGGER payment_is_never_emptied BEFORE TRUNCATE ON payment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_early_deletion();

-- What a refund, a dispute, or a payment that Stripe does not have moved, one row for each movement.
CREATE TABLE payment_adjustment (
    account_id     uuid        NOT NULL,
    payment_id     uuid        NOT NULL,
    transfer_id    uuid        NOT NULL, -- in the ledger, unless it moves no credits
    created_at     timestamptz NOT NULL,
    money_micros   bigint      NOT NULL,
    credits_micros bigint      NOT NULL,
    step           integer     NOT NULL, -- odd: credits are taken; even: they are given back
    source_id      text        NOT NULL, -- Stripe's id of the refund, dispute or payment
    CONSTRAINT payment_adjustment_pkey PRIMARY KEY (account_id, payment_id, source_id, step),
    CONSTRAINT payment_adjustment_transfer_once UNIQUE (account_id, transfer_id),
    CONSTRAINT payment_adjustment_payment FOREIGN KEY (account_id, payment_id) REFERENCES payment
        ON DELETE CASCADE,
    CONSTRAINT payment_adjustment_moves CHECK (
        money_micros > 0 AND credits_micros >= 0 AND step > 0
    )
);

CREATE INDEX payment_adjustment_by_age ON payment_adjustment (created_at);

CREATE TRIGGER payment_adjustment_rows_stay BEFORE UPDATE OR TRUNCATE ON payment_adjustment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- They go with their payment, and not before.
CREATE FUNCTION refuse_parting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payment WHERE account_id = OLD.account_id AND id = OLD.payment_id) THEN
        RAISE EXCEPTION '% goes with its payment', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER payment_adjustment_goes_with_payment BEFORE DELETE ON payment_adjustment
    FOR EACH ROW EXECUTE FUNCTION refuse_parting();

-- Webhooks that were applied: written in the commit that books what they are about. Swept after 30
-- days, ten times as long as Stripe tries again.
CREATE TABLE stripe_event (
    event_id       text        NOT NULL,
    applied_at     timestamptz NOT NULL,
    kind           text        NOT NULL,
    payment_intent text        NOT NULL,
    CONSTRAINT stripe_event_pkey PRIMARY KEY (event_id)
);

CREATE INDEX stripe_event_by_age ON stripe_event (applied_at);

-- When a process last began to compare Stripe's payments with these: the next one takes its turn.
CREATE TABLE payment_sweep (
    is_only      boolean     NOT NULL DEFAULT true,
    begun_at     timestamptz NOT NULL DEFAULT 'epoch',
    completed_at timestamptz NOT NULL DEFAULT 'epoch', -- when the last that completed was begun
    reviewed_at  timestamptz NOT NULL DEFAULT 'epoch', -- likewise, that looked at old refunds too
    CONSTRAINT payment_sweep_pkey PRIMARY KEY (is_only),
    CONSTRAINT payment_sweep_is_one CHECK (is_only)
);

INSERT INTO payment_sweep DEFAULT VALUES;

-- Empty when payments and ledger agree. `what` says which law is broken, `off_by` by how much. What
-- is older than six years may have lost its payment, for the ledger is kept longer.
CREATE VIEW payment_discrepancy AS
WITH adjusted AS (
    SELECT a.*, coalesce((
               SELECT sum(t.amount_micros) FROM transfer t
                WHERE t.account_id = a.account_id
                  AND ((t.id = a.transfer_id
                        AND t.kind = CASE a.step % 2 WHEN 1 THEN 'refund' ELSE 'reinstatement' END)
                       -- The derived id of what the clawback could not take (billing/ledger.py).
                    OR (t.kind = 'debt' AND t.id = encode(set_byte(uuid_send(a.transfer_id), 15,
                            get_byte(uuid_send(a.transfer_id), 15) # 2), 'hex')::uuid))), 0) AS moved
      FROM payment_adjustment a
)
SELECT p.account_id, p.id AS payment_id, 'credit of payment' AS what,
       p.credited_micros - coalesce(t.amount_micros, 0) AS off_by
  FROM payment p
  LEFT JOIN transfer t ON t.account_id = p.account_id AND t.id = p.id AND t.kind = 'payment'
 WHERE p.credited_micros <> coalesce(t.amount_micros, 0)
UNION ALL
SELECT p.account_id, p.id, 'adjustments of payment', p.clawed_back_micros - x.total
  FROM payment p, LATERAL (
       SELECT coalesce(sum(CASE step % 2 WHEN 1 THEN credits_micros ELSE -credits_micros END), 0)
                  AS total
         FROM payment_adjustment a WHERE a.account_id = p.account_id AND a.payment_id = p.id) x
 WHERE p.clawed_back_micros <> x.total
UNION ALL
SELECT account_id, payment_id, 'transfers of adjustment', credits_micros - moved
  FROM adjusted WHERE credits_micros <> moved
UNION ALL
SELECT t.account_id, NULL, 'credit without payment', t.amount_micros
  FROM transfer t
 WHERE t.kind = 'payment' AND t.created_at > now() - interval '6 years'
   AND NOT EXISTS (SELECT FROM payment p WHERE p.account_id = t.account_id AND p.id = t.id)
UNION ALL
SELECT t.account_id, NULL, 'clawback without adjustment', t.amount_micros
  FROM transfer t
 WHERE t.kind IN ('refund', 'reinstatement') AND t.created_at > now() - interval '6 years'
   AND NOT EXISTS (SELECT FROM payment_adjustment a
                    WHERE a.account_id = t.account_id AND a.transfer_id = t.id);
