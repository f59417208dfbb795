"""The fields of OpenAI's image requests: their types, and where the contract keeps them.

A field that OpenAI knows is type-checked here; one that nobody knows travels as an
extra, and core answers UNKNOWN_PARAMETER with its name. Ranges and allowed values
are the model's affair: core checks them against its schema.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from reapi.v1 import generation_service_pb2, parameters_pb2
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.json_values import param_value
from rest_bridge.quote_tokens import quote_token
from rest_bridge.routing_header import routing

_INLINE_MODELS = ("gpt-image", "chatgpt-image")
"""Models whose users expect base64 when they name no response_format; the rest get URLs."""


class Home(Enum):
    """Where a field goes."""

    PARAMETER = "a field of Parameters"
    EXTRA = "an extra"
    REQUEST = "a field of ImageRequest"


@dataclass(frozen=True, slots=True)
class Known:
    """A field that is known by name."""

    type: type
    home: Home
    target: str


_STRING_PARAMETERS = (
    "prompt",
    "size",
    "quality",
    "background",
    "output_format",
    "moderation",
    "negative_prompt",
    "aspect_ratio",
    "resolution",
)

FIELDS: Mapping[str, Known] = {
    **{name: Known(str, Home.PARAMETER, name) for name in _STRING_PARAMETERS},
    "n": Known(int, Home.PARAMETER, "output_count"),
    "output_compression": Known(int, Home.PARAMETER, "output_compression"),
    "seed": Known(int, Home.PARAMETER, "seed"),
    "user": Known(str, Home.REQUEST, "user"),
    "safety_identifier": Known(str, Home.REQUEST, "safety_identifier"),
    "model": Known(str, Home.REQUEST, "model"),
    "callback_url": Known(str, Home.REQUEST, "callback_url"),
    "quote_token": Known(str, Home.REQUEST, "quote_token"),
    "response_format": Known(str, Home.REQUEST, "response_format"),
    "stream": Known(bool, Home.REQUEST, "stream"),
    "partial_images": Known(int, Home.REQUEST, "partial_images"),
    "style": Known(str, Home.EXTRA, "style"),
    "complexity": Known(str, Home.EXTRA, "complexity"),
    "input_fidelity": Known(str, Home.EXTRA, "input_fidelity"),
    "frame_count": Known(int, Home.EXTRA, "frame_count"),
    "frame_duration_ms": Known(int, Home.EXTRA, "frame_duration_ms"),
    "svg": Known(dict, Home.EXTRA, "svg"),
}

_TYPE_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "a boolean",
    dict: "an object",
}

_BITS: Mapping[str, int] = {"seed": 64}
"""Width of the integers in the contract, where it is not 32."""


@dataclass(slots=True)
class ImageRequest:
    """What the fields of a request add up to."""

    parameters: parameters_pb2.Parameters = field(
        default_factory=parameters_pb2.Parameters, repr=False
    )
    model: str = ""
    response_format: str = ""
    stream: bool = False
    partial_images: int = 0
    user: str = field(default="", repr=False)
    safety_identifier: str = field(default="", repr=False)
    callback_url: str = field(default="", repr=False)
    quote_token: str = field(default="", repr=False)

    @property
    def inline(self) -> bool:
        """Whether the answer carries the images themselves.

        Streams always do, unless the caller asked for URLs: the events have no
        other field in OpenAI's dialect.
        """
        if self.response_format:
            return self.response_format == "b64_json"
        return self.stream or self.model.startswith(_INLINE_MODELS)

    def spec(self, exchange: Exchange) -> generation_service_pb2.GenerationSpec:
        """The request in the contract's words. Raises MISSING_PARAMETER."""
        parameters = self.parameters
        for name, value in (("model", self.model), ("prompt", parameters.prompt)):
            if not value:
                raise ApiError(
                    "MISSING_PARAMETER", f"Missing required parameter: '{name}'.", parameter=name
                )
        if user := self.safety_identifier or self.user:
            parameters.end_user_id = user
        spec = generation_service_pb2.GenerationSpec(
            model=self.model,
            request_id=exchange.idempotency_key(),
            inline_outputs=self.inline,
            callback_url=self.callback_url,
            quote_token=quote_token(exchange, self.quote_token),
            partial_count=self.partial_images if self.stream else 0,
            retry_number=exchange.retry_number(),
            endpoint=exchange.endpoint,
            routing=routing(exchange),
        )
        spec.parameters.CopyFrom(parameters)  # the constructor's way takes thrice as long
        return spec


def read_fields(values: Iterable[tuple[str, object]]) -> ImageRequest:
    """Read fields with JSON values. Null means absent. Raises INVALID_TYPE, INVALID_PARAMETER."""
    request = ImageRequest()
    parameters = request.parameters
    for name, value in values:
        if value is None:
            continue
        known = FIELDS.get(name)
        if known is None:
            parameters.extras[name].CopyFrom(param_value(value, name))
            continue
        if type(value) is not known.type:
            raise ApiError(
                "INVALID_TYPE",
                f"Invalid type for '{name}': expected {_TYPE_NAMES[known.type]}.",
                parameter=name,
            )
        if type(value) is int:
            check_width(name, value)
        if known.home is Home.PARAMETER:
            setattr(parameters, known.target, value)
        elif known.home is Home.REQUEST:
            setattr(request, known.target, value)
        else:
            parameters.extras[name].CopyFrom(param_value(value, name))
    _check(request)
    return request


def read_text_field(name: str, text: str) -> object:
    """A form's field as the JSON value it stands for: forms carry texts only."""
    known = FIELDS.get(name)
    if known is None or known.type is str:
        return text
    if known.type is bool and text.lower() in {"true", "false", "1", "0"}:
        return text.lower() in {"true", "1"}
    if known.type is int:
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) < 20:
            return int(text)
    raise ApiError(
        "INVALID_TYPE",
        f"Invalid type for '{name}': expected {_TYPE_NAMES[known.type]}.",
        parameter=name,
    )


def check_width(name: str, value: int) -> None:
    """Refuse an integer that the contract's field cannot hold: INVALID_PARAMETER."""
    limit = 1 << (_BITS.get(name, 32) - 1)
    if not -limit <= value < limit:
        raise ApiError("INVALID_PARAMETER", f"`{name}` is out of range.", parameter=name)


def _check(request: ImageRequest) -> None:
    if request.response_format not in {"", "url", "b64_json"}:
        raise ApiError(
            "INVALID_PARAMETER",
            "Invalid value for 'response_format'. Supported values are: 'url' and 'b64_json'.",
            parameter="response_format",
        )
    if not 0 <= request.partial_images <= 3:
        raise ApiError(
            "INVALID_PARAMETER",
            "Invalid value for 'partial_images': expected 0 to 3.",
            parameter="partial_images",
        )
