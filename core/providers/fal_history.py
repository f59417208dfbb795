"""fal's history of requests, as its Platform API shows it: where a lost one is found. Pure.

Source: fal's reference of the Platform API (providers.md 8.1). It goes back for 24 hours.
"""

from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

from core.model import Channel
from core.providers.dates import moment
from core.providers.jobs import Found
from core.providers.reading import identifier, section, seed_of
from core.providers.wire import invalid

HISTORY = "/models/requests/by-endpoint"
PAGE_SIZE = 100
SEED_BITS = 31
"""What the seed of every endpoint takes."""


def path_of_history(channel: Channel) -> str:
    """The path of the newest requests of all endpoints of a channel."""
    endpoints = dict.fromkeys(channel.variants.values() or (channel.upstream_model,))
    asked = "&".join(f"endpoint_id={quote(endpoint, safe='')}" for endpoint in endpoints)
    return f"{HISTORY}?{asked}&expand=payloads&limit={PAGE_SIZE}"


def search(page: Mapping[str, object], mark: UUID) -> Found:
    """Look for the request with a mark.

    Raises UpstreamError if an item is garbled, or shows no input: it might be the one.
    """
    items, more, cursor = page.get("items"), page.get("has_more"), page.get("next_cursor")
    if not isinstance(items, list) or not isinstance(more, bool):
        raise invalid()
    seed = seed_of(mark, SEED_BITS)
    known = [item for item in items if isinstance(item, dict)]
    ours = [item for item in known if section(item, "json_input").get("seed") == seed]
    # The history may be in the order of the ends, so that no page hides a later one.
    times = [moment(item, "ended_at") or moment(item, "sent_at") for item in known]
    if len(known) < len(items) or not all(times):
        raise invalid()
    if not ours and not all(isinstance(item.get("json_input"), dict) for item in known):
        raise invalid()
    following = f"cursor={quote(cursor, safe='')}" if more and isinstance(cursor, str) else ""
    found = identifier(ours[0], "request_id") if ours else ""
    return Found(found, not more, min(times, default=0.0), following)
