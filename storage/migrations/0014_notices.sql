-- Notices: what accounts are to be told of their money, once each. Whoever finds a reason writes a
-- row, in the commit that has the reason if there is one; a loop hands it to the webhooks
-- (core/webhooks/notices.py), and mail reads it too. Ids and numbers only: nothing typed by anybody.

CREATE TABLE notice (
    account_id   uuid        NOT NULL,
    id           uuid        NOT NULL,                             -- rises with time
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    announced_at timestamptz,          -- handed to the webhooks; NULL: not yet
    mailed_at    timestamptz,          -- told by mail; NULL: not yet
    expires_at   timestamptz,          -- swept afterwards; NULL: as long as what it is about
    kind         text        NOT NULL,
    subject      text        NOT NULL, -- what it is about: the same notice is given once
    facts        jsonb       NOT NULL,
    CONSTRAINT notice_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT notice_once UNIQUE (account_id, kind, subject),
    CONSTRAINT notice_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE,
    CONSTRAINT notice_facts_are_named CHECK (jsonb_typeof(facts) = 'object'),
    CONSTRAINT notice_kind_known CHECK (kind IN (
        'budget_alert',  -- a budget passed one of its alert_percents: once a budget, period, percent
        'balance_low',   -- the balance fell below the threshold of the automatic top-up
        'price_increase' -- a price of a model rises on a day to come
    ))
);

CREATE INDEX notice_to_announce ON notice (created_at) WHERE announced_at IS NULL;
CREATE INDEX notice_expired ON notice (expires_at) WHERE expires_at IS NOT NULL;

-- A message about a notice instead of a generation.
ALTER TABLE webhook_delivery ADD COLUMN notice_id uuid;

-- ---- budgets tell when they pass their percents

-- When the period of a budget began, and when the next one begins: UTC. A total has one for ever.
CREATE FUNCTION budget_period_start(period text, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE period WHEN 'total' THEN timestamptz 'epoch'
                       ELSE date_trunc(period, at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' END
$$;

CREATE FUNCTION budget_period_end(period text, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE period WHEN 'total' THEN NULL
                       ELSE (date_trunc(period, at AT TIME ZONE 'UTC')
                             + ('1 ' || period)::interval) AT TIME ZONE 'UTC' END
$$;

-- In the commit that passes a percent, by spending or by another limit: once in each period.
CREATE FUNCTION notice_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notice (account_id, id, expires_at, kind, subject, facts)
    SELECT NEW.account_id, uuid_at(clock_timestamp()),
           budget_period_end(NEW.period, NEW.period_start) + interval '30 days', 'budget_alert',
           format('%s/%s/%s', NEW.budget_id, extract(epoch FROM NEW.period_start)::bigint, percent),
           jsonb_strip_nulls(jsonb_build_object(
               'budget', 'budgets/' || replace(NEW.budget_id::text, '-', ''),
               'api_key', 'api_keys/' || (SELECT k.public_id FROM api_key k
                                           WHERE k.account_id = NEW.account_id
                                             AND k.key_id = NEW.key_id),
               'period', NEW.period,
               'percent', percent,
               'limit_micros', NEW.limit_micros,
               'spent_micros', NEW.spent_micros,
               'held_micros', NEW.held_micros))
      FROM unnest(NEW.alert_percents) AS percent
     WHERE (NEW.spent_micros + NEW.held_micros)::numeric * 100 >= NEW.limit_micros::numeric * percent
       -- What it had passed before was told in the commit that passed it.
       AND NOT ((OLD.period_start, OLD.limit_micros) = (NEW.period_start, NEW.limit_micros)
                AND percent = ANY (OLD.alert_percents)
                AND (OLD.spent_micros + OLD.held_micros)::numeric * 100
                    >= OLD.limit_micros::numeric * percent)
        ON CONFLICT ON CONSTRAINT notice_once DO NOTHING;
    RETURN NULL;
END $$;

CREATE TRIGGER budget_has_alerts AFTER UPDATE ON budget
    FOR EACH ROW WHEN (
        NEW.alert_percents <> '{}' AND NEW.spent_micros + NEW.held_micros > 0
        AND (NEW.spent_micros + NEW.held_micros > OLD.spent_micros + OLD.held_micros
             OR (NEW.period_start, NEW.limit_micros, NEW.alert_percents)
             <> (OLD.period_start, OLD.limit_micros, OLD.alert_percents))
    ) EXECUTE FUNCTION notice_budget();

-- A budget that is gone needs no memory of what it told.
CREATE FUNCTION forget_notices_of_budget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE notice SET expires_at = clock_timestamp() + interval '30 days'
     WHERE account_id = OLD.account_id AND kind = 'budget_alert' AND expires_at IS NULL
       AND subject LIKE format('%s/%%', OLD.budget_id);
    RETURN NULL;
END $$;

CREATE TRIGGER budget_is_gone AFTER DELETE ON budget
    FOR EACH ROW EXECUTE FUNCTION forget_notices_of_budget();

-- ---- balances tell when they are low

-- Accounts that are below the threshold of their automatic top-up, and were told so.
CREATE TABLE low_balance (
    account_id uuid        NOT NULL,
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT low_balance_pkey PRIMARY KEY (account_id),
    CONSTRAINT low_balance_account FOREIGN KEY (account_id) REFERENCES account ON DELETE CASCADE
);

-- ---- keys

ALTER TABLE api_key
    ADD COLUMN version integer NOT NULL DEFAULT 1, -- of the settings: the etag
    ADD CONSTRAINT api_key_scopes_known CHECK (scopes <@ ARRAY[
        'generate', 'read_generations', 'delete_generations', 'read_billing', 'manage_billing',
        'manage_api_keys', 'manage_webhooks']); -- none: an operator's key, which may do all of it

-- ---- calls that come twice

-- Calls of every service may come twice, not only those about webhooks (core/engine/repeats.py).
ALTER TABLE webhook_repeat RENAME TO call_repeat;
ALTER INDEX webhook_repeat_expired RENAME TO call_repeat_expired;
ALTER TABLE call_repeat RENAME CONSTRAINT webhook_repeat_pkey TO call_repeat_pkey;
