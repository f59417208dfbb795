"""The SQL of keys that their owners manage."""

# ruff: noqa: S608 (only constants are put together)

# `tat_us` is when the last request would have ended at the key's rate: at most a minute later.
# Both are late, one by the pace of its flush, so the later of the two is the better one.
_COLUMNS = """
SELECT k.key_id, k.public_id, k.name, k.scopes, k.requests_per_minute, k.concurrency,
       k.allowed_models, k.allowed_networks, k.sandbox, k.version, k.created_at, k.expires_at,
       k.revoked_at, m.member_id, k.user_id, k.line_id, k.replaced_by,
       CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'
            WHEN k.expires_at <= clock_timestamp() THEN 'expired' ELSE 'active' END AS state,
       greatest(s.seen_at, CASE WHEN u.tat_us > 0
            THEN least(to_timestamp(u.tat_us / 1e6), clock_timestamp()) END) AS last_use_at
  FROM api_key k
  LEFT JOIN key_use u ON u.account_id = k.account_id AND u.key_id = k.key_id
  LEFT JOIN key_seen s ON s.account_id = k.account_id AND s.key_id = k.key_id
  LEFT JOIN membership m ON m.account_id = k.account_id AND m.user_id = k.user_id
 WHERE k.account_id = %(account)s
"""
READ = f"{_COLUMNS} AND k.key_id = %(id)s"
LOCK = f"{READ} FOR NO KEY UPDATE OF k"
PAGE = f"""{_COLUMNS}
   AND (%(user)s::uuid IS NULL OR k.user_id = %(user)s::uuid)
   AND (%(after)s::uuid IS NULL OR (k.created_at, k.key_id) < (
        SELECT l.created_at, l.key_id FROM api_key l
         WHERE l.account_id = %(account)s AND l.key_id = %(after)s::uuid))
   AND (k.revoked_at IS NULL
        OR %(inactive)s AND k.revoked_at > clock_timestamp() - interval '30 days')
   AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp()
        OR %(inactive)s AND k.expires_at > clock_timestamp() - interval '30 days')
 ORDER BY k.created_at DESC, k.key_id DESC LIMIT %(limit)s
"""
NAMED = """
SELECT key_id, user_id FROM api_key
 WHERE account_id = %(account)s AND public_id = %(public_id)s
"""
# A budget holds a member if it is of a line of keys that any of theirs is in, stopped ones too.
_IS_HELD = """
       EXISTS (SELECT FROM api_key h JOIN budget b
                   ON b.account_id = h.account_id AND b.key_id = coalesce(h.line_id, h.key_id)
                WHERE h.account_id = m.account_id AND h.user_id = m.user_id) AS is_held
"""
# A key has no more than its member's role has now, if it is a member's.
KEY = f"""
SELECT k.scopes, k.allowed_models, k.allowed_networks, k.requests_per_minute, k.concurrency,
       k.expires_at, k.sandbox, k.user_id, m.role,
       EXISTS (SELECT FROM budget b
                WHERE b.account_id = k.account_id
                  AND b.key_id = coalesce(k.line_id, k.key_id)) AS has_budget,
       {_IS_HELD}
  FROM api_key k
  LEFT JOIN membership m ON m.account_id = k.account_id AND m.user_id = k.user_id
 WHERE k.account_id = %(account)s AND k.key_id = %(id)s AND k.revoked_at IS NULL
"""
# A person gives keys what the strongest of the account has, which the operator may have raised.
PERSON = f"""
SELECT m.role, greatest(max(k.requests_per_minute), %(rate)s) AS requests_per_minute,
       greatest(max(k.concurrency), %(concurrency)s) AS concurrency,
       {_IS_HELD}
  FROM membership m
  LEFT JOIN api_key k ON k.account_id = m.account_id AND k.revoked_at IS NULL
 WHERE m.account_id = %(account)s AND m.user_id = %(user)s
 GROUP BY m.account_id, m.user_id, m.role
"""
IS_PAST = "SELECT %(at)s <= clock_timestamp() AS past"
ALONE = "SELECT pg_advisory_xact_lock(hashtext('api keys'), hashtext(%(account)s::text))"
COUNT = """
SELECT count(*) AS active FROM api_key
 WHERE account_id = %(account)s AND revoked_at IS NULL
   AND (replaced_by IS NULL OR expires_at > clock_timestamp())
"""
INSERT = """
INSERT INTO api_key (account_id, key_id, public_id, secret_hmac, name, scopes, requests_per_minute,
                     concurrency, allowed_models, allowed_networks, sandbox, expires_at, user_id,
                     line_id, created_at)
VALUES (%(account)s, %(id)s, %(public_id)s, %(digest)s, %(name)s, %(scopes)s,
        %(requests_per_minute)s, %(concurrency)s, %(allowed_models)s, %(allowed_networks)s::cidr[],
        %(sandbox)s, %(expires_at)s, %(user)s, %(line)s, clock_timestamp())
"""
UPDATE = """
UPDATE api_key
   SET name = coalesce(%(name)s, name), scopes = coalesce(%(scopes)s::text[], scopes),
       requests_per_minute = coalesce(%(requests_per_minute)s::integer, requests_per_minute),
       concurrency = coalesce(%(concurrency)s::integer, concurrency),
       allowed_models = coalesce(%(allowed_models)s::text[], allowed_models),
       allowed_networks = coalesce(%(allowed_networks)s::cidr[], allowed_networks),
       expires_at = CASE WHEN %(never_expires)s THEN NULL
                         ELSE coalesce(%(expires_at)s::timestamptz, expires_at) END,
       version = version + 1
 WHERE account_id = %(account)s AND key_id = %(id)s
"""
REPLACE = """
UPDATE api_key
   SET replaced_by = %(by)s, version = version + 1,
       expires_at = least(expires_at, clock_timestamp() + %(grace)s::interval)
 WHERE account_id = %(account)s AND key_id = %(id)s AND replaced_by IS NULL
"""
REVOKE = """
UPDATE api_key SET revoked_at = clock_timestamp(), version = version + 1
 WHERE account_id = %(account)s AND key_id = %(id)s AND revoked_at IS NULL
"""
