"""Protobuf messages as our words; errors name the field."""

import re
from collections.abc import Sequence

from core.body import Body, Secret
from core.engine.order import Order, ParameterValue, RawInput, Routing
from core.errors import GatewayError, Reason
from core.model import Role
from reapi.v1 import generation_service_pb2 as pb
from reapi.v1 import parameters_pb2 as parameters

_AS_THEY_ARE = frozenset(
    {
        "negative_prompt",
        "size",
        "aspect_ratio",
        "resolution",
        "quality",
        "background",
        "output_format",
        "output_compression",
        "moderation",
        "seed",
        "with_audio",
        "voice",
    }
)
ROLES = {
    parameters.Input.ROLE_UNSPECIFIED: Role.IMAGE,
    parameters.Input.ROLE_IMAGE: Role.IMAGE,
    parameters.Input.ROLE_MASK: Role.MASK,
    parameters.Input.ROLE_FIRST_FRAME: Role.FIRST_FRAME,
    parameters.Input.ROLE_LAST_FRAME: Role.LAST_FRAME,
    parameters.Input.ROLE_VIDEO: Role.VIDEO,
    parameters.Input.ROLE_AUDIO: Role.AUDIO,
}
_REQUEST_ID_LENGTH = 255
MAXIMUM_NAMES = 64
"""Of one kind, in a caller's routing: more channels than a model has."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_INPUT_NAME = re.compile(
    r"(?:image|images|mask|video|audio|first_frame|last_frame|input_reference|reference_images"
    r"|image_urls?|video_urls?|audio_urls?|mask_url|image_with_roles"
    r"|first_frame_image|last_frame_image)"
    r"(?:\[[0-9]{0,3}\])?(?:\.(?:url|image_url))?\Z"
)
"""What a caller may call an input in any dialect: errors name it, and are kept."""
_URL = re.compile(r"(https?://|data:)", re.IGNORECASE)
_ENDPOINTS = frozenset(
    {
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/videos",
        "/v1/audio/speech",
        "/api/v1/images/generations",
        "/api/v1/videos/generations",
        "/api/v1/audio/generations",
        "/api/v1/generations",
    }
)
"""Route templates of bridges. Kept with the generation, so it must be one of these texts."""


_ANYWHERE = Routing()


def order(
    spec: pb.GenerationSpec,
    attachments: Sequence[bytes],
    request_id: str,
    *,
    detached: bool = True,
    ends: float | None = None,
) -> Order:
    """The caller's wish; raises GatewayError naming the parameter."""
    asked, model, key = spec.parameters, spec.model, spec.request_id
    if not model:
        raise GatewayError(Reason.MISSING_PARAMETER, "You must provide a model.", parameter="model")
    if len(key) > _REQUEST_ID_LENGTH:
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            f"The idempotency key may have at most {_REQUEST_ID_LENGTH} characters.",
            parameter="request_id",
        )
    return Order(
        model=model,
        prompt=Body(asked.prompt),
        given=_given(asked),
        inputs=_inputs(asked.inputs, attachments) if asked.inputs else (),
        count=asked.output_count if asked.HasField("output_count") else None,
        partials=spec.partial_count,
        end_user=Body(asked.end_user_id) if asked.end_user_id else None,
        idempotency_key=Body(key) if key else None,
        retry_number=spec.retry_number,
        routing=_routing(spec.routing) if spec.HasField("routing") else _ANYWHERE,
        callback_url=Body(spec.callback_url) if spec.callback_url else None,
        quote_token=Secret(spec.quote_token) if spec.quote_token else None,
        endpoint=spec.endpoint if spec.endpoint in _ENDPOINTS else "",
        request_id=request_id,
        detached=detached,
        ends=ends,
    )


def _given(asked: parameters.Parameters) -> dict[str, ParameterValue]:
    """What was set, by canonical name; the other fields are read where they are needed."""
    given: dict[str, ParameterValue] = {}
    for field, value in asked.ListFields():
        name = field.name
        if name in _AS_THEY_ARE:
            given[name] = value
        elif name == "duration":
            given[name] = value.ToMilliseconds() / 1000
        elif name == "extras":
            given.update({extra: parameter_value(of) for extra, of in value.items()})
    return given


def parameter_value(value: parameters.ParamValue) -> ParameterValue:
    """A JSON-like value."""
    match value.WhichOneof("kind"):
        case "text":
            return value.text
        case "number":
            return value.number
        case "integer":
            return value.integer
        case "flag":
            return value.flag
        case "list":
            return [parameter_value(item) for item in value.list.items]
        case "object":
            return {name: parameter_value(item) for name, item in value.object.fields.items()}
        case _:
            return ""


def _routing(wish: pb.RoutingPreference) -> Routing:
    return Routing(
        _names("only_channels", wish.only_channels),
        _names("excluded_channels", wish.excluded_channels),
        _names("regions", wish.regions),
    )


def _names(field: str, names: Sequence[str]) -> frozenset[str]:
    """Names that could be some; one that could not would be a wish that is silently lost."""
    if len(names) > MAXIMUM_NAMES or not all(_NAME.match(name) for name in names):
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            f"`routing.{field}` takes at most {MAXIMUM_NAMES} names of letters, digits and ._-",
            parameter=f"routing.{field}",
        )
    return frozenset(names)


def _inputs(
    asked: Sequence[parameters.Input], attachments: Sequence[bytes]
) -> tuple[RawInput, ...]:
    return tuple([_input(item, number, attachments) for number, item in enumerate(asked)])


def _input(item: parameters.Input, number: int, attachments: Sequence[bytes]) -> RawInput:
    named = _INPUT_NAME.match(item.parameter)
    name = item.parameter if named is not None else f"inputs[{number}]"
    match item.WhichOneof("source"):
        case "inline":
            data = item.inline
        case "attachment_index" if 0 <= item.attachment_index < len(attachments):
            data = attachments[item.attachment_index]
        case "attachment_index":
            raise GatewayError(
                Reason.INVALID_PARAMETER, "There is no attachment of this index.", parameter=name
            )
        case "uri":
            if not _URL.match(item.uri):
                raise GatewayError(
                    Reason.INVALID_INPUT,
                    f"`{name}` must be an http, https or data URL.",
                    parameter=name,
                )
            role = ROLES.get(item.role, Role.IMAGE)
            return RawInput(role, Body(b""), name, Body(item.uri))
        case _:
            raise GatewayError(Reason.MISSING_PARAMETER, "The input has no source.", parameter=name)
    return RawInput(ROLES.get(item.role, Role.IMAGE), Body(data), name)
