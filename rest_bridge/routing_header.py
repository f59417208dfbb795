"""The header `x-reapi-routing`: which channels and regions a caller allows (semantics.md 33)."""

import re
from collections.abc import Mapping
from typing import Final

from reapi.v1.generation_service_pb2 import RoutingPreference
from rest_bridge.errors import ApiError
from rest_bridge.exchange import Exchange

HEADER: Final = "x-reapi-routing"
_KEY: Final = HEADER.encode()
_FIELDS: Final[Mapping[str, str]] = {
    "only": "only_channels",
    "exclude": "excluded_channels",
    "region": "regions",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_MOST: Final = 64
"""Names of one kind: as many as core takes."""


def routing(exchange: Exchange) -> RoutingPreference | None:
    """What `only=a,b; exclude=c; region=eu` says; None without the header.

    Raises INVALID_PARAMETER naming it: a wish that is not understood must not be lost.
    """
    value = exchange.headers.get(_KEY)
    if value is None:
        return None
    preference = RoutingPreference()
    for item in value.decode("latin-1").split(";"):
        key, _, text = item.partition("=")
        names = [name.strip() for name in text.split(",")]
        field = _FIELDS.get(key.strip())
        if field is None or not all(_NAME.match(name) for name in names):
            raise _invalid(
                "takes `only=`, `exclude=` and `region=`, separated by semicolons, each with "
                "names separated by commas: only=a,b; exclude=c; region=eu."
            )
        getattr(preference, field).extend(names)
        if len(getattr(preference, field)) > _MOST:
            raise _invalid(f"takes at most {_MOST} names of one kind.")
    return preference


def _invalid(what: str) -> ApiError:
    return ApiError("INVALID_PARAMETER", f"The header {HEADER} {what}", parameter=HEADER)
