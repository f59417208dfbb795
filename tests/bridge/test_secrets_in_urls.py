"""Secrets travel in headers and bodies: URLs are written down on the way."""

from collections.abc import Iterator
from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor

from reapi.v1 import privacy_pb2
from rest_bridge.transcoding import Binding, bindings


def in_the_url(binding: Binding) -> Iterator[FieldDescriptor]:
    """The fields that a route takes in its path or its query."""
    if binding.body == "*":
        inside = [
            name
            for name in binding.rpc.input_type.fields_by_name
            if f"{{{name}" in binding.template
        ]
    else:
        inside = [name for name in binding.rpc.input_type.fields_by_name if name != binding.body]
    yield from (binding.rpc.input_type.fields_by_name[name] for name in inside)


def test_no_route_takes_a_secret_in_its_path_or_query() -> None:
    secret, privacy_of = privacy_pb2.PRIVACY_CLASS_SECRET, cast(Any, privacy_pb2.privacy)
    found = {
        f"{binding.rpc.name}.{field.name}"
        for binding in bindings()
        for field in in_the_url(binding)
        if field.GetOptions().Extensions[privacy_of] == secret
        and field.name != "request_id"  # opens nothing: it only makes a call idempotent
    }

    assert not found
