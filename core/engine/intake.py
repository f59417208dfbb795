"""Examines requests: valid, priced and fingerprinted, before anything is awaited."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import orjson

from accounts.limits import ModelNotAllowed
from billing.pricing import length_of
from core.body import Body, Secret
from core.caller import Caller
from core.catalog import schema
from core.catalog.entries import Catalogue, Model
from core.catalog.price_subject import MEASURES, parameter_of, price_names, price_subject
from core.engine.callback_urls import CallbackUrls
from core.engine.examined import Job
from core.engine.input_probe import probed
from core.engine.order import Order, RawInput
from core.engine.quotes import Quote, QuoteTokens
from core.engine.refusals import refusal_error
from core.engine.sandbox import Sandbox
from core.engine.terms import KnownTerms, Terms
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from core.model import Ask, Kind
from core.policy.routing import ANY, Plan, Preference

FINGERPRINT = "request"
IDEMPOTENCY = "idempotency-key"
ROUTES = {
    "/v1/images/generations": Kind.IMAGE,
    "/v1/images/edits": Kind.IMAGE,
    "/v1/videos": Kind.VIDEO,
    "/v1/audio/speech": Kind.AUDIO,
    "/api/v1/images/generations": Kind.IMAGE,
    "/api/v1/videos/generations": Kind.VIDEO,
    "/api/v1/audio/generations": Kind.AUDIO,
}
"""What the routes are for, by the templates that bridges name."""


class Intake:
    """Turns orders into jobs. *now* is the wall clock, for prices."""

    def __init__(
        self,
        catalogue: Catalogue,
        keyring: Keyring,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        callback_urls: CallbackUrls | None = None,
        sandbox: Sandbox | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._keyring = keyring
        self._callback_urls = callback_urls or CallbackUrls(keyring)
        self._sandbox = sandbox or Sandbox()
        self._now = now
        self._terms = KnownTerms(catalogue)
        self._quotes = QuoteTokens(keyring)

    def use(self, catalogue: Catalogue) -> None:
        """Examine what comes next by another catalogue; jobs keep what they were priced by."""
        self._catalogue = catalogue
        self._terms = KnownTerms(catalogue)

    def permit(self, caller: Caller, name: str) -> None:
        """Whether *caller* may use the model *name*; raises MODEL_NOT_FOUND, MODEL_NOT_ALLOWED."""
        model = self._catalogue.usable_model(name)
        if caller.allowed_models and model.id not in caller.allowed_models:
            raise refusal_error(ModelNotAllowed(model.id))

    def examine(self, caller: Caller, order: Order) -> Job:
        """Check, price and fingerprint; raises GatewayError naming the parameter."""
        model = self._catalogue.usable_model(order.model)
        _check_route(model, order.endpoint)
        ask = schema.validate(
            model,
            order.prompt,
            order.given,
            [probed(item) for item in order.inputs],
            count=order.count,
            partials=order.partials,
            end_user=order.end_user,
        )
        url = order.callback_url
        facts = _facts(ask, order.inputs, has_callback=url is not None)
        terms = self._terms.of(model, ask, facts, self._now())
        lines, most, step = terms.price_lines, terms.quoted_micros, terms.step
        quote = self._quoted(caller, order.quote_token, model, ask)
        if quote is not None and quote.maximum_micros < most:
            lines, most, step = quote.lines, quote.maximum_micros, length_of(quote.lines)
        key = order.idempotency_key
        # What a test made answers no live request.
        apart = (b"sandbox",) if caller.sandbox else ()
        return Job(
            ask=ask,
            model=model,
            routing=self._plan(caller, model, order, terms),
            price_lines=lines,
            quoted_micros=most,
            seconds=terms.seconds,
            step=step,
            fingerprint=self._keyring.mac(
                FINGERPRINT, facts, *_contents(ask, order.inputs, url), *apart
            ),
            idempotency_key=None
            if key is None
            else self._keyring.mac(IDEMPOTENCY, key.reveal().encode(), *apart),
            endpoint=order.endpoint,
            request_id=order.request_id,
            is_retry=order.retry_number > 0,
            detached=order.detached,
            media_type=terms.media_type,
            callback=None if url is None else self._callback_urls.seal(caller.account_id, url),
            catalogue_version=self._catalogue.version,
            quote=quote,
        )

    async def prepare(self) -> None:
        """Have ready what `examine` needs for test keys; raises NO_CHANNEL."""
        await self._sandbox.open()

    def _plan(self, caller: Caller, model: Model, order: Order, terms: Terms) -> Plan:
        """Who may serve it. Test keys have no choice: it would be among channels of live ones."""
        operation, needs = terms.operation, terms.needs
        key, wish = str(caller.key_id), order.routing
        if caller.sandbox:
            channels = self._sandbox.channels_of(model)
            return Plan(channels, operation, needs, ANY, key, order.ends)
        channels = self._catalogue.channels_of(model)
        if wish.only or wish.excluded or wish.regions:
            preference = Preference(wish.only, wish.excluded, wish.regions)
            return Plan(channels, operation, needs, preference, key, order.ends)
        return Plan(channels, operation, needs, ANY, key, order.ends, terms.able)

    def offer(
        self, caller: Caller, job: Job, id_: UUID, expires_us: int
    ) -> tuple[Quote, Secret[str]]:
        """A quote for *job*, and its token."""
        model = job.model
        quote = Quote(
            id_,
            caller.account_id,
            model.id,
            job.catalogue_version,
            price_subject(model, job.ask, price_names(model)),
            job.price_lines,
            expires_us,
        )
        return quote, self._quotes.token(quote)

    def _quoted(
        self, caller: Caller, token: Secret[str] | None, model: Model, ask: Ask
    ) -> Quote | None:
        """The quote of *token*, if any; raises QUOTE_MISMATCH where it is for something else.

        Whether it can still be used, the commit decides.
        """
        if token is None:
            return None
        quote = self._quotes.read(token)
        names = [name for name in quote.subject if name not in MEASURES]
        if quote.account_id != caller.account_id:
            raise _mismatch("quote_token", "it was made for another account")
        if quote.model != model.id:
            raise _mismatch("model", "`model` is another one")
        name = quote.difference(price_subject(model, ask, names))
        if name:
            parameter = parameter_of(model, name)
            raise _mismatch(parameter, f"`{parameter}` is another one")
        return quote


def _facts(ask: Ask, inputs: Sequence[RawInput], *, has_callback: bool) -> bytes:
    """What makes the request what it is but for its words and files: the same for the same ones.

    Which files are told by URL is part of it (see `_contents`).
    """
    facts: dict[str, object] = {
        "model": ask.model,
        "count": ask.count,
        "partials": ask.partials,
        "parameters": dict(ask.parameters),
        "roles": [item.role for item in ask.inputs],
    }
    if by_url := [number for number, item in enumerate(inputs) if item.url is not None]:
        facts["by_url"] = by_url
    if ask.texts:
        facts["texts"] = sorted(ask.texts)
    if has_callback:
        facts["has_callback"] = True
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)


def _contents(
    ask: Ask, inputs: Sequence[RawInput], callback_url: Body[str] | None
) -> Iterator[bytes]:
    """The words and files that make the request what it is, in the order of the fingerprint.

    It is keyed, because a plain hash of a prompt can be guessed (semantics.md 4). A file by URL
    counts as its URL: the same request again is the same request, whatever the server behind it
    says by then.
    """
    yield ask.prompt.reveal().encode()
    yield b"" if ask.end_user is None else ask.end_user.reveal().encode()
    for name in sorted(ask.texts):
        yield ask.texts[name].reveal().encode()
    for item in inputs:
        yield item.data.reveal() if item.url is None else item.url.reveal().encode()
    if callback_url is not None:
        yield callback_url.reveal().encode()


def _check_route(model: Model, endpoint: str) -> None:
    """Refuse a model of videos at the route of images; routes of no kind take all."""
    kind = ROUTES.get(endpoint)
    if kind not in (None, model.kind):
        places = [route for route, other in ROUTES.items() if other is model.kind]
        there = " or ".join(places) or "/api/v1/generations"
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            f"The model's kind is {model.kind}; use {there}.",
            parameter="model",
        )


def _mismatch(parameter: str, what: str) -> GatewayError:
    return GatewayError(
        Reason.QUOTE_MISMATCH,
        f"The request differs from what was quoted: {what}. Ask for a quote for this request.",
        parameter=parameter,
    )
