-- How credits are bought: checkouts, the saved card that buys by itself, and promotional codes.
--
-- What Stripe is asked to make has its row, with the key that makes asking twice harmless, before
-- Stripe is asked. Nothing here moves credits: payments do (0012), and the ledger (0001).

-- A page on which somebody can pay. Swept after 30 days; what was paid stands in `payment`.
CREATE TABLE checkout_session (
    account_id      uuid        NOT NULL,
    id              uuid        NOT NULL,
    stripe_key      uuid        NOT NULL, -- Stripe's idempotency key
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked_at        timestamptz NOT NULL, -- since when Stripe is asked under that key
    expires_at      timestamptz NOT NULL, -- what Stripe was asked for
    price_micros    bigint      NOT NULL,
    credited_micros bigint      NOT NULL,
    saves_card      boolean     NOT NULL,
    state           text        NOT NULL DEFAULT 'creating',
    product         text        NOT NULL, -- words of the catalogue
    display_name    text        NOT NULL,
    stripe_session  text,
    CONSTRAINT checkout_session_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT checkout_session_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE,
    CONSTRAINT checkout_session_stripe_once UNIQUE (stripe_session),
    CONSTRAINT checkout_session_amounts CHECK (price_micros > 0 AND credited_micros > 0),
    CONSTRAINT checkout_session_whole_cents CHECK (price_micros % 10000 = 0),
    CONSTRAINT checkout_session_state_known CHECK (state IN (
        'creating', -- Stripe was asked, and has not answered yet -> open
        'open',     -- can be paid                                -> paid | expired
        'paid',     -- was paid and credited
        'expired'   -- can no longer be paid
    )),
    CONSTRAINT checkout_session_known_to_stripe
        CHECK ((state = 'creating') = (stripe_session IS NULL))
);

CREATE INDEX checkout_session_by_age ON checkout_session (created_at);

-- ---- auto-top-up

CREATE TABLE auto_top_up (
    account_id           uuid        NOT NULL,
    enabled_at           timestamptz, -- NULL: it is off
    threshold_micros     bigint      NOT NULL,
    amount_micros        bigint      NOT NULL,
    monthly_limit_micros bigint      NOT NULL,
    version              integer     NOT NULL DEFAULT 1, -- rises with every change of a setting: the etag
    payment_method       text        NOT NULL DEFAULT '', -- Stripe's id; empty: the newest card
    failure_code         text        NOT NULL DEFAULT '', -- why it turned itself off
    CONSTRAINT auto_top_up_pkey PRIMARY KEY (account_id),
    CONSTRAINT auto_top_up_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE,
    CONSTRAINT auto_top_up_threshold_sane CHECK (threshold_micros >= 0),
    CONSTRAINT auto_top_up_amount_sane CHECK (amount_micros >= 0 AND amount_micros % 10000 = 0),
    CONSTRAINT auto_top_up_limit_sane CHECK (monthly_limit_micros >= 0),
    CONSTRAINT auto_top_up_complete_if_enabled CHECK (
        enabled_at IS NULL
        OR (threshold_micros > 0 AND amount_micros > 0 AND amount_micros <= monthly_limit_micros)
    ),
    CONSTRAINT auto_top_up_off_after_failure CHECK (enabled_at IS NULL OR failure_code = '')
);

CREATE INDEX auto_top_up_enabled ON auto_top_up (account_id) WHERE enabled_at IS NOT NULL;

-- One charge of a saved card. What no code may do, the constraints refuse: two at a time, two within
-- a minute, more in a month than its owner allows.
CREATE TABLE top_up (
    account_id           uuid        NOT NULL,
    id                   uuid        NOT NULL,
    stripe_key           uuid        NOT NULL, -- Stripe's idempotency key
    minute               bigint      NOT NULL, -- in which it began, since 1970
    created_at           timestamptz NOT NULL,
    asked_at             timestamptz,          -- when Stripe was first asked under that key
    next_try_at          timestamptz,          -- NULL: it has ended
    amount_micros        bigint      NOT NULL,
    month_micros         bigint      NOT NULL, -- of its month, with this one
    monthly_limit_micros bigint      NOT NULL, -- that held when it began
    month                date        NOT NULL, -- its first day, UTC
    try_count            integer     NOT NULL DEFAULT 0,
    state                text        NOT NULL DEFAULT 'pending',
    payment_method       text        NOT NULL DEFAULT '', -- empty until a card is chosen, then the same
    payment_intent       text        NOT NULL DEFAULT '', -- empty until Stripe tells
    failure_code         text        NOT NULL DEFAULT '',
    CONSTRAINT top_up_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT top_up_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE,
    CONSTRAINT top_up_once_a_minute UNIQUE (account_id, minute),
    CONSTRAINT top_up_amount_positive CHECK (amount_micros > 0 AND amount_micros % 10000 = 0),
    CONSTRAINT top_up_within_month CHECK (
        month_micros >= amount_micros AND month_micros <= monthly_limit_micros
    ),
    CONSTRAINT top_up_state_known CHECK (state IN (
        'pending',   -- its fate is not known, or its credits are not booked -> credited | failed
        'credited',  -- paid, and the credits are on the balance
        'failed'     -- not paid
    )),
    CONSTRAINT top_up_tried_while_pending CHECK ((state = 'pending') = (next_try_at IS NOT NULL)),
    CONSTRAINT top_up_failed_says_why CHECK ((state = 'failed') = (failure_code <> ''))
);

CREATE UNIQUE INDEX top_up_one_at_a_time ON top_up (account_id) WHERE state = 'pending';
CREATE INDEX top_up_due ON top_up (next_try_at) WHERE state = 'pending';
CREATE INDEX top_up_of_month ON top_up (account_id, month);

-- ---- promotional codes

CREATE TABLE promo_code (
    id               uuid        NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at       timestamptz,
    disabled_at      timestamptz,
    credited_micros  bigint      NOT NULL,
    redemption_limit integer     NOT NULL, -- 0: any number
    redemption_count integer     NOT NULL DEFAULT 0,
    code_hmac        bytea       NOT NULL, -- HMAC of the code: the code itself stands nowhere
    display_name     bytea       NOT NULL, -- sealed; typed by the operator
    CONSTRAINT promo_code_pkey PRIMARY KEY (id),
    CONSTRAINT promo_code_once UNIQUE (code_hmac),
    CONSTRAINT promo_code_is_sha256 CHECK (octet_length(code_hmac) = 32),
    CONSTRAINT promo_code_gives_something CHECK (credited_micros > 0),
    CONSTRAINT promo_code_within_limit CHECK (
        redemption_limit >= 0 AND redemption_count >= 0
        AND (redemption_limit = 0 OR redemption_count <= redemption_limit)
    )
) WITH (fillfactor = 70);

CREATE TABLE promo_redemption (
    account_id  uuid        NOT NULL,
    promo_id    uuid        NOT NULL,
    transfer_id uuid        NOT NULL, -- the credits, in the ledger
    redeemed_at timestamptz NOT NULL,
    CONSTRAINT promo_redemption_once PRIMARY KEY (account_id, promo_id)
);

-- How often an account tried codes of late: who guesses is stopped.
CREATE TABLE promo_tries (
    account_id uuid        NOT NULL,
    since      timestamptz NOT NULL,
    count      integer     NOT NULL,
    CONSTRAINT promo_tries_pkey PRIMARY KEY (account_id),
    CONSTRAINT promo_tries_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE
);
