"""Keys and their limits in PostgreSQL: the accounts' part in a commit."""

from collections.abc import Sequence
from typing import Any

from accounts.granting import both
from accounts.limits import KeyRelease, KeyState, KeyUse, LimitsBook, key_problem

# Locks the counters; limits, models and suspension are read in the same breath, not from a cache.
_LOCK_KEYS = """
SELECT u.account_id, u.key_id, u.tat_us, u.in_flight, k.requests_per_minute, k.concurrency,
       k.revoked_at, k.expires_at, coalesce(a.suspended_at, a.deleting_at, a.erased_at),
       k.allowed_models, a.allowed_models
  FROM unnest($1::uuid[], $2::uuid[]) AS x (account_id, key_id)
  JOIN key_use u ON u.account_id = x.account_id AND u.key_id = x.key_id
  JOIN api_key k ON k.account_id = x.account_id AND k.key_id = x.key_id
  JOIN account a ON a.account_id = x.account_id
 ORDER BY u.account_id, u.key_id
   FOR NO KEY UPDATE OF u
"""
_WRITE_KEYS = """
UPDATE key_use u SET tat_us = x.tat_us, in_flight = x.in_flight
  FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[])
       AS x (account_id, key_id, tat_us, in_flight)
 WHERE u.account_id = x.account_id AND u.key_id = x.key_id
"""


class LimitsSql:
    """The limits' part in a commit to PostgreSQL (a `storage.transaction.Participant`)."""

    parts: tuple[type, ...] = (KeyUse, KeyRelease)

    def reads(
        self, parts: Sequence[KeyUse | KeyRelease]
    ) -> Sequence[tuple[int, str, tuple[Any, ...]]]:
        names = dict.fromkeys((part.account_id, part.key_id) for part in parts)
        return [(10, _LOCK_KEYS, ([name[0] for name in names], [name[1] for name in names]))]

    def book(self, rows: Sequence[Sequence[tuple[Any, ...]]], now_us: int) -> LimitsBook:
        (found,) = rows
        keys: list[KeyState] = []
        for account, key, tat, in_flight, rate, slots, revoked, expires, stopped, *models in found:
            problem = key_problem(revoked, expires, stopped, now_us)
            allowed = tuple(both(*models))
            keys.append(KeyState(account, key, tat, in_flight, rate, slots, problem, allowed))
        return LimitsBook(keys, now_us)

    def writes(self, book: LimitsBook) -> Sequence[tuple[str, tuple[Any, ...]]]:
        keys = book.changed
        if not keys:
            return []
        columns = (
            [key.account_id for key in keys],
            [key.key_id for key in keys],
            [key.tat_us for key in keys],
            [key.in_flight for key in keys],
        )
        return [(_WRITE_KEYS, columns)]
