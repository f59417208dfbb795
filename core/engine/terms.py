"""What a request comes to: its price, its needs, and who can serve it.

All of that follows from few facts, which most requests share: it is worked out once a minute (in
which no price begins to count) for each of them, and again when the catalogue is another one.
"""

from datetime import datetime, timedelta

from billing.pricing import TIME_UNITS, PriceLine, length_of, price_lines, total
from core.catalog import schema
from core.catalog.entries import Catalogue, Model
from core.model import Ask, Channel, Kind
from core.policy.routing import ANY, Needs, Unroutable, eligible, operation_of
from core.values import dataclass

KEPT = 1024
_MINUTE = timedelta(minutes=1)
_FORMATS = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What follows from the facts of a request, whoever makes it."""

    price_lines: tuple[PriceLine, ...]
    """What the most that it may cost is made of."""
    quoted_micros: int
    """The most that it may cost."""
    seconds: int
    """How many are paid for at most, of each output; 0 where they are not counted."""
    step: int
    """Seconds that are charged at a time; 1 where they are not counted."""
    media_type: str
    """What outputs must be; empty: any type that we know."""
    operation: str
    """Whose health its attempts tell about."""
    needs: Needs
    able: tuple[Channel, ...] | Unroutable
    """The channels of the catalogue that can serve it, for whoever has no wishes."""


class KnownTerms:
    """The terms of requests under one catalogue; those of the last minute are kept."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kept: dict[tuple[object, ...], Terms] = {}
        self._minute: datetime | None = None

    def of(self, model: Model, ask: Ask, facts: bytes, now: datetime) -> Terms:
        """The terms of *ask*, a request for *model*; raises GatewayError where it has no price.

        *facts* tells all of it apart but for its words and files.
        """
        minute = self._minute
        if minute is None or not minute <= now < minute + _MINUTE or len(self._kept) >= KEPT:
            self._minute = now.replace(second=0, microsecond=0)
            self._kept.clear()
        key = (facts, *ask.parameters)  # errors name parameters in the order of the request
        terms = self._kept.get(key)
        if terms is None:
            terms = self._worked_out(model, ask, now)
            if _is_common(model, ask):
                self._kept[key] = terms
        return terms

    def _worked_out(self, model: Model, ask: Ask, now: datetime) -> Terms:
        lines = _price(model, ask, now)
        needs = Needs.of(ask, model.defaults, is_divisible=not model.series)
        return Terms(
            price_lines=lines,
            quoted_micros=total(lines),
            seconds=schema.counted_seconds(model, ask) if model.kind is not Kind.IMAGE else 0,
            step=length_of(lines),
            media_type=_media_type(model, ask),
            operation=operation_of(ask),
            needs=needs,
            able=eligible(self._catalogue.channels_of(model), needs, ANY),
        )


def _is_common(model: Model, ask: Ask) -> bool:
    """Whether others ask for the same, and its facts tell nothing that is the caller's own."""
    if ask.inputs or ask.texts or ask.kind is Kind.AUDIO:  # the price follows from the prompt
        return False
    for name, value in ask.parameters.items():
        # Free texts must not be kept past the request.
        is_free = isinstance(value, str) and name != "size" and not model.parameters[name].values
        if is_free or name == "seed":
            return False
    return True


def _price(model: Model, ask: Ask, now: datetime) -> tuple[PriceLine, ...]:
    """What the most that *ask* may cost is made of."""
    facts = schema.price_facts(model, ask)
    unit = next((row.unit for row in model.prices if row.unit in TIME_UNITS), "second")
    units = schema.price_units(ask, schema.seconds_of(model, ask), unit=unit)
    return price_lines(model.prices, facts, units, now)


def _media_type(model: Model, ask: Ask) -> str:
    name = ask.parameters.get("output_format") or model.defaults.get("output_format")
    return _FORMATS.get(name, "") if isinstance(name, str) else ""
