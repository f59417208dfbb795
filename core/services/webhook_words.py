"""Webhooks: protobuf messages as our words and back; errors name the field."""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from core.body import Secret
from core.errors import GatewayError, Reason
from core.fetch.addresses import Network, NotAllowedError
from core.fetch.posting import receiver
from core.services.convert import timestamp
from core.services.names import generation_name
from core.webhooks.deliveries import no_delivery
from core.webhooks.endpoints import etag_of, no_endpoint
from core.webhooks.records import Changes, Delivery, Endpoint, EventType, State, message_id
from reapi.v1 import webhook_service_pb2 as pb

_HOUR: Final = 3600.0
_GRACE: Final = 24 * _HOUR
_LONGEST_GRACE: Final = 168 * _HOUR
_NAME_LENGTH: Final = 100
_ENDPOINT = re.compile(r"webhook_endpoints/([0-9a-f]{32})\Z")
_DELIVERY = re.compile(r"webhook_deliveries/(?:msg_)?([0-9a-f]{32})\Z")
_MUTABLE: Final = ("display_name", "uri", "event_types", "disabled")

EVENT_TYPES: Mapping[EventType, pb.WebhookEventType] = {
    EventType.GENERATION_SUCCEEDED: pb.WEBHOOK_EVENT_TYPE_GENERATION_SUCCEEDED,
    EventType.GENERATION_FAILED: pb.WEBHOOK_EVENT_TYPE_GENERATION_FAILED,
    EventType.GENERATION_CANCELLED: pb.WEBHOOK_EVENT_TYPE_GENERATION_CANCELLED,
    EventType.BUDGET_ALERT: pb.WEBHOOK_EVENT_TYPE_BUDGET_ALERT,
    EventType.BALANCE_LOW: pb.WEBHOOK_EVENT_TYPE_BALANCE_LOW,
    EventType.PRICE_INCREASE: pb.WEBHOOK_EVENT_TYPE_PRICE_INCREASE,
    EventType.TEST: pb.WEBHOOK_EVENT_TYPE_TEST,
}
_EVENT_TYPE_OF = {int(number): kind for kind, number in EVENT_TYPES.items()}
STATES: Mapping[State, pb.WebhookDelivery.State] = {
    State.PENDING: pb.WebhookDelivery.STATE_PENDING,
    State.DELIVERED: pb.WebhookDelivery.STATE_DELIVERED,
    State.FAILED: pb.WebhookDelivery.STATE_FAILED,
}
_STATE_OF = {int(number): state for state, number in STATES.items()}


def endpoint_message(item: Endpoint) -> pb.WebhookEndpoint:
    """The resource."""
    message = pb.WebhookEndpoint(
        name=endpoint_name(item.id),
        display_name=item.display_name.reveal(),
        uri=item.url.reveal(),
        event_types=[EVENT_TYPES[kind] for kind in item.event_types],
        disabled=item.disabled,
        create_time=timestamp(item.created_at),
        etag=etag_of(item),
    )
    if item.last_success_at is not None:
        message.last_success_time.CopyFrom(timestamp(item.last_success_at))
    if item.old_secret_expires_at is not None:
        message.old_secret_expire_time.CopyFrom(timestamp(item.old_secret_expires_at))
    return message


def delivery_message(item: Delivery) -> pb.WebhookDelivery:
    """The resource."""
    message = pb.WebhookDelivery(
        name=f"webhook_deliveries/{message_id(item.id)}",
        event_type=EVENT_TYPES[item.event_type],
        state=STATES[item.state],
        try_count=item.try_count,
        http_status=item.http_status,
        fault=item.fault,
        create_time=timestamp(item.created_at),
    )
    if item.endpoint_id is not None:
        message.webhook_endpoint = endpoint_name(item.endpoint_id)
    if item.generation_id is not None:
        message.generation = generation_name(item.generation_id)
    if item.last_try_at is not None:
        message.last_try_time.CopyFrom(timestamp(item.last_try_at))
    if item.next_try_at is not None:
        message.next_try_time.CopyFrom(timestamp(item.next_try_at))
    return message


def endpoint_name(id_: UUID) -> str:
    """`webhook_endpoints/{32 hex digits}`."""
    return f"webhook_endpoints/{id_.hex}"


def endpoint_id(name: str) -> UUID:
    """The id in a name; raises NOT_FOUND."""
    found = _ENDPOINT.match(name)
    if found is None:
        raise no_endpoint()
    return UUID(hex=found[1])


def delivery_id(name: str) -> UUID:
    """The id in a name; raises NOT_FOUND."""
    found = _DELIVERY.match(name)
    if found is None:
        raise no_delivery()
    return UUID(hex=found[1])


def new_endpoint(message: pb.WebhookEndpoint, networks: tuple[Network, ...]) -> Changes:
    """What a new endpoint is to be; raises GatewayError naming the field."""
    if not message.uri:
        raise GatewayError(
            Reason.MISSING_PARAMETER,
            "Give the URL that messages are posted to.",
            parameter="webhook_endpoint.uri",
        )
    return _changes(message, _MUTABLE, networks)


def changes(
    message: pb.WebhookEndpoint, mask: FieldMask | None, networks: tuple[Network, ...]
) -> Changes:
    """What is to change: the fields of *mask*, or those that are set. Raises GatewayError."""
    if mask is None:
        return _changes(message, [name for name in _MUTABLE if getattr(message, name)], networks)
    if any(path not in _MUTABLE for path in mask.paths):
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            f"update_mask may name {', '.join(_MUTABLE)}.",
            parameter="update_mask",
        )
    return _changes(message, mask.paths, networks)


def _changes(
    message: pb.WebhookEndpoint, names: Sequence[str], networks: tuple[Network, ...]
) -> Changes:
    return Changes(
        url=_url(message.uri, networks) if "uri" in names else None,
        display_name=_display_name(message.display_name) if "display_name" in names else None,
        event_types=event_types(message.event_types) if "event_types" in names else None,
        disabled=message.disabled if "disabled" in names else None,
    )


def _url(text: str, networks: tuple[Network, ...]) -> Secret[str]:
    try:
        receiver(text, networks)
    except NotAllowedError:
        pass
    else:
        return Secret(text)
    raise _invalid("webhook_endpoint.uri", "must be a public https URL")


def _display_name(text: str) -> Secret[str]:
    if len(text) > _NAME_LENGTH:
        name = "webhook_endpoint.display_name"
        raise _invalid(name, f"has at most {_NAME_LENGTH} characters")
    return Secret(text)


def event_types(numbers: Sequence[int]) -> Sequence[EventType]:
    """What an endpoint is told about, each once; raises INVALID_PARAMETER."""
    found = []
    for number in numbers:
        kind = _EVENT_TYPE_OF.get(number)
        if kind is None or kind is EventType.TEST:
            raise _invalid("webhook_endpoint.event_types", "names an event that there is not")
        found.append(kind)
    return sorted(set(found))


def states(numbers: Sequence[int]) -> Sequence[State]:
    """Which states are asked for; raises INVALID_PARAMETER."""
    found = [_STATE_OF.get(number) for number in numbers]
    known = [state for state in found if state is not None]
    if len(known) < len(found):
        raise _invalid("states", "names a state that there is not")
    return sorted(set(known))


def grace(duration: Duration | None) -> float:
    """How long an old secret signs too, in seconds; absent is a day. Raises INVALID_PARAMETER."""
    if duration is None:
        return _GRACE
    seconds = duration.seconds + duration.nanos / 1e9
    if not 0 <= seconds <= _LONGEST_GRACE:
        raise _invalid("grace", "must be from 0 seconds to 7 days")
    return seconds


def _invalid(name: str, what: str) -> GatewayError:
    return GatewayError(Reason.INVALID_PARAMETER, f"`{name}` {what}.", parameter=name)
