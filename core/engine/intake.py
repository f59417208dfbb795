"""Examines requests: valid, priced and fingerprinted, before anything is awaited."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from uuid import UUID

import orjson

from accounts.limits import ModelNotAllowed
from billing.pricing import TIME_UNITS, PriceLine, price_lines, total
from core.body import Body, Secret
from core.caller import Caller
from core.catalog import schema
from core.catalog.entries import Catalogue, Model
from core.catalog.price_subject import MEASURES, parameter_of, price_names, price_subject
from core.engine.bookkeeping import Entry, Opening
from core.engine.callback_urls import CallbackUrls
from core.engine.ids import moment_of
from core.engine.input_probe import probed
from core.engine.order import Order, RawInput
from core.engine.quotes import Quote, QuoteTokens
from core.engine.records import Callback
from core.engine.refusals import refusal_error
from core.engine.sandbox import Sandbox
from core.errors import GatewayError, Reason
from core.keyring import Keyring
from core.model import Ask, Channel, Generation, GenerationState, Kind
from core.policy.failover import Plan
from core.policy.routing import Needs, Preference, operation_of
from core.values import dataclass

FINGERPRINT = "request"
IDEMPOTENCY = "idempotency-key"
_FORMATS = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/webp": "webp",
    "audio/mpeg": "mp3",
    "audio/ogg": "opus",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "audio/pcm": "pcm",
}
KEPT_TERMS = 1024
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


@dataclass(frozen=True, slots=True)
class Job:
    """A request that may be accepted."""

    ask: Ask
    model: Model
    routing: Plan
    price_lines: tuple[PriceLine, ...]
    """What the most that it may cost is made of."""
    quoted_micros: int
    """The most that it may cost."""
    seconds: int
    """How many are paid for at most, of each output; 0 where they are not counted."""
    fingerprint: bytes = field(repr=False)
    idempotency_key: bytes | None = field(repr=False)
    endpoint: str
    request_id: str
    is_retry: bool
    detached: bool
    media_type: str
    """What outputs must be; empty: any type that we know."""
    callback: Callback | None = None
    catalogue_version: str = ""
    quote: Quote | None = None
    """The quote that it carries."""

    def accepted(self, caller: Caller, entry: Entry, channel: str) -> Generation:
        """The generation as it stands once its hold is committed."""
        return Generation(
            id=entry.id,
            account_id=caller.account_id,
            model=self.model.id,
            kind=self.model.kind,
            state=GenerationState.ACCEPTED,
            created_at=moment_of(entry.id),
            requested_count=self.ask.count,
            quoted_micros=0 if caller.sandbox else self.quoted_micros,
            duration_ms=self.seconds * 1000,
            channel=channel,
            sandbox=caller.sandbox,
            epoch=entry.owner_epoch,
        )


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
        self._minute = 0
        self._kept: dict[tuple[object, ...], tuple[tuple[PriceLine, ...], Needs]] = {}
        self._quotes = QuoteTokens(keyring)

    def use(self, catalogue: Catalogue) -> None:
        """Examine what comes next by another catalogue; jobs keep what they were priced by."""
        self._catalogue = catalogue
        self._kept.clear()

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
        now = self._now()
        lines, needs = self._terms(model, ask, now)
        quote = self._quoted(caller, order.quote_token, model, ask)
        if quote is not None and quote.maximum_micros < total(lines):
            lines = quote.lines
        channels, preference = self._offered(caller, model, order)
        routing = Plan(
            channels,
            operation_of(ask),
            needs,
            preference,
            key=str(caller.key_id),
            ends=order.ends,
        )
        key, url = order.idempotency_key, order.callback_url
        # What a test made answers no live request.
        apart = (b"sandbox",) if caller.sandbox else ()
        return Job(
            ask=ask,
            model=model,
            routing=routing,
            price_lines=lines,
            quoted_micros=total(lines),
            seconds=schema.counted_seconds(model, ask) if model.kind is not Kind.IMAGE else 0,
            fingerprint=self._fingerprint(ask, order.inputs, url, *apart),
            idempotency_key=None
            if key is None
            else self._keyring.mac(IDEMPOTENCY, key.reveal().encode(), *apart),
            endpoint=order.endpoint,
            request_id=order.request_id,
            is_retry=order.retry_number > 0,
            detached=order.detached,
            media_type=_media_type(model, ask),
            callback=None if url is None else self._callback_urls.seal(caller.account_id, url),
            catalogue_version=self._catalogue.version,
            quote=quote,
        )

    async def prepare(self) -> None:
        """Have ready what `examine` needs for test keys; raises NO_CHANNEL."""
        await self._sandbox.open()

    def _offered(
        self, caller: Caller, model: Model, order: Order
    ) -> tuple[tuple[Channel, ...], Preference]:
        """Who may serve it. Test keys have no choice: it would be among channels of live ones."""
        if caller.sandbox:
            return self._sandbox.channels_of(model), Preference()
        wish = order.routing
        preference = Preference(wish.only, wish.excluded, wish.regions)
        return self._catalogue.channels_of(model), preference

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

    def _terms(self, model: Model, ask: Ask, now: datetime) -> tuple[tuple[PriceLine, ...], Needs]:
        """Price and needs. They follow from few facts, so those of the last minute are kept."""
        if (
            ask.inputs
            or ask.texts
            or ask.kind is Kind.AUDIO  # the price follows from the prompt
            or "seed" in ask.parameters
            or not all(model.parameters[name].values for name in _texts(ask))
        ):
            return _price(model, ask, now), _needs(model, ask)
        minute = int(now.timestamp()) // 60
        if minute != self._minute or len(self._kept) >= KEPT_TERMS:
            self._minute = minute
            self._kept.clear()
        key = (model.id, ask.count, bool(ask.partials), tuple(ask.parameters.items()))
        terms = self._kept.get(key)
        if terms is None:
            terms = _price(model, ask, now), _needs(model, ask)
            self._kept[key] = terms
        return terms

    def opening(
        self,
        job: Job,
        id_: UUID,
        channel: str,
        credential: str = "",
        standing: str = "",
        candidates: int = 0,
    ) -> Opening:
        """What is recorded of the job, and of its first attempt, when it is accepted."""
        return Opening(
            id=id_,
            model=job.model.id,
            kind=job.model.kind,
            catalogue_version=job.catalogue_version,
            endpoint=job.endpoint,
            request_id=job.request_id,
            count=job.ask.count,
            quoted_micros=job.quoted_micros,
            duration_ms=job.seconds * 1000,
            fingerprint=job.fingerprint,
            idempotency_key=job.idempotency_key,
            is_retry=job.is_retry,
            channel=channel,
            callback=job.callback,
            credential=credential,
            standing=standing,
            candidates=candidates,
            quote=job.quote,
            price_lines=job.price_lines,
        )

    def _fingerprint(
        self,
        ask: Ask,
        inputs: Sequence[RawInput],
        callback_url: Body[str] | None,
        *apart: bytes,
    ) -> bytes:
        """A keyed digest of everything that makes the request what it is.

        Keyed, because a plain hash of a prompt can be guessed (semantics.md 4). A file by URL
        counts as its URL: the same request again is the same request, whatever the server
        behind it says by then.
        """
        by_url = [number for number, item in enumerate(inputs) if item.url is not None]
        facts: Mapping[str, object] = {
            "model": ask.model,
            "count": ask.count,
            "partials": ask.partials,
            "parameters": dict(ask.parameters),
            "roles": [item.role for item in ask.inputs],
            **({"by_url": by_url} if by_url else {}),
            **({"texts": sorted(ask.texts)} if ask.texts else {}),
            **({"has_callback": True} if callback_url is not None else {}),
        }
        return self._keyring.mac(
            FINGERPRINT,
            orjson.dumps(facts, option=orjson.OPT_SORT_KEYS),
            ask.prompt.reveal().encode(),
            b"" if ask.end_user is None else ask.end_user.reveal().encode(),
            *(ask.texts[name].reveal().encode() for name in sorted(ask.texts)),
            *(
                item.data.reveal() if item.url is None else item.url.reveal().encode()
                for item in inputs
            ),
            *(() if callback_url is None else (callback_url.reveal().encode(),)),
            *apart,
        )


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


def _price(model: Model, ask: Ask, now: datetime) -> tuple[PriceLine, ...]:
    """What the most that *ask* may cost is made of."""
    facts = schema.price_facts(model, ask)
    unit = next((row.unit for row in model.prices if row.unit in TIME_UNITS), "second")
    units = schema.price_units(ask, schema.seconds_of(model, ask), unit=unit)
    return price_lines(model.prices, facts, units, now)


def _mismatch(parameter: str, what: str) -> GatewayError:
    return GatewayError(
        Reason.QUOTE_MISMATCH,
        f"The request differs from what was quoted: {what}. Ask for a quote for this request.",
        parameter=parameter,
    )


def _needs(model: Model, ask: Ask) -> Needs:
    return Needs.of(ask, model.defaults, is_divisible=not model.series)


def _texts(ask: Ask) -> list[str]:
    """Parameters whose values are texts: free ones must not be kept past the request."""
    return [
        name for name, value in ask.parameters.items() if isinstance(value, str) and name != "size"
    ]


def _media_type(model: Model, ask: Ask) -> str:
    name = ask.parameters.get("output_format") or model.defaults.get("output_format")
    return next((kind for kind, ext in _FORMATS.items() if ext == name), "")
