"""REST requests with a canary in every field: headers, path, query and body."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from gateway.proof.canaries import Canaries

Plant = Callable[[str], str]
Body = Callable[[Plant], tuple[str, bytes]]
"""Gives a content type and a body, and plants canaries in both."""
GENERATIONS: Final = "/v1/images/generations"
MODEL: Final = "gpt-image-2"
_TOKEN: Final = 43
"""Characters of a token of ours, after its prefix: a cookie of another size is not looked at."""


@dataclass(frozen=True, slots=True)
class Tainted:
    """One request, and the canaries it may see again in its own answer."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    own: frozenset[str] = field(repr=False)


@dataclass(slots=True)
class Maker:
    """Makes tainted requests of one caller; without a *key* they have no credential."""

    canaries: Canaries
    key: str = field(repr=False)

    def make(
        self,
        name: str,
        body: Body,
        path: str = GENERATIONS,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> Tainted:
        """A request whose *body* (content type, bytes) plants canaries, as headers do."""
        own: set[str] = set()

        def plant(where: str) -> str:
            word = self.canaries.plant(f"{name}: {where}")
            own.add(word)
            return word

        kind, content = body(plant)
        sent = {
            **({"authorization": f"Bearer {self.key}"} if self.key else {}),
            "content-type": kind,
            **tainted_headers(plant),
            **{key: value.replace("CANARY", plant(key)) for key, value in (headers or {}).items()},
        }
        if path.endswith("?"):  # a transcoded call, which refuses a query that it does not know
            query = ""
        elif "?" in path:
            query = plant("query")
        else:
            query = f"?{plant('query name')}={plant('query')}"
        while "CANARY" in path:
            path = path.replace("CANARY", plant("path"), 1)
        return Tainted(name, method, path + query, sent, content, frozenset(own))


def tainted_headers(plant: Plant) -> dict[str, str]:
    """What clients, proxies and tracers send along."""
    names = (
        *("user-agent", "referer", "x-request-id", "openai-organization", "tracestate"),
        *("openai-project", "x-stainless-lang", "x-stainless-helper-method", "accept-language"),
        *("x-forwarded-for", "forwarded", "x-correlation-id", "origin", "via", "x-anything"),
        *("x-reapi-client-ip", "x-reapi-user-agent", "x-reapi-bridge", "x-csrf-token"),
    )
    return {
        **{name: plant(name) for name in names},
        "cookie": "; ".join(_cookies(plant)),
        "baggage": f"user={plant('baggage')};{plant('baggage property')}",
        "traceparent": f"00-{plant('traceparent')}-0000000000000001-01",
        "idempotency-key": plant("idempotency key"),
    }


def _cookies(plant: Plant) -> list[str]:
    """One of somebody else, and ours in their shape."""
    found = [f"{plant('cookie name')}={plant('cookie')}"]
    for name, prefix in (("session", "rs_"), ("csrf", ""), ("oauth", "")):
        token = plant(f"cookie {name}").ljust(_TOKEN, "0")
        found.append(f"__Host-reapi_{name}={prefix}{token}")
    return found


# ---- bodies


def as_json(**fields: Any) -> Body:
    """A JSON body; CANARY in a text or a name is replaced by a canary of its own."""

    def body(plant: Plant) -> tuple[str, bytes]:
        text = json.dumps({"model": MODEL, "prompt": "CANARY", "user": "CANARY", **fields})
        return "application/json", planted(text, plant).encode()

    return body


def as_text(kind: str, text: str) -> Body:
    """Any other body."""
    return lambda plant: (kind, planted(text, plant).encode())


def planted(text: str, plant: Plant) -> str:
    """*text*, each CANARY in it replaced by one of its own."""
    pieces = text.split("CANARY")
    return pieces[0] + "".join(
        plant(f"json after {before[-24:]}") + after for before, after in pairwise(pieces)
    )
