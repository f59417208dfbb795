"""Calls that change something, as requests that may come twice (`core.engine.repeats`)."""

from dataclasses import replace
from typing import Final

from google.protobuf.message import Message

from core.body import Body
from core.caller import current_caller
from core.engine.repeats import Request
from core.errors import GatewayError, Reason

_REQUEST_ID_LENGTH: Final = 255
"""Characters: as long as an idempotency key may be."""


def repeatable(message: Message) -> Request:
    """A call that changes something; raises INVALID_PARAMETER for a long request_id."""
    key: str = getattr(message, "request_id", "")
    if len(key) > _REQUEST_ID_LENGTH:
        raise GatewayError(
            Reason.INVALID_PARAMETER,
            f"request_id may have at most {_REQUEST_ID_LENGTH} characters.",
            parameter="request_id",
        )
    contents = type(message)()
    contents.CopyFrom(message)
    contents.ClearField("request_id")
    return Request(
        account_id=current_caller().account_id,
        method=message.DESCRIPTOR.name,
        contents=contents.SerializeToString(deterministic=True),
        key=Body(key) if key else None,
    )


def personal(message: Message) -> Request:
    """The same for a call about the person who is signed in, whatever account they act in: others
    of the account may use the same request_id.
    """
    request = repeatable(message)
    return replace(request, account_id=current_caller().user_id or request.account_id)
