"""Turnstile's verification of answers, below `/_bot_check` of the control port.

POST /_bot_check/siteverify  Knows Cloudflare's test secrets: the one that passes everything, the
                             one that fails everything, the one for which every token was used
                             before. And SECRET, which passes tokens that begin with `pass`, each
                             once.
PUT /_bot_check/fault        {"kind": "internal"|"hang"|"status"}; DELETE heals.
"""

import asyncio
import json
from typing import Final

from aiohttp import web

from simulator.json_object import ControlError, JsonObject, one_of

PREFIX: Final = "/_bot_check"
PASSES: Final = "1x0000000000000000000000000000000AA"
FAILS: Final = "2x0000000000000000000000000000000AA"
SPENT: Final = "3x0000000000000000000000000000000AA"
"""As Cloudflare's page on testing Turnstile lists them."""
SECRET: Final = "simulated-bot-check-secret"  # noqa: S105 (of the simulator)
_KINDS: Final = ("internal", "hang", "status")
_MOST: Final = 10_000
"""Tokens that are remembered as used."""


class FakeBotCheck:
    """The service. A retry of the same call, by its idempotency key, is no second use."""

    def __init__(self) -> None:
        self._used: dict[str, str] = {}
        self._fault = ""

    def add_to(self, application: web.Application) -> None:
        """Add the routes to the control port's."""
        application.router.add_post(f"{PREFIX}/siteverify", self._verify)
        application.router.add_put(f"{PREFIX}/fault", self._put_fault)
        application.router.add_delete(f"{PREFIX}/fault", self._heal)

    async def _verify(self, request: web.Request) -> web.StreamResponse:
        if self._fault == "hang":
            await asyncio.get_running_loop().create_future()
        if self._fault == "status":
            return web.Response(status=503, text="unavailable")
        form = await request.post()
        token, key = str(form.get("response", "")), str(form.get("idempotency_key", ""))
        error = self._wrong(str(form.get("secret", "")), token, key)
        if error:
            return web.json_response({"success": False, "error-codes": [error]})
        return web.json_response({"success": True, "error-codes": [], "hostname": "example.com"})

    def _wrong(self, secret: str, token: str, key: str) -> str:
        if self._fault == "internal":
            return "internal-error"
        if secret in (FAILS, PASSES, SPENT):
            said = {FAILS: "invalid-input-response", SPENT: "timeout-or-duplicate"}
            return said.get(secret, "") if token else "missing-input-response"
        if secret != SECRET:
            return "invalid-input-secret" if secret else "missing-input-secret"
        if not token.startswith("pass"):
            return "invalid-input-response" if token else "missing-input-response"
        if self._used.setdefault(token, key) != key:
            return "timeout-or-duplicate"
        if len(self._used) > _MOST:
            del self._used[next(iter(self._used))]
        return ""

    async def _put_fault(self, request: web.Request) -> web.StreamResponse:
        try:
            given = JsonObject(json.loads(await request.read()), ("kind",))
        except ValueError as error:
            if isinstance(error, ControlError):
                raise
            raise ControlError("body", "not valid JSON") from None
        kind = given.text("kind")
        one_of("kind", kind, _KINDS)
        self._fault = kind
        return web.json_response({"fault": kind})

    async def _heal(self, _request: web.Request) -> web.StreamResponse:
        self._fault = ""
        return web.json_response({"fault": None})
