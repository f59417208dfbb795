"""What the catalogue holds: frozen models, their schemas and prices, and their channels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import combinations
from pathlib import Path

from billing.packs import Offer
from billing.pricing import PriceRow
from core.errors import GatewayError, Reason
from core.model import Channel, Kind, Mode, Role

Value = str | int | float | bool


class Status(StrEnum):
    """Whether a model can be used."""

    ACTIVE = "active"
    COMING_SOON = "coming_soon"
    DEPRECATED = "deprecated"


class ParameterType(StrEnum):
    """What a parameter's value is; a size is `WIDTHxHEIGHT`, or one of its `values`."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    SIZE = "size"
    TEXT = "text"
    """A caller's own words, such as `negative_prompt`: it is never kept."""


@dataclass(frozen=True, slots=True)
class ParameterSchema:
    """What one parameter accepts. Names are those of `reapi.v1.Parameters` and its extras.

    Of a number, `minimum` and `maximum` bound its value; of a string, its length.
    """

    name: str
    type: ParameterType
    required: bool = False
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    default: Value | None = None
    """What absence means. The same value given is left out of an `Ask`, unless it is explicit."""
    explicit: bool = False
    """Whether providers are told the default too: where a price depends on it, theirs must not
    be another."""
    description: str = ""
    automatic: int | None = None
    """Of an integer: the value, outside the bounds too, by which the model chooses its own."""
    multiple_of: int = 1
    """Of an integer, or of both sides of a size."""
    maximum_ratio: float | None = None
    """Of the longer side of a size to the shorter."""
    maximum_side: int | None = None
    maximum_pixels: int | None = None
    modes: frozenset[Mode] = frozenset(Mode)
    """In others it means nothing to the model: it may be given, and is left out."""
    required_in: frozenset[Mode] = frozenset()
    """Modes in which it must be given; of a `prompt`, else every mode without files."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a parameter, one value of it, or an input of a role demands of the rest."""

    parameter: str
    """Empty where it is about an input."""
    input: Role | None = None
    value: str = ""
    """Empty: any value other than the default."""
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    forbidden_with_inputs: bool = False


@dataclass(frozen=True, slots=True)
class InputRule:
    """Which files a model takes in one role."""

    role: Role
    maximum: int
    media_types: tuple[str, ...]
    maximum_bytes: int
    minimum: int = 0
    """How many there must be."""
    same_size_as: Role | None = None
    """The first input of that role must be there and have as many pixels each way."""
    needs: tuple[Role, ...] = ()
    """An input of one of these roles must be there too."""
    excludes: tuple[Role, ...] = ()
    """No input of these roles may be there: each is a mode of its own."""
    minimum_side: int | None = None
    maximum_side: int | None = None
    """Pixels of an image."""
    maximum_ratio: float | None = None
    """Of the longer side of an image to the shorter."""
    minimum_seconds: float | None = None
    maximum_seconds: float | None = None
    """Of each; one whose length cannot be read is the provider's to judge."""
    maximum_total_seconds: float | None = None
    """Of all together."""
    maximum_with: Mapping[Role, int] = field(default_factory=dict)
    """How many there may be, where an input of another role is there."""


@dataclass(frozen=True, slots=True)
class SourceSeconds:
    """How many seconds are billed of what is made from a video."""

    times: int = 1
    """For each second of the source: 2 where it is billed as well as the output."""
    maximum: float | None = None
    """Seconds of the source that are looked at."""
    plus_duration: bool = False
    """Whether the seconds that are asked for come to it."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a caller names."""

    id: str
    display_name: str
    owner: str
    kind: Kind
    status: Status
    created: date
    aliases: tuple[str, ...]
    parameters: Mapping[str, ParameterSchema]
    rules: tuple[Rule, ...]
    inputs: Mapping[Role, InputRule]
    resolutions: Mapping[str, int]
    """Class of a size by its pixels, ascending: `{"1k": 1600000, …}`.

    Empty where `resolution` is a parameter.
    """
    prices: tuple[PriceRow, ...]
    maximum_together: int | None = None
    """Of inputs and outputs, counted together."""
    explicit: Mapping[str, Value] = field(default_factory=dict)
    """The defaults that every `Ask` holds."""
    images_as: tuple[tuple[Role, ...], ...] = ()
    """What one image is, what two are, …, where there are no other files; else references."""
    source_seconds: SourceSeconds | None = None
    """None: a video input does not change for how many seconds is paid."""
    series: bool = False
    """Whether its outputs belong together: several calls cannot make them."""
    hedge: bool = False
    """Whether a second channel is asked when the first takes unusually long."""

    @property
    def maximum_inputs(self) -> int:
        """How many files it takes in all, of roles that may be together."""
        rules = self.inputs.values()
        return max(
            sum(
                min(
                    rule.maximum,
                    *(rule.maximum_with.get(other.role, rule.maximum) for other in mode),
                )
                for rule in mode
            )
            for size in range(len(rules) + 1)
            for mode in combinations(rules, size)
            if not any(one.role in other.excludes for one in mode for other in mode)
        )

    @property
    def defaults(self) -> Mapping[str, Value]:
        """What absent parameters mean."""
        return {
            name: schema.default
            for name, schema in self.parameters.items()
            if schema.default is not None
        }


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that can be asked for, and where. Iterates over the models by id."""

    version: str
    """SHA-256 (hex) of the content, without credentials."""
    models: Mapping[str, Model]
    channels: Mapping[str, Channel]
    """Those that can be used: enabled, with a credential."""
    routes: Mapping[str, tuple[Channel, ...]]
    """By model id, in order of priority."""
    aliases: Mapping[str, str]
    content: str = field(default="", repr=False)
    """What is offered, as JSON: what `version` is the digest of."""
    notes: tuple[str, ...] = ()
    """What an operator should know: channels that were left out, and why."""
    credential_files: tuple[Path, ...] = ()
    """Where credentials of channels are: what is to be read again when it changes."""
    offer: Offer = field(default_factory=Offer)
    """What can be bought with money."""
    costs: Mapping[str, tuple[PriceRow, ...]] = field(default_factory=dict)
    """What providers charge the operator, by channel, as far as it is known."""

    def __iter__(self) -> Iterator[Model]:
        return iter(self.models.values())

    def __len__(self) -> int:
        return len(self.models)

    def model(self, name: str) -> Model:
        """Find a model by id or alias; raises MODEL_NOT_FOUND."""
        model = self.models.get(self.aliases.get(name, name))
        if model is None:
            raise GatewayError(
                Reason.MODEL_NOT_FOUND, "There is no model of this name.", parameter="model"
            )
        return model

    def usable_model(self, name: str) -> Model:
        """Find a model that can be used now; raises MODEL_NOT_FOUND."""
        model = self.model(name)
        if model.status is Status.COMING_SOON:
            raise GatewayError(
                Reason.MODEL_NOT_FOUND, "The model is not available yet.", parameter="model"
            )
        return model

    def channels_of(self, model: Model) -> tuple[Channel, ...]:
        """Give the model's channels in order of priority."""
        return self.routes.get(model.id, ())
