"""The SQL of the records' part in a commit: whole columns in, one statement per kind of write.

Parameters are cast where they first stand: the cast tells how the value is encoded.
"""

# ruff: noqa: S608 (only constants of this file are put together)

_NAMED = """
  FROM unnest($1::uuid[], $2::uuid[]) AS x (account_id, id)
  JOIN generation g ON g.account_id = x.account_id AND g.id = x.id
 WHERE g.id BETWEEN $3::uuid AND $4::uuid
"""

READ_KEYS = """
SELECT 'key', i.account_id, i.key_hmac, i.request_hmac, i.generation_id, i.expires_at
  FROM unnest($1::uuid[], $2::bytea[]) AS x (account_id, key_hmac)
  JOIN idempotency i ON i.account_id = x.account_id AND i.key_hmac = x.key_hmac
"""
# Who has neither an endpoint nor a callback is told nothing. (As a UNION, for two EXISTS may be
# planned as one look at all endpoints there are, which is cheap only while they are few.)
LOCK_GENERATIONS = f"""
SELECT 'generation', g.account_id, g.id, g.state, g.owner_epoch, g.hidden_at IS NOT NULL,
       EXISTS (SELECT FROM webhook_endpoint w WHERE w.account_id = g.account_id AND NOT w.disabled
               UNION ALL
               SELECT FROM webhook_callback c
                WHERE c.account_id = g.account_id AND c.generation_id = g.id) {_NAMED}
 ORDER BY g.account_id, g.id
   FOR NO KEY UPDATE OF g
"""
READ_ATTEMPTS = """
SELECT 'attempt', a.generation_id, a.number, a.mark
  FROM unnest($1::uuid[], $2::uuid[]) AS x (account_id, id)
  JOIN attempt a ON a.account_id = x.account_id AND a.generation_id = x.id
 WHERE a.generation_id BETWEEN $3::uuid AND $4::uuid
"""
# The oldest first: ids rise with time.
LOCK_ORPHANS = """
SELECT 'orphan', g.account_id, g.key_id, g.fingerprint, g.id
  FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS x (account_id, key_id, fingerprint)
  JOIN generation g ON g.account_id = x.account_id AND g.key_id = x.key_id
   AND g.fingerprint = x.fingerprint
 WHERE g.orphaned_at IS NOT NULL AND g.claimed_at IS NULL AND g.hidden_at IS NULL
   AND g.state <> 'failed' AND g.id >= $4::uuid
 ORDER BY g.account_id, g.id
   FOR NO KEY UPDATE OF g
"""

FORGET_KEYS = """
DELETE FROM idempotency i
 USING unnest($1::uuid[], $2::bytea[]) AS x (account_id, key_hmac)
 WHERE i.account_id = x.account_id AND i.key_hmac = x.key_hmac
   AND i.expires_at <= clock_timestamp()
"""
INSERT_CALLBACKS = """
INSERT INTO webhook_callback (account_id, generation_id, target, url)
SELECT x.* FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[]) AS x
"""
INSERT_KEYS = """
INSERT INTO idempotency (account_id, key_hmac, generation_id, request_hmac, expires_at)
SELECT x.*
  FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::bytea[], $5::timestamptz[]) AS x
"""
INSERT_GENERATIONS = """
INSERT INTO generation (account_id, id, key_id, hold_id, owner_epoch, quoted_micros, deadline_at,
                        requested_count, sandbox, fingerprint, kind, model, catalogue_version,
                        endpoint, request_id, duration_ms, quote_id, price_lines, created_at)
SELECT x.*, $19::timestamptz
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[],
              $7::timestamptz[], $8::integer[], $9::boolean[], $10::bytea[], $11::text[],
              $12::text[], $13::text[], $14::text[], $15::text[], $16::integer[],
              $17::uuid[], $18::text[]) AS x
"""
# A new attempt has not got far: these columns say it all.
_NEW_ATTEMPT = """account_id, generation_id, number, mark, channel, state, started_ms,
                          shard, is_hedge, standing, candidates, credential"""
INSERT_ATTEMPTS = f"""
INSERT INTO attempt ({_NEW_ATTEMPT})
SELECT x.*
  FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::text[], $6::text[],
              $7::integer[], $8::integer[], $9::boolean[], $10::text[], $11::integer[],
              $12::text[]) AS x
"""
UPSERT_ATTEMPTS = f"""
INSERT INTO attempt AS a ({_NEW_ATTEMPT},
                          http_status, acknowledged_ms, first_byte_ms, ended_ms, fault, phase,
                          upstream_job_id)
SELECT x.*
  FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::text[], $6::text[],
              $7::integer[], $8::integer[], $9::boolean[], $10::text[], $11::integer[],
              $12::text[], $13::integer[], $14::integer[], $15::integer[], $16::integer[],
              $17::text[], $18::text[], $19::text[]) AS x
    ON CONFLICT (account_id, generation_id, number) DO UPDATE
   SET state = EXCLUDED.state, started_ms = EXCLUDED.started_ms,
       http_status = EXCLUDED.http_status, acknowledged_ms = EXCLUDED.acknowledged_ms,
       first_byte_ms = EXCLUDED.first_byte_ms, ended_ms = EXCLUDED.ended_ms,
       fault = EXCLUDED.fault, phase = EXCLUDED.phase,
       upstream_job_id = coalesce(EXCLUDED.upstream_job_id, a.upstream_job_id),
       shard = EXCLUDED.shard, is_hedge = EXCLUDED.is_hedge,
       standing = EXCLUDED.standing, candidates = EXCLUDED.candidates,
       credential = EXCLUDED.credential
"""
# The first attempt was written with the hold; all others may or may not be there.
UPDATE_FIRST_ATTEMPTS = """
UPDATE attempt a
   SET state = x.state, started_ms = x.started_ms, http_status = x.http_status,
       acknowledged_ms = x.acknowledged_ms, first_byte_ms = x.first_byte_ms,
       ended_ms = x.ended_ms, fault = x.fault, phase = x.phase,
       upstream_job_id = coalesce(x.upstream_job_id, a.upstream_job_id),
       shard = x.shard, is_hedge = x.is_hedge, standing = x.standing, candidates = x.candidates,
       credential = x.credential
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::integer[], $6::boolean[],
              $7::text[], $8::integer[], $9::text[], $10::integer[], $11::integer[],
              $12::integer[], $13::integer[], $14::text[], $15::text[], $16::text[])
       AS x (account_id, id, state, started_ms, shard, is_hedge, standing, candidates, credential,
             http_status, acknowledged_ms, first_byte_ms, ended_ms, fault, phase, upstream_job_id)
 WHERE a.account_id = x.account_id AND a.generation_id = x.id AND a.number = 1
   AND a.generation_id BETWEEN $17::uuid AND $18::uuid
"""
# The end and its usage row in one: most columns are the same.
FINISH_GENERATIONS = """
WITH ended AS (
    UPDATE generation g
       SET charged_micros = x.charged_micros, delivered_count = x.delivered_count,
           attempt_count = greatest(g.attempt_count, x.attempt_count), state = x.state,
           channel = x.channel, size = x.size, quality = x.quality, background = x.background,
           output_format = x.output_format, reason = x.reason, metadata = x.metadata::jsonb,
           duration_ms = coalesce(x.duration_ms, g.duration_ms), fate_unknown_since = NULL,
           finished_at = $21::timestamptz
      FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[], $5::integer[], $6::text[],
                  $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
                  $13::text[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[],
                  $18::integer[])
           AS x (account_id, id, charged_micros, delivered_count, attempt_count, state, channel,
                 size, quality, background, output_format, reason, metadata, input_text_tokens,
                 input_image_tokens, output_tokens, output_image_tokens, duration_ms)
     WHERE g.account_id = x.account_id AND g.id = x.id
       AND g.id BETWEEN $19::uuid AND $20::uuid
    RETURNING g.account_id, g.id, g.key_id, x.charged_micros, g.finished_at, x.input_text_tokens,
              x.input_image_tokens, x.output_tokens, x.output_image_tokens, x.delivered_count,
              g.model, g.channel
)
INSERT INTO usage_event (account_id, generation_id, key_id, charged_micros, created_at,
                         input_text_tokens, input_image_tokens, output_tokens,
                         output_image_tokens, delivered_count, model, channel)
SELECT * FROM ended WHERE charged_micros > 0 OR output_tokens IS NOT NULL
"""
# What an operator took down while it was made is deleted from the start.
INSERT_ASSETS = """
INSERT INTO asset (account_id, generation_id, output_index, size_bytes, width, height, sha256,
                   media_type, link, expires_at, deleted_at, created_at)
SELECT x.account_id, x.generation_id, x.output_index, x.size_bytes, x.width, x.height, x.sha256,
       x.media_type, x.link, x.expires_at, coalesce(x.deleted_at, t.created_at), $12::timestamptz
  FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::bigint[], $5::integer[], $6::integer[],
              $7::bytea[], $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[])
       AS x (account_id, generation_id, output_index, size_bytes, width, height, sha256,
             media_type, link, expires_at, deleted_at)
  LEFT JOIN taken_down t ON t.account_id = x.account_id AND t.generation_id = x.generation_id
   AND t.output_index = x.output_index
"""
# To every endpoint that wants to hear of it, and to the generation's own callback.
INSERT_MESSAGES = """
WITH ended AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[])
               AS x (account_id, generation_id, event_type)
)
INSERT INTO webhook_delivery (account_id, id, target, endpoint_id, generation_id, event_type,
                              created_at, round_at, next_try_at)
SELECT e.account_id, uuid_at($4::timestamptz), w.id, w.id, e.generation_id, e.event_type, $4, $4, $4
  FROM ended e
  JOIN webhook_endpoint w ON w.account_id = e.account_id AND NOT w.disabled
   AND (w.event_types = '{}' OR e.event_type = ANY (w.event_types))
UNION ALL
SELECT e.account_id, uuid_at($4), c.target, NULL, e.generation_id, e.event_type, $4, $4, $4
  FROM ended e
  JOIN webhook_callback c ON c.account_id = e.account_id AND c.generation_id = e.generation_id
"""
_BY_NAME = """
  FROM unnest($1::uuid[], $2::uuid[]) AS x (account_id, id)
 WHERE g.account_id = x.account_id AND g.id = x.id AND g.id BETWEEN $3::uuid AND $4::uuid
"""
# Again, when the answer to who claimed it was lost too: then the next retry may claim it.
MARK_ORPHANS = f"""
UPDATE generation g SET orphaned_at = $5::timestamptz, claimed_at = NULL {_BY_NAME}
"""
MARK_CANCELS = f"""
UPDATE generation g SET cancel_requested_at = coalesce(g.cancel_requested_at, $5::timestamptz)
{_BY_NAME}
"""
MARK_HIDDEN = (
    f"UPDATE generation g SET hidden_at = coalesce(g.hidden_at, $5::timestamptz) {_BY_NAME}"
)
MARK_CLAIMED = f"UPDATE generation g SET claimed_at = $5::timestamptz {_BY_NAME}"
RUN_GENERATIONS = f"UPDATE generation g SET state = 'running' {_BY_NAME} AND g.state = 'accepted'"
DELETE_ASSETS = """
UPDATE asset a SET deleted_at = coalesce(a.deleted_at, $5::timestamptz)
  FROM unnest($1::uuid[], $2::uuid[]) AS x (account_id, id)
 WHERE a.account_id = x.account_id AND a.generation_id = x.id
   AND a.generation_id BETWEEN $3::uuid AND $4::uuid
"""
# Of what was deleted nobody is told any more, and where it was to be told is forgotten.
STOP_MESSAGES = """
UPDATE webhook_delivery d SET state = 'failed', next_try_at = NULL, queued_at = NULL
  FROM unnest($1::uuid[], $2::uuid[]) AS x (account_id, id)
 WHERE d.account_id = x.account_id AND d.generation_id = x.id AND d.state = 'pending'
"""
DELETE_CALLBACKS = """
DELETE FROM webhook_callback c
 USING unnest($1::uuid[], $2::uuid[]) AS x (account_id, id)
 WHERE c.account_id = x.account_id AND c.generation_id = x.id
"""
ADOPT_GENERATIONS = """
UPDATE generation g SET owner_epoch = x.owner_epoch
  FROM unnest($1::uuid[], $2::uuid[], $5::bigint[]) AS x (account_id, id, owner_epoch)
 WHERE g.account_id = x.account_id AND g.id = x.id AND g.id BETWEEN $3::uuid AND $4::uuid
"""
NOTE_JOBS = """
UPDATE attempt a SET state = 'submitted', upstream_job_id = x.upstream_job_id
  FROM unnest($1::uuid[], $2::uuid[], $5::integer[], $6::text[])
       AS x (account_id, id, number, upstream_job_id)
 WHERE a.account_id = x.account_id AND a.generation_id = x.id AND a.number = x.number
   AND a.generation_id BETWEEN $3::uuid AND $4::uuid
"""
NOTE_FATES = """
UPDATE generation g
   SET state = 'running', -- something may run upstream
       fate_unknown_since =
       CASE WHEN x.is_unknown THEN coalesce(g.fate_unknown_since, $6::timestamptz) END
  FROM unnest($1::uuid[], $2::uuid[], $5::boolean[]) AS x (account_id, id, is_unknown)
 WHERE g.account_id = x.account_id AND g.id = x.id AND g.id BETWEEN $3::uuid AND $4::uuid
"""
