"""A Stripe account over real HTTP, for Stripe's own clients: API version 2026-10-28.endive.

    async with FakeStripe("sk_test_demo") as stripe:
        stripe.url                       # StripeClient(..., base_addresses={"api": stripe.url})
        stripe.webhooks.configure(Endpoint(url, ("whsec_demo",)))
        stripe.dashboard.pay(session_id, CARDS["visa"])
        await stripe.webhooks.drain()

`docs/simulated-stripe.md` says what it can. It listens on loopback only and keeps everything in
memory. An operation is one step of the event loop: nothing is ever half done.
"""

import asyncio
import hmac
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from types import TracebackType
from typing import Final, NoReturn, Self
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from simulator import delivery
from simulator.answer import Answer
from simulator.listener import Listener, is_loopback
from simulator.stripe_books import API_VERSION, Asked, Books, Handler, new_id
from simulator.stripe_checkout import Checkout
from simulator.stripe_customers import Customers
from simulator.stripe_dashboard import Dashboard
from simulator.stripe_disputes import Disputes
from simulator.stripe_endpoints import Endpoints, Events
from simulator.stripe_errors import StripeError, Thing, invalid
from simulator.stripe_faults import StripeFault, StripeFaults
from simulator.stripe_idempotency import Idempotency, Kept
from simulator.stripe_pages import Pages
from simulator.stripe_params import decode
from simulator.stripe_payments import Payments
from simulator.stripe_refunds import Refunds
from simulator.stripe_webhooks import Webhooks

MAX_BODY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Call:
    """A request to the API that has been read and understood."""

    method: str
    path: str
    handler: Handler
    asked: Asked
    key: str | None
    fingerprint: bytes
    request_id: str


class FakeStripe:
    """One simulated account, from entering to leaving the context. *clock* gives Unix seconds."""

    def __init__(
        self,
        secret_key: str,
        port: int = 0,
        host: str = "127.0.0.1",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not is_loopback(host):
            raise ValueError("the simulator listens on loopback addresses only")
        self.books = Books(clock)
        self.webhooks = Webhooks(self.books, clock)
        self.faults = StripeFaults()
        self.calls: Counter[str] = Counter()
        checkout = Checkout(self.books)
        self.dashboard = Dashboard(self.books, checkout)
        self.busy: set[object] = set()
        self._checkout = checkout
        self._pages = Pages(self.books, checkout)
        self._kept = Idempotency(self.books.now)
        self._secret_key = secret_key
        self._host = host
        self._listener = Listener(self, host, port)
        parts = (Customers, Payments, Refunds, Disputes, Events)
        routes = [route for part in parts for route in part(self.books).routes()]
        self._endpoints = Endpoints([*routes, *checkout.routes()])

    async def __aenter__(self) -> Self:
        await self._listener.open()
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.books.base_url = f"http://{host}:{self._listener.port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.webhooks.close()
        await self._listener.close()

    @property
    def url(self) -> str:
        """The base URL, to which clients add `/v1/…`."""
        return self.books.base_url

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request; aiohttp calls this."""
        protocol = request.protocol
        self.busy.add(protocol)
        try:
            return await self._serve(request)
        finally:
            self.busy.discard(protocol)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = b""
        while len(body) <= MAX_BODY_BYTES and (chunk := await request.content.readany()):
            body += chunk
        path = request.rel_url.path
        if not path.startswith("/v1/"):
            return _response(self._pages.answer(request.method, path, body))
        self._checkout.lapse()
        request_id = new_id("req_", 14)
        try:
            call = self._read(request, body, request_id)
        except StripeError as error:
            return _response(_failed(error, request_id))
        fault = self.faults.take(call.method, path)
        if fault is None:
            return _response(self._answer(call))
        return await self._suffer(request, call, fault)

    def _read(self, request: web.BaseRequest, body: bytes, request_id: str) -> _Call:
        self._authenticate(request.headers.get(hdrs.AUTHORIZATION, ""))
        version = request.headers.get("Stripe-Version", API_VERSION)
        if version != API_VERSION:
            raise invalid(f"The simulator speaks API version {API_VERSION} only.")
        if len(body) > MAX_BODY_BYTES:
            raise StripeError(413, "Request body too large.", is_validation=True)
        path = request.rel_url.path
        route, ids, handler = self._endpoints.find(request.method, path)
        self.calls[f"{request.method} {route}"] += 1
        try:
            text = body.decode() if request.method == "POST" else request.rel_url.raw_query_string
        except UnicodeDecodeError:
            raise invalid("Invalid request: not UTF-8.") from None
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        pairs = repr(sorted(parse_qsl(text, keep_blank_values=True))).encode()
        return _Call(
            request.method,
            path,
            handler,
            Asked(ids, decode(text)),
            key or None,
            sha256(pairs).digest(),
            request_id,
        )

    def _authenticate(self, header: str) -> None:
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise StripeError(
                401,
                "You did not provide an API key. You need to provide your API key in the "
                "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
                "YOUR_SECRET_KEY').",
                is_validation=True,
            )
        if not hmac.compare_digest(key.encode(), self._secret_key.encode()):
            raise StripeError(401, "Invalid API Key provided: ********", is_validation=True)

    def _answer(
        self, call: _Call, broken: StripeError | None = None, *, done: bool = True
    ) -> Answer:
        """Carry a request out if it is to be *done*, or replay what its key gave.

        If there is a *broken*, it is answered instead of the result.
        """
        try:
            kept = self._begin(call)
        except StripeError as error:
            return _failed(error, call.request_id)
        if kept is not None:
            return _replayed(call, kept)
        return self._carry_out(call, broken, done=done)

    def _begin(self, call: _Call) -> Kept | None:
        if call.key is None:
            return None
        mine = Kept(call.path, call.fingerprint, self.books.now(), call.request_id)
        return self._kept.begin(call.key, mine)

    def _carry_out(self, call: _Call, broken: StripeError | None, *, done: bool) -> Answer:
        try:
            if done:
                self.books.request = (call.request_id, call.key)
                answer = _json(200, call.handler(call.asked), call)
            if broken is not None:
                raise broken
        except StripeError as error:
            answer = _failed(error, call.request_id, call.key)
            if error.is_validation:
                if call.key is not None:
                    self._kept.forget(call.key)
                return answer
        finally:
            self.books.request = None
        if call.key is not None:
            self._kept.keep(call.key, answer.status, answer.frames[0])
        return answer

    async def _suffer(
        self, request: web.BaseRequest, call: _Call, fault: StripeFault
    ) -> web.StreamResponse:
        """Act a fault out; the table in `simulator.stripe_faults` says what each kind does."""
        match fault.kind:
            case "status":
                error = fault.error()
                if error.is_validation:
                    answer = _failed(error, call.request_id)
                else:
                    answer = self._answer(call, error, done=fault.done)
                return _response(answer, fault.retry_after)
            case "slow":
                return _response(await self._answer_late(call, fault.delay_ms / 1_000))
            case _:
                if fault.done:
                    self._answer(call)
                if fault.kind == "reset":
                    return delivery.reset(request)
                return await _forever()

    async def _answer_late(self, call: _Call, seconds: float) -> Answer:
        """Carry a request out after a while, whether its caller still waits or not."""
        try:
            kept = self._begin(call)
        except StripeError as error:
            return _failed(error, call.request_id)
        if kept is not None:
            return _replayed(call, kept)
        try:
            await asyncio.sleep(seconds)
        finally:
            answer = self._carry_out(call, None, done=True)
        return answer


def _json(status: int, content: Thing, call: _Call) -> Answer:
    body = json.dumps(content, indent=2).encode()
    return Answer(status, _headers(call.request_id, call.key), (body,))


def _failed(error: StripeError, request_id: str, key: str | None = None) -> Answer:
    body = json.dumps(error.body(request_id), indent=2).encode()
    return Answer(error.status, _headers(request_id, key), (body,), outcome="error")


def _replayed(call: _Call, kept: Kept) -> Answer:
    assert kept.status is not None
    headers = _headers(call.request_id, call.key)
    headers |= {"idempotent-replayed": "true", "original-request": kept.request_id}
    return Answer(kept.status, headers, (kept.body,))


def _headers(request_id: str, key: str | None) -> dict[str, str]:
    headers = {
        "content-type": "application/json",
        "cache-control": "no-cache, no-store",
        "request-id": request_id,
        "stripe-version": API_VERSION,
    }
    return headers if key is None else {**headers, "idempotency-key": key}


def _response(answer: Answer, retry_after: int | None = None) -> web.Response:
    headers = dict(answer.headers)
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return web.Response(status=answer.status, body=answer.frames[0], headers=headers)


async def _forever() -> NoReturn:
    """Wait until cancelled: aiohttp does so when the caller leaves or the listener closes."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError
