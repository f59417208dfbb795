"""The fields of requests for jobs: `/v1/videos`, and reAPI's for images, videos and sounds.

Both dialects name the same wishes in their own words. Names are mapped here and
types checked; values go to core as they came, which knows what each model takes. A
field that nobody knows travels as an extra, and core refuses it by its name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from reapi.v1 import generation_service_pb2, parameters_pb2
from rest_bridge.attachments import Attachment, place, wrong_type
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange
from rest_bridge.image_fields import Home, Known, check_width
from rest_bridge.json_values import param_value
from rest_bridge.quote_tokens import quote_token
from rest_bridge.routing_header import routing

MAXIMUM_INPUTS: Final = 32
"""Files and links of one request: as many attachments as core takes."""
_DURATION: Final = "duration"
_LONGEST_INTEGER: Final = 20

_TEXTS = (
    "prompt",
    "negative_prompt",
    "size",
    "aspect_ratio",
    "resolution",
    "quality",
    "background",
    "output_format",
    "moderation",
    "voice",
)
FIELDS: Mapping[str, Known] = {
    **{name: Known(str, Home.PARAMETER, name) for name in _TEXTS},
    "n": Known(int, Home.PARAMETER, "output_count"),
    "output_compression": Known(int, Home.PARAMETER, "output_compression"),
    "seed": Known(int, Home.PARAMETER, "seed"),
    "seconds": Known(int, Home.PARAMETER, _DURATION),
    "duration": Known(int, Home.PARAMETER, _DURATION),
    "generate_audio": Known(bool, Home.PARAMETER, "with_audio"),
    "with_audio": Known(bool, Home.PARAMETER, "with_audio"),
    "user": Known(str, Home.PARAMETER, "end_user_id"),
    "safety_identifier": Known(str, Home.PARAMETER, "end_user_id"),
    "model": Known(str, Home.REQUEST, "model"),
    "callback_url": Known(str, Home.REQUEST, "callback_url"),
    "quote_token": Known(str, Home.REQUEST, "quote_token"),
    "watermark": Known(bool, Home.EXTRA, "watermark"),
    "return_last_frame": Known(bool, Home.EXTRA, "return_last_frame"),
    "instructions": Known(str, Home.EXTRA, "instructions"),
}
"""What is known by name in both dialects. OpenAI's `seconds` and reAPI's `duration` are one."""

_TYPE_NAMES: Mapping[type, str] = {str: "a string", int: "an integer", bool: "a boolean"}


@dataclass(slots=True)
class Job:
    """What the fields and the files of a request add up to."""

    names: dict[str, str]
    """The contract's name of a parameter → the caller's: errors use the latter."""
    parameters: parameters_pb2.Parameters = field(
        default_factory=parameters_pb2.Parameters, repr=False
    )
    model: str = ""
    callback_url: str = field(default="", repr=False)
    quote_token: str = field(default="", repr=False)
    files: list[bytes | bytearray] = field(default_factory=list, repr=False)

    def attach(self, attachments: list[Attachment], maximum_bytes: int) -> None:
        """Make *attachments* the inputs, in order. Raises the errors of `place`."""
        if len(attachments) > MAXIMUM_INPUTS:
            raise ApiError(
                "INVALID_PARAMETER",
                f"At most {MAXIMUM_INPUTS} inputs are accepted.",
                parameter=attachments[MAXIMUM_INPUTS].parameter,
            )
        self.files = place(self.parameters, attachments, maximum_bytes)
        self.names |= {f"inputs[{i}]": a.parameter for i, a in enumerate(attachments)}

    def spec(self, exchange: Exchange) -> generation_service_pb2.GenerationSpec:
        """The request in the contract's words. Raises MISSING_PARAMETER without a model."""
        if not self.model:
            raise ApiError(
                "MISSING_PARAMETER", "Missing required parameter: 'model'.", parameter="model"
            )
        return generation_service_pb2.GenerationSpec(
            model=self.model,
            parameters=self.parameters,
            request_id=exchange.idempotency_key(),
            callback_url=self.callback_url,
            quote_token=quote_token(exchange, self.quote_token),
            retry_number=exchange.retry_number(),
            endpoint=exchange.endpoint,
            routing=routing(exchange),
        )

    def renamed(self, error: ApiError) -> ApiError:
        """*error* of core's with the parameter as the caller called it."""
        name = error.metadata.get("parameter", "")
        error.parameter = error.parameter or self.names.get(name, "")
        return error


def read_fields(values: Iterable[tuple[str, object]], names: Mapping[str, str]) -> Job:
    """Read fields with JSON values; null means absent. *names* are the dialect's own.

    Raises INVALID_TYPE, and INVALID_PARAMETER for one wish under two names.
    """
    job = Job(dict(names))
    seen: dict[str, str] = {}
    for name, value in values:
        if value is None:
            continue
        known = FIELDS.get(name)
        if known is None:
            job.parameters.extras[name].CopyFrom(param_value(value, name))
            continue
        other = seen.setdefault(known.target, name)
        if other != name:
            raise ApiError(
                "INVALID_PARAMETER",
                f"`{other}` and `{name}` mean the same: give one of them.",
                parameter=name,
            )
        job.names[known.target] = name
        _put(job, known, name, value)
    return job


def read_text_field(name: str, text: str) -> object:
    """A form's field as the JSON value it stands for: forms carry texts only."""
    known = FIELDS.get(name)
    if known is None or known.type is str:
        return text
    if known.type is bool and text.lower() in {"true", "false", "1", "0"}:
        return text.lower() in {"true", "1"}
    if known.type is int and (number := _integer(text)) is not None:
        return number
    raise wrong_type(name, _TYPE_NAMES[known.type])


def _put(job: Job, known: Known, name: str, value: object) -> None:
    if known.target == _DURATION and isinstance(value, str):
        value = _integer(value)  # OpenAI's `seconds` is a string, others send a number
    if known.target == _DURATION and isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not known.type:
        raise wrong_type(name, _TYPE_NAMES[known.type])
    if type(value) is int:
        check_width(name, value)
    if known.target == _DURATION:
        assert isinstance(value, int)
        job.parameters.duration.seconds = value
    elif known.home is Home.PARAMETER:
        setattr(job.parameters, known.target, value)
    elif known.home is Home.REQUEST:
        setattr(job, known.target, value)
    else:
        job.parameters.extras[known.target].CopyFrom(param_value(value, name))


def _integer(text: str) -> int | None:
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) < _LONGEST_INTEGER:
        return int(text)
    return None
