"""JSON as callers send it: parsed without echoing content, and turned into ParamValue."""

from collections.abc import Mapping
from typing import Final

import orjson

from reapi.v1 import parameters_pb2
from rest_bridge.errors import ApiError

JsonObject = dict[str, object]

_DEEPEST: Final = 16
"""Nesting of a value; the wire format allows about twice as much."""
_INT64: Final = range(-(2**63), 2**63)


def parse_object(body: bytes | bytearray) -> JsonObject:
    """The JSON object in *body*. Raises MALFORMED_REQUEST."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        # The exception holds the document: it goes no further.
        value = None
    if isinstance(value, dict):
        return value
    raise ApiError(
        "MALFORMED_REQUEST",
        "We could not parse the JSON body of your request. The API expects a JSON object.",
    )


def param_value(value: object, name: str, depth: int = 0) -> parameters_pb2.ParamValue:
    """*value* as the contract carries it; *name* is what the caller calls it.

    Members that are null are left out. Raises INVALID_TYPE for null in a list and
    for deep nesting, INVALID_PARAMETER for an integer beyond 64 bits.
    """
    if isinstance(value, str):
        return parameters_pb2.ParamValue(text=value)
    if isinstance(value, bool):
        return parameters_pb2.ParamValue(flag=value)
    if isinstance(value, int):
        if value not in _INT64:
            raise ApiError("INVALID_PARAMETER", f"`{name}` is too large.", parameter=name)
        return parameters_pb2.ParamValue(integer=value)
    if isinstance(value, float):
        return parameters_pb2.ParamValue(number=value)
    if depth < _DEEPEST and isinstance(value, list):
        items = [
            param_value(item, f"{name}[{index}]", depth + 1) for index, item in enumerate(value)
        ]
        return parameters_pb2.ParamValue(list=parameters_pb2.ParamList(items=items))
    if depth < _DEEPEST and isinstance(value, dict):
        fields: Mapping[str, parameters_pb2.ParamValue] = {
            key: param_value(item, f"{name}.{key}", depth + 1)
            for key, item in value.items()
            if item is not None
        }
        return parameters_pb2.ParamValue(object=parameters_pb2.ParamObject(fields=fields))
    raise ApiError("INVALID_TYPE", f"`{name}` has a value of the wrong type.", parameter=name)
