"""The SQL of endpoints and of the secrets for callbacks."""

# ruff: noqa: S608 (only constants are put together)

_ENDPOINT_COLUMNS = """
id, version, url, display_name, event_types, disabled, created_at, last_success_at,
CASE WHEN old_secret_expires_at > clock_timestamp() THEN old_secret_expires_at END
    AS old_secret_expires_at
"""
ALONE = """
SELECT pg_advisory_xact_lock(hashtext('webhook endpoints'), hashtext(%(account)s::text))
"""
COUNT_ENDPOINTS = "SELECT count(*) FROM webhook_endpoint WHERE account_id = %(account)s"
INSERT_ENDPOINT = f"""
INSERT INTO webhook_endpoint (account_id, id, url, display_name, event_types, disabled, secret)
VALUES (%(account)s, %(id)s, %(url)s, %(name)s, %(event_types)s, %(disabled)s, %(secret)s)
RETURNING {_ENDPOINT_COLUMNS}
"""
ENDPOINT = f"""
SELECT {_ENDPOINT_COLUMNS} FROM webhook_endpoint WHERE account_id = %(account)s AND id = %(id)s
"""
LOCK_ENDPOINT = f"{ENDPOINT} FOR UPDATE"
ENDPOINTS = f"""
SELECT {_ENDPOINT_COLUMNS} FROM webhook_endpoint
 WHERE account_id = %(account)s AND (%(after)s::uuid IS NULL OR id < %(after)s::uuid)
 ORDER BY id DESC LIMIT %(limit)s
"""
# Whoever enables it again begins a new 72 hours.
UPDATE_ENDPOINT = f"""
UPDATE webhook_endpoint
   SET url = coalesce(%(url)s, url), display_name = coalesce(%(name)s, display_name),
       event_types = coalesce(%(event_types)s::text[], event_types),
       disabled = coalesce(%(disabled)s::boolean, disabled), version = version + 1,
       failing_since = CASE WHEN %(disabled)s::boolean IS FALSE OR %(url)s IS NOT NULL THEN NULL
                            ELSE failing_since END
 WHERE account_id = %(account)s AND id = %(id)s
RETURNING {_ENDPOINT_COLUMNS}
"""
DELETE_ENDPOINT = (
    "DELETE FROM webhook_endpoint WHERE account_id = %(account)s AND id = %(id)s RETURNING id"
)
DROP_MESSAGES = """
UPDATE webhook_delivery SET state = 'failed', next_try_at = NULL, queued_at = NULL
 WHERE account_id = %(account)s AND endpoint_id = %(id)s AND state = 'pending'
"""
ROTATE_SECRET = f"""
UPDATE webhook_endpoint
   SET old_secret = CASE WHEN %(grace)s > 0 THEN secret END,
       old_secret_expires_at =
       CASE WHEN %(grace)s > 0 THEN clock_timestamp() + make_interval(secs => %(grace)s) END,
       secret = %(secret)s, version = version + 1
 WHERE account_id = %(account)s AND id = %(id)s
RETURNING {_ENDPOINT_COLUMNS}
"""
ROTATE_CALLBACKS = """
INSERT INTO webhook_callback_secret AS s (account_id, secret) VALUES (%(account)s, %(secret)s)
    ON CONFLICT (account_id) DO UPDATE
   SET old_secret = CASE WHEN %(grace)s > 0 THEN s.secret END,
       old_secret_expires_at =
       CASE WHEN %(grace)s > 0 THEN clock_timestamp() + make_interval(secs => %(grace)s) END,
       secret = EXCLUDED.secret
RETURNING old_secret_expires_at
"""
CALLBACK_EXPIRY = """
SELECT old_secret_expires_at FROM webhook_callback_secret
 WHERE account_id = %(account)s AND old_secret_expires_at > clock_timestamp()
"""
