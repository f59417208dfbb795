-- The same laws, told so that they cost less: PostgreSQL reads the text of a table's every CHECK and
-- of every generated column anew for each statement that writes, but a domain's once in a session.

-- ---- which books a transfer moves: looked up where it is asked, no longer stored in every row

DROP VIEW ledger_discrepancy;
DROP VIEW ledger_entry;
DROP VIEW payment_discrepancy;

CREATE DOMAIN transfer_kind AS text CONSTRAINT transfer_kind_known CHECK (VALUE IN (
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

ALTER TABLE transfer
    DROP COLUMN debit,
    DROP COLUMN credit,
    DROP CONSTRAINT transfer_kind_known,
    ALTER COLUMN kind TYPE transfer_kind;

-- The two entries of a transfer: from one book to the other, so they add up to zero in every row.
CREATE VIEW transfer_books (kind, debit, credit) AS VALUES
    ('hold', 'customer', 'revenue'),
    ('settle', 'customer', 'revenue'),
    ('void', 'revenue', 'customer'),
    ('grant', 'promotional', 'customer'),
    ('promotion', 'promotional', 'customer'),
    ('payment', 'cash', 'customer'),
    ('refund', 'customer', 'refunds'),
    ('debt', 'debt', 'refunds'),
    ('repayment', 'customer', 'debt'),
    ('reinstatement', 'refunds', 'customer'),
    ('overrun', 'risk', 'revenue'),
    ('risk_loss', 'risk', 'cash'),
    ('hedge_loss', 'hedge_loss', 'cash');

-- Both entries of every transfer that moved something, signed: a credit is positive.
CREATE VIEW ledger_entry AS
SELECT account_id, id AS transfer_id, kind, debit AS book, -amount_micros AS amount_micros, created_at
  FROM transfer JOIN transfer_books USING (kind) WHERE kind NOT IN ('hold', 'void')
UNION ALL
SELECT account_id, id, kind, credit, amount_micros, created_at
  FROM transfer JOIN transfer_books USING (kind) WHERE kind NOT IN ('hold', 'void');

-- As before. Empty when the books are right. `what` says which law is broken, `off_by` by how much.
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

-- As before. Empty when payments and ledger agree. `what` says which law is broken, `off_by` by how much. What
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

-- ---- how far generations and their attempts are

CREATE DOMAIN generation_state AS text CONSTRAINT generation_state_known CHECK (VALUE IN (
    'accepted',  -- held and recorded             -> running | succeeded | failed | cancelled
    'running',   -- a job of it is known upstream -> succeeded | failed | cancelled
    'succeeded', -- delivered and charged
    'failed',    -- given back
    'cancelled'  -- given back, at the caller's wish
));
ALTER TABLE generation
    DROP CONSTRAINT generation_state_known,
    ALTER COLUMN state TYPE generation_state;

CREATE DOMAIN attempt_state AS text CONSTRAINT attempt_state_known CHECK (VALUE IN (
    'submitting', -- recorded; bytes may be leaving -> submitted | done | failed | lost
    'submitted',  -- the provider's job id is known -> done | failed | lost
    'done',       -- gave the outputs
    'failed',     -- ended without
    'lost'        -- sent, outcome unknown
));
ALTER TABLE attempt
    DROP CONSTRAINT attempt_state_known,
    ALTER COLUMN state TYPE attempt_state;

-- ---- balances

ALTER TABLE balance
    DROP CONSTRAINT balance_never_overdrawn,
    ADD CONSTRAINT balance_never_overdrawn CHECK (pending <= posted),
    DROP CONSTRAINT balance_debt_is_paid_first,
    -- Whatever becomes available pays the debt in the same commit.
    ADD CONSTRAINT balance_debt_is_paid_first CHECK (debt = 0 OR pending = posted);
