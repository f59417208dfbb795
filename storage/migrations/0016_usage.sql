-- What accounts read of their own history. Nothing here costs the hot path anything: a generation
-- writes holds, settles and voids only, which the index leaves out.

-- Payments, grants, clawbacks and what else is not a generation's: few among many.
CREATE INDEX transfer_beside_use ON transfer (account_id, created_at)
    WHERE kind NOT IN ('hold', 'settle', 'void');

-- The first place in an account's chain that was written at *moment* or later; the one after the
-- last if none was. Halves the chain again and again: 20 looks among a million rows.
CREATE FUNCTION ledger_sequence_at(account uuid, moment timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    low    bigint := 1;
    high   bigint;
    middle bigint;
    is_before boolean;
BEGIN
    SELECT coalesce(max(c.sequence), 0) + 1 INTO high
      FROM ledger_chain c WHERE c.account_id = account AND c.chain = 'customer';
    WHILE low < high LOOP
        middle := (low + high) / 2;
        SELECT t.created_at < moment INTO is_before
          FROM ledger_chain c JOIN transfer t ON t.account_id = c.account_id AND t.id = c.transfer_id
         WHERE c.account_id = account AND c.chain = 'customer' AND c.sequence = middle;
        IF is_before THEN
            low := middle + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;
