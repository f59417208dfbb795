"""The SQL of members and invitations."""

# ruff: noqa: S608 (only constants are put together)

# Who changes the members of an account waits for whoever does so at the same time.
ALONE = """
SELECT true FROM account WHERE account_id = %(account)s AND deleting_at IS NULL
   FOR NO KEY UPDATE
"""
ROLE = "SELECT role FROM membership WHERE account_id = %(account)s AND user_id = %(user)s"
_MEMBER = """
SELECT m.member_id, m.account_id, m.user_id, m.role, m.created_at, u.email_sealed,
       u.display_name_sealed, a.name AS account_name, a.name_sealed AS account_name_sealed
  FROM membership m JOIN app_user u USING (user_id) JOIN account a USING (account_id)
"""
READ = f"{_MEMBER} WHERE m.account_id = %(account)s AND m.member_id = %(member)s"
OF_USER = f"{_MEMBER} WHERE m.user_id = %(user)s AND m.member_id = %(member)s"
PAGE = f"""{_MEMBER}
 WHERE m.account_id = %(account)s
   AND (%(after)s::uuid IS NULL OR (m.created_at, m.member_id) > (
        SELECT l.created_at, l.member_id FROM membership l
         WHERE l.account_id = %(account)s AND l.member_id = %(after)s::uuid))
 ORDER BY m.created_at, m.member_id LIMIT %(limit)s
"""
PAGE_OF_USER = f"""{_MEMBER}
 WHERE m.user_id = %(user)s AND a.deleting_at IS NULL
   AND (%(after)s::uuid IS NULL OR (m.created_at, m.member_id) > (
        SELECT l.created_at, l.member_id FROM membership l
         WHERE l.user_id = %(user)s AND l.member_id = %(after)s::uuid))
 ORDER BY m.created_at, m.member_id LIMIT %(limit)s
"""
CHANGE = """
UPDATE membership SET role = %(role)s
 WHERE account_id = %(account)s AND member_id = %(member)s
"""
REMOVE = "DELETE FROM membership WHERE account_id = %(account)s AND member_id = %(member)s"
# Who may do something else now signs in again: no older token has the new rights, or the old ones.
END_SESSIONS = "DELETE FROM session WHERE account_id = %(account)s AND user_id = %(target)s"
# What a member could give keys, they lose with the right to give it. No scopes are all of them.
REVOKE_KEYS = """
UPDATE api_key SET revoked_at = clock_timestamp(), version = version + 1
 WHERE account_id = %(account)s AND user_id = %(target)s AND revoked_at IS NULL
   AND (scopes = '{}' OR NOT scopes <@ %(scopes)s::text[])
"""
UNINVITE = "DELETE FROM invitation WHERE account_id = %(account)s AND member_id = %(member)s"
LAST_OWNER = "membership_keeps_an_owner"
"""The constraint that keeps an account from losing its last owner."""

_INVITATION = """
SELECT i.invitation_id, i.email_sealed, i.role, i.member_id, i.created_at, i.expires_at
  FROM invitation i
 WHERE i.account_id = %(account)s AND i.expires_at > clock_timestamp()
"""
INVITATION = f"{_INVITATION} AND i.invitation_id = %(invitation)s"
PAGE_OF_INVITATIONS = f"""{_INVITATION}
   AND (%(after)s::uuid IS NULL OR i.invitation_id < %(after)s::uuid)
 ORDER BY i.invitation_id DESC LIMIT %(limit)s
"""
IS_MEMBER = """
SELECT true FROM membership m JOIN app_user u USING (user_id)
 WHERE m.account_id = %(account)s AND u.email_hmac = ANY(%(addresses)s)
"""
# Whoever is invited again gets another token; the one before is dead.
REPLACE = """
DELETE FROM invitation
 WHERE account_id = %(account)s
   AND (email_hmac = ANY(%(addresses)s) OR expires_at <= clock_timestamp())
"""
COUNT = "SELECT count(*) AS waiting FROM invitation WHERE account_id = %(account)s"
INVITE = """
INSERT INTO invitation (account_id, invitation_id, email_hmac, email_sealed, role, member_id,
                        token_hmac, expires_at)
SELECT m.account_id, %(invitation)s, %(address)s, %(email)s, %(role)s, m.member_id, %(token)s,
       clock_timestamp() + interval '7 days'
  FROM membership m WHERE m.account_id = %(account)s AND m.user_id = %(user)s
"""
TAKE_BACK = """
DELETE FROM invitation WHERE account_id = %(account)s AND invitation_id = %(invitation)s
"""
