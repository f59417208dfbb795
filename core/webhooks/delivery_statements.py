"""The SQL of messages."""

# ruff: noqa: S608 (only constants are put together)

from core.webhooks.fairness import PER_TARGET

_DELIVERY_COLUMNS = """
id, endpoint_id, generation_id, event_type, state, try_count, http_status, fault, created_at,
last_try_at, next_try_at
"""
DELIVERIES = f"""
SELECT {_DELIVERY_COLUMNS} FROM webhook_delivery
 WHERE account_id = %(account)s AND (%(after)s::uuid IS NULL OR id < %(after)s::uuid)
   AND (%(endpoint)s::uuid IS NULL OR endpoint_id = %(endpoint)s::uuid)
   AND (%(generation)s::uuid IS NULL OR generation_id = %(generation)s::uuid)
   AND (%(states)s::text[] = '{{}}' OR state = ANY (%(states)s::text[]))
 ORDER BY id DESC LIMIT %(limit)s
"""
DELIVERY = f"""
SELECT {_DELIVERY_COLUMNS} FROM webhook_delivery WHERE account_id = %(account)s AND id = %(id)s
"""
# One whose receiver or whose generation is gone cannot be sent again.
AGAIN = f"""
UPDATE webhook_delivery d
   SET state = 'pending', next_try_at = clock_timestamp(), round_at = clock_timestamp(),
       round_tries = 0
 WHERE d.account_id = %(account)s AND d.id = %(id)s
   AND CASE WHEN d.endpoint_id IS NULL
            THEN EXISTS (SELECT FROM webhook_callback c WHERE c.account_id = d.account_id
                            AND c.generation_id = d.generation_id)
            ELSE EXISTS (SELECT FROM webhook_endpoint w WHERE w.account_id = d.account_id
                            AND w.id = d.endpoint_id) END
   AND (d.generation_id IS NULL
        OR EXISTS (SELECT FROM generation g WHERE g.account_id = d.account_id
                      AND g.id = d.generation_id AND g.hidden_at IS NULL))
   AND (d.notice_id IS NULL
        OR EXISTS (SELECT FROM notice n WHERE n.account_id = d.account_id AND n.id = d.notice_id))
RETURNING {_DELIVERY_COLUMNS}
"""
INSERT_TEST = f"""
INSERT INTO webhook_delivery (account_id, id, target, endpoint_id, event_type, created_at,
                              round_at, next_try_at, queued_at)
SELECT account_id, %(id)s, id, id, 'test', clock_timestamp(), clock_timestamp(),
       clock_timestamp(), clock_timestamp()
  FROM webhook_endpoint WHERE account_id = %(account)s AND id = %(endpoint)s
RETURNING {_DELIVERY_COLUMNS}
"""

# To every endpoint that asked for its kind; kinds of notices are event types with a _ for the dot.
ANNOUNCE = """
WITH told AS (
    UPDATE notice n SET announced_at = clock_timestamp()
      FROM (SELECT account_id, id FROM notice WHERE announced_at IS NULL
             ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED) AS x
     WHERE n.account_id = x.account_id AND n.id = x.id
    RETURNING n.account_id, n.id, n.created_at, replace(n.kind, '_', '.') AS event_type
)
INSERT INTO webhook_delivery (account_id, id, target, endpoint_id, notice_id, event_type,
                              created_at, round_at, next_try_at)
SELECT t.account_id, uuid_at(now()), w.id, w.id, t.id, t.event_type, t.created_at, now(), now()
  FROM told t
  JOIN webhook_endpoint w ON w.account_id = t.account_id AND NOT w.disabled
   AND t.event_type = ANY (w.event_types)
"""

# The first few due ones of each receiver: one probe of the index for each receiver, however
# many messages wait behind them.
DUE = f"""
WITH RECURSIVE receiver (target) AS (
    (SELECT target FROM webhook_delivery
      WHERE state = 'pending' AND queued_at IS NULL ORDER BY target LIMIT 1)
    UNION ALL
    SELECT (SELECT d.target FROM webhook_delivery d
             WHERE d.state = 'pending' AND d.queued_at IS NULL AND d.target > r.target
             ORDER BY d.target LIMIT 1)
      FROM receiver r WHERE r.target IS NOT NULL
)
SELECT d.account_id, d.id, r.target, d.is_retry
  FROM receiver r
 CROSS JOIN LATERAL (
       SELECT account_id, id, round_tries > 0 AS is_retry, next_try_at FROM webhook_delivery
        WHERE target = r.target AND state = 'pending' AND queued_at IS NULL
          AND next_try_at <= now()
        ORDER BY next_try_at LIMIT {PER_TARGET}) d
 WHERE r.target IS NOT NULL
 ORDER BY d.next_try_at
"""
UNDER_WAY = """
SELECT account_id, target, count(*) FROM webhook_delivery
 WHERE queued_at IS NOT NULL GROUP BY account_id, target
"""
QUEUE = """
UPDATE webhook_delivery d SET queued_at = clock_timestamp()
  FROM unnest(%s::uuid[], %s::uuid[]) AS x (account_id, id)
 WHERE d.account_id = x.account_id AND d.id = x.id
"""
# No try takes so long: the worker's job is lost.
REQUEUE = """
UPDATE webhook_delivery SET queued_at = NULL WHERE queued_at < now() - interval '10 minutes'
"""
LOAD = """
SELECT d.account_id, d.id, d.endpoint_id, d.generation_id, d.notice_id, d.event_type, d.created_at,
       d.round_at, d.round_tries, clock_timestamp() AS now, w.failing_since, n.facts,
       coalesce(w.disabled AND d.event_type <> 'test', false) AS disabled,
       coalesce(w.url, c.url) AS url, coalesce(w.secret, s.secret) AS secret,
       CASE WHEN w.old_secret_expires_at > clock_timestamp() THEN w.old_secret
            WHEN s.old_secret_expires_at > clock_timestamp() THEN s.old_secret END AS old_secret
  FROM webhook_delivery d
  LEFT JOIN webhook_endpoint w ON w.account_id = d.account_id AND w.id = d.endpoint_id
  LEFT JOIN webhook_callback c ON c.account_id = d.account_id
   AND c.generation_id = d.generation_id AND d.endpoint_id IS NULL
  LEFT JOIN webhook_callback_secret s ON s.account_id = d.account_id AND d.endpoint_id IS NULL
  LEFT JOIN notice n ON n.account_id = d.account_id AND n.id = d.notice_id
 WHERE d.account_id = %(account)s AND d.id = %(id)s
   AND d.state = 'pending' AND d.queued_at IS NOT NULL
"""
RECORD = """
UPDATE webhook_delivery
   SET state = %(state)s, try_count = try_count + %(tries)s,
       round_tries = round_tries + %(tries)s, http_status = %(status)s, fault = %(fault)s,
       last_try_at = CASE WHEN %(tries)s > 0 THEN %(now)s ELSE last_try_at END,
       next_try_at = clock_timestamp() + make_interval(secs => %(next_in)s), queued_at = NULL
 WHERE account_id = %(account)s AND id = %(id)s AND state = 'pending'
"""
DROP = """
UPDATE webhook_delivery SET state = 'failed', next_try_at = NULL, queued_at = NULL
 WHERE account_id = %(account)s AND id = %(id)s AND state = 'pending'
"""
# Most successes of a busy endpoint change nothing.
PRAISE = """
UPDATE webhook_endpoint SET last_success_at = %(now)s, failing_since = NULL
 WHERE account_id = %(account)s AND id = %(endpoint)s
   AND (failing_since IS NOT NULL OR last_success_at IS NULL
        OR last_success_at < %(now)s - interval '1 second')
"""
BLAME = """
UPDATE webhook_endpoint
   SET failing_since = coalesce(failing_since, %(now)s), disabled = disabled OR %(disable)s,
       version = version + CASE WHEN %(disable)s AND NOT disabled THEN 1 ELSE 0 END
 WHERE account_id = %(account)s AND id = %(endpoint)s
"""
