"""The SQL of sessions."""

# ruff: noqa: S608 (only constants are put together)

from typing import Final

MAXIMUM: Final = 50
"""Sessions of one person: more browsers than anybody has. Who signs in once more ends the one
that was not used for the longest time."""

# 30 days in all, 7 without use: OWASP ASVS 7.3 wants both, how long is the deployment's choice.
_LIVES = """s.expires_at > clock_timestamp()
   AND s.last_seen_at > clock_timestamp() - interval '7 days'"""
_COLUMNS = """s.session_id, s.user_id, s.account_id, s.user_agent AS browser,
       coalesce(host(s.network), '') AS network, s.created_at, s.last_seen_at,
       least(s.expires_at, s.last_seen_at + interval '7 days') AS expires_at"""

INSERT = f"""
INSERT INTO session AS s (session_id, user_id, account_id, token_hmac, user_agent, network,
                          expires_at)
SELECT %(id)s, m.user_id, m.account_id, %(token)s, %(browser)s, %(network)s::inet,
       clock_timestamp() + interval '30 days'
  FROM membership m JOIN account a USING (account_id) JOIN app_user u USING (user_id)
 WHERE m.account_id = %(account)s AND m.user_id = %(user)s
   AND a.deleting_at IS NULL AND u.deleting_at IS NULL
RETURNING {_COLUMNS}
"""
END_OLDEST = f"""
DELETE FROM session
 WHERE user_id = %(user)s AND session_id IN (
       SELECT session_id FROM session
        WHERE user_id = %(user)s AND session_id <> %(id)s
        ORDER BY last_seen_at DESC, session_id OFFSET {MAXIMUM - 1})
"""
RENEW = f"""
UPDATE session s
   SET token_hmac = %(token)s, last_seen_at = clock_timestamp(), account_id = m.account_id,
       proved_at = CASE WHEN %(proved)s THEN clock_timestamp() ELSE s.proved_at END
  FROM membership m JOIN account a USING (account_id)
 WHERE s.session_id = %(id)s AND m.user_id = s.user_id
   AND m.account_id = coalesce(%(account)s::uuid, s.account_id) AND a.deleting_at IS NULL
   AND {_LIVES}
RETURNING {_COLUMNS}
"""
END = "DELETE FROM session WHERE user_id = %(user)s AND session_id = %(id)s"
END_OF_USER = """
DELETE FROM session
 WHERE user_id = %(user)s
   AND (%(except)s::uuid IS NULL OR session_id <> %(except)s::uuid)
"""
COUNT_OTHERS = f"""
SELECT count(*) FROM session s
 WHERE s.user_id = %(user)s AND s.session_id <> %(except)s AND {_LIVES}
"""
END_OF_ACCOUNT = "DELETE FROM session WHERE account_id = %(account)s"
READ = f"""
SELECT {_COLUMNS} FROM session s
 WHERE s.user_id = %(user)s AND s.session_id = %(id)s AND {_LIVES}
"""
PAGE = f"""
SELECT {_COLUMNS} FROM session s
 WHERE s.user_id = %(user)s AND {_LIVES}
   AND (%(after)s::uuid IS NULL OR (s.created_at, s.session_id) < (
        SELECT l.created_at, l.session_id FROM session l
         WHERE l.user_id = %(user)s AND l.session_id = %(after)s::uuid))
 ORDER BY s.created_at DESC, s.session_id DESC LIMIT %(limit)s
"""
# What is being erased is dead already.
VISIT = f"""
SELECT s.session_id, s.user_id, s.account_id, m.role, a.suspended_at IS NOT NULL AS suspended,
       a.allowed_models,
       extract(epoch FROM clock_timestamp() - s.proved_at)::float8 AS seconds_since_proof,
       s.last_seen_at <= clock_timestamp() - interval '1 minute' AS stale
  FROM session s
  JOIN membership m USING (account_id, user_id)
  JOIN account a USING (account_id)
  JOIN app_user u USING (user_id)
 WHERE s.token_hmac = ANY(%(digests)s) AND {_LIVES}
   AND a.deleting_at IS NULL AND a.erased_at IS NULL AND u.deleting_at IS NULL
"""
SEEN = """
UPDATE session
   SET last_seen_at = clock_timestamp(), network = coalesce(%(network)s::inet, network)
 WHERE session_id = %(id)s AND last_seen_at <= clock_timestamp() - interval '1 minute'
"""
