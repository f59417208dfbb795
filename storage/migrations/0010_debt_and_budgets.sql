-- Debt after clawbacks, budgets that holds count against, and which models a key may use.

-- ---- debt

-- What a clawback could not take: the account owes it, and spends nothing until it is paid.
ALTER TABLE balance
    ADD COLUMN debt bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT balance_debt_not_negative CHECK (debt >= 0),
    -- Whatever becomes available pays the debt in the same commit.
    ADD CONSTRAINT balance_debt_is_paid_first CHECK (debt = 0 OR posted - pending = 0);

-- PostgreSQL 15 and 16 cannot change the expression of a generated column, so both are made anew,
-- and with them the views that read them.
DROP VIEW ledger_discrepancy;
DROP VIEW ledger_entry;
ALTER TABLE transfer
    DROP COLUMN debit,
    DROP COLUMN credit,
    DROP CONSTRAINT transfer_kind_known;
ALTER TABLE transfer
    ADD COLUMN debit text NOT NULL GENERATED ALWAYS AS (CASE kind
        WHEN 'hold' THEN 'customer'
        WHEN 'settle' THEN 'customer'
        WHEN 'void' THEN 'revenue'
        WHEN 'grant' THEN 'promotional'
        WHEN 'promotion' THEN 'promotional'
        WHEN 'payment' THEN 'cash'
        WHEN 'refund' THEN 'customer'
        WHEN 'debt' THEN 'debt'
        WHEN 'repayment' THEN 'customer'
        WHEN 'reinstatement' THEN 'refunds'
        WHEN 'overrun' THEN 'risk'
        WHEN 'risk_loss' THEN 'risk'
        WHEN 'hedge_loss' THEN 'hedge_loss' END) STORED,
    ADD COLUMN credit text NOT NULL GENERATED ALWAYS AS (CASE kind
        WHEN 'hold' THEN 'revenue'
        WHEN 'settle' THEN 'revenue'
        WHEN 'void' THEN 'customer'
        WHEN 'grant' THEN 'customer'
        WHEN 'promotion' THEN 'customer'
        WHEN 'payment' THEN 'customer'
        WHEN 'refund' THEN 'refunds'
        WHEN 'debt' THEN 'refunds'
        WHEN 'repayment' THEN 'debt'
        WHEN 'reinstatement' THEN 'customer'
        WHEN 'overrun' THEN 'revenue'
        WHEN 'risk_loss' THEN 'cash'
        WHEN 'hedge_loss' THEN 'cash' END) STORED,
    ADD CONSTRAINT transfer_kind_known CHECK (kind IN (
        'hold',          -- reserves; moves nothing yet -> settle | void
        'settle',        -- charges a hold, wholly or in part
        'void',          -- gives a hold back
        'grant',         -- credits that the operator gives
        'promotion',     -- credits of a promotional code
        'payment',       -- money received
        'refund',        -- credits taken back with money that was sent or disputed back
        'debt',          -- what such a clawback could not take: the account owes it
        'repayment',     -- what became available pays a debt
        'reinstatement', -- a refund failed or a dispute was won: the credits return
        'overrun',       -- what exceeded a hold: ours to bear
        'risk_loss',     -- an upstream's bill that nobody is charged for
        'hedge_loss'     -- the bill of the loser of a hedge
    ));

-- ---- budgets

CREATE TABLE budget (
    account_id     uuid        NOT NULL,
    budget_id      uuid        NOT NULL,
    key_id         uuid,                 -- whose spending counts; NULL: the whole account's
    period         text        NOT NULL,
    limit_micros   bigint      NOT NULL, -- of what is spent and held within the period
    alert_percents integer[]   NOT NULL DEFAULT '{}',
    spent_micros   bigint      NOT NULL DEFAULT 0,
    held_micros    bigint      NOT NULL DEFAULT 0,
    -- The period that these sums belong to; an older one than the current means 0 and 0.
    period_start   timestamptz NOT NULL DEFAULT 'epoch',
    created_at     timestamptz NOT NULL DEFAULT now(),
    version        integer     NOT NULL DEFAULT 1, -- of the settings, not of the sums
    CONSTRAINT budget_pkey PRIMARY KEY (account_id, budget_id),
    CONSTRAINT budget_account FOREIGN KEY (account_id) REFERENCES account,
    CONSTRAINT budget_key FOREIGN KEY (account_id, key_id) REFERENCES api_key,
    CONSTRAINT budget_period_known CHECK (period IN ('day', 'month', 'total')),
    CONSTRAINT budget_period_begins CHECK (period_start AT TIME ZONE 'UTC' = CASE period
        WHEN 'day' THEN date_trunc('day', period_start AT TIME ZONE 'UTC')
        WHEN 'month' THEN date_trunc('month', period_start AT TIME ZONE 'UTC')
        ELSE timestamp 'epoch' END),
    CONSTRAINT budget_limit_not_negative CHECK (limit_micros >= 0),
    CONSTRAINT budget_sums_not_negative CHECK (spent_micros >= 0 AND held_micros >= 0),
    CONSTRAINT budget_alerts_sane CHECK (
        cardinality(alert_percents) <= 10
        AND array_position(alert_percents, NULL) IS NULL
        AND 1 <= ALL (alert_percents) AND 100 >= ALL (alert_percents)
    )
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- A limit may be lowered below what is spent; then no more is taken, but what was taken stands.
CREATE FUNCTION refuse_overspending() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'budget exceeded' USING ERRCODE = 'check_violation',
        CONSTRAINT = 'budget_never_exceeded';
END $$;

CREATE TRIGGER budget_is_never_exceeded BEFORE UPDATE ON budget
    FOR EACH ROW WHEN (
        NEW.spent_micros + NEW.held_micros > NEW.limit_micros
        AND (NEW.spent_micros + NEW.held_micros > OLD.spent_micros + OLD.held_micros
             OR NEW.period_start <> OLD.period_start)
    ) EXECUTE FUNCTION refuse_overspending();

-- Which unresolved hold counts against which budget, and in which of its periods. The row goes when
-- the hold is resolved.
CREATE TABLE budget_hold (
    account_id   uuid        NOT NULL,
    budget_id    uuid        NOT NULL,
    hold_id      uuid        NOT NULL,
    period_start timestamptz NOT NULL,
    CONSTRAINT budget_hold_pkey PRIMARY KEY (account_id, budget_id, hold_id),
    CONSTRAINT budget_hold_budget FOREIGN KEY (account_id, budget_id) REFERENCES budget
        ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- ---- the views, with debt and budgets

-- Both entries of every transfer that moved something, signed: a credit is positive.
CREATE VIEW ledger_entry AS
SELECT account_id, id AS transfer_id, kind, debit AS book, -amount_micros AS amount_micros, created_at
  FROM transfer WHERE kind NOT IN ('hold', 'void')
UNION ALL
SELECT account_id, id, kind, credit, amount_micros, created_at
  FROM transfer WHERE kind NOT IN ('hold', 'void');

-- Empty when the books are right. `what` says which law is broken, `off_by` by how much.
CREATE VIEW ledger_discrepancy AS
WITH moved AS (
    SELECT account_id, sum(amount_micros) AS posted FROM ledger_entry WHERE book = 'customer' GROUP BY 1
), reserved AS (
    SELECT account_id, sum(CASE kind WHEN 'hold' THEN amount_micros ELSE -releases_micros END) AS pending
      FROM transfer WHERE kind IN ('hold', 'settle', 'void') GROUP BY 1
), owed AS (
    SELECT account_id, -sum(amount_micros) AS debt FROM ledger_entry WHERE book = 'debt' GROUP BY 1
), whole AS (
    SELECT (SELECT coalesce(sum(posted), 0) FROM balance)
         + (SELECT coalesce(sum(amount_micros), 0) FROM ledger_entry WHERE book <> 'customer') AS total
), counted AS (
    SELECT b.account_id, b.budget_id, b.held_micros, coalesce(sum(t.amount_micros), 0) AS held
      FROM budget b
      LEFT JOIN budget_hold h USING (account_id, budget_id, period_start)
      LEFT JOIN transfer t ON t.account_id = h.account_id AND t.id = h.hold_id AND t.kind = 'hold'
     GROUP BY 1, 2, 3
)
SELECT account_id, 'posted' AS what, coalesce(b.posted, 0) - coalesce(m.posted, 0) AS off_by
  FROM balance b FULL JOIN moved m USING (account_id)
 WHERE coalesce(b.posted, 0) <> coalesce(m.posted, 0)
UNION ALL
SELECT account_id, 'pending', coalesce(b.pending, 0) - coalesce(r.pending, 0)
  FROM balance b FULL JOIN reserved r USING (account_id)
 WHERE coalesce(b.pending, 0) <> coalesce(r.pending, 0)
UNION ALL
SELECT account_id, 'debt', coalesce(b.debt, 0) - coalesce(o.debt, 0)
  FROM balance b FULL JOIN owed o USING (account_id)
 WHERE coalesce(b.debt, 0) <> coalesce(o.debt, 0)
UNION ALL
SELECT NULL, 'sum of all entries', total FROM whole WHERE total <> 0
UNION ALL
SELECT account_id, 'held of budget', held_micros - held FROM counted WHERE held_micros <> held
UNION ALL
SELECT h.account_id, 'budget counts a resolved hold', t.amount_micros
  FROM budget_hold h JOIN transfer t ON t.account_id = h.account_id AND t.resolves = h.hold_id;

-- ---- models that a key may use

ALTER TABLE api_key ADD COLUMN allowed_models text[] NOT NULL DEFAULT '{}'; -- empty: all of them
