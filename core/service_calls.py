"""Small calls to other companies' services: JSON, bounded in size and time, and forgotten.

For sign-in and the bot check, never on the hot path. No cookie of an answer is kept, no redirect
is followed, no variable of the environment counts. Nothing of a request or an answer is logged.
"""

import asyncio
import json
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Final, Self

import httpx

from core.values import dataclass

LONGEST_ANSWER: Final = 256 * 1024
"""Bytes. What is meant, keys of an issuer and addresses of a person, has a few thousand."""
_USER_AGENT: Final = "reAPI"
"""GitHub refuses callers without a name."""


class ServiceAway(Exception):
    """The service did not answer in time, or with something that is no JSON."""


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """What a service said: it is content, never shown."""

    status: int
    content: object

    def __repr__(self) -> str:
        return f"<JsonAnswer {self.status}>"

    def member(self, name: str) -> object:
        """A member of the object that was answered; None where there is none."""
        return self.content.get(name) if isinstance(self.content, dict) else None


class ServiceCalls:
    """Connections to services, from entering to leaving. *seconds* are for a whole call."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        nobody = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        headers = {"user-agent": _USER_AGENT, "accept-encoding": "identity"}
        self._client = httpx.AsyncClient(
            timeout=self._seconds, trust_env=False, cookies=nobody, headers=headers
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get(self, url: str, token: str = "") -> JsonAnswer:
        """GET, with *token* as bearer; raises ServiceAway."""
        return await self._ask("GET", url, {"authorization": f"Bearer {token}"} if token else {})

    async def post(self, url: str, form: Mapping[str, str]) -> JsonAnswer:
        """POST a form; raises ServiceAway."""
        return await self._ask("POST", url, {}, form)

    async def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
    ) -> JsonAnswer:
        assert self._client is not None, "not opened"
        headers = {"accept": "application/json", **headers}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream(method, url, headers=headers, data=form) as answer,
            ):
                async for piece in answer.aiter_raw():  # nothing packed was asked for
                    body += piece
                    if len(body) > LONGEST_ANSWER:
                        raise ServiceAway
            return JsonAnswer(answer.status_code, json.loads(body))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError):
            raise ServiceAway from None
