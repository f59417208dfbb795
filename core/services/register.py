"""Every service of the contract on a server; what is not built answers UNIMPLEMENTED.

Handlers are made from the descriptors instead of the generated base classes, so that a
method of the contract can be missing here, and never a name that the contract lacks.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc import aio
from grpc_reflection.v1alpha.reflection import SERVICE_NAME, enable_server_reflection

from core.errors import GatewayError, Reason
from reapi.v1 import (
    account_service_pb2,
    admin_service_pb2,
    api_key_service_pb2,
    billing_service_pb2,
    chat_service_pb2,
    generation_service_pb2,
    model_service_pb2,
    usage_service_pb2,
    webhook_service_pb2,
)

SERVICES: Final[Mapping[str, ServiceDescriptor]] = {
    service.name: service
    for file in (
        account_service_pb2,
        admin_service_pb2,
        api_key_service_pb2,
        billing_service_pb2,
        chat_service_pb2,
        generation_service_pb2,
        model_service_pb2,
        usage_service_pb2,
        webhook_service_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
}

Behaviour = Callable[[Any, Any], Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_SHAPES: Final[Mapping[tuple[bool, bool], Callable[..., Handler]]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
"""By (requests stream, responses stream)."""


class Services:
    """The contract, served by the servicers that are built."""

    def __init__(self, **built: object | tuple[object, ...]) -> None:
        """*built* maps names of services to objects with methods of the RPCs' names.

        A service may be built of several objects, each with some of its methods.
        """
        self._built: dict[str, dict[str, Behaviour]] = {
            service: _behaviours(
                service, servicers if isinstance(servicers, tuple) else (servicers,)
            )
            for service, servicers in built.items()
        }

    def register(self, server: aio.Server) -> None:
        """Add all of the contract to *server*."""
        for name, service in SERVICES.items():
            built = self._built.get(name, {})
            handlers = {
                method.name: _handler(method, built.get(method.name)) for method in service.methods
            }
            generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
            server.add_generic_rpc_handlers((generic,))


def reflect(server: aio.Server) -> None:
    """Let tools discover the contract (grpc.reflection)."""
    names = [service.full_name for service in SERVICES.values()]
    enable_server_reflection((*names, SERVICE_NAME), server)


def _behaviours(service: str, servicers: tuple[object, ...]) -> dict[str, Behaviour]:
    """The methods of all *servicers*; raises LookupError for one too many."""
    found: dict[str, Behaviour] = {}
    for servicer in servicers:
        for name in filter(lambda name: name[0].isupper(), dir(servicer)):
            if name not in SERVICES[service].methods_by_name:
                raise LookupError(f"not in the contract: {service}.{name}")
            if name in found:
                raise LookupError(f"built twice: {service}.{name}")
            found[name] = getattr(servicer, name)
    return found


def _handler(method: MethodDescriptor, behaviour: Behaviour | None) -> Handler:
    request = message_factory.GetMessageClass(method.input_type)
    response = message_factory.GetMessageClass(method.output_type)
    shape = _SHAPES[method.client_streaming, method.server_streaming]
    return shape(behaviour or _unbuilt(method), request.FromString, response.SerializeToString)


def _unbuilt(method: MethodDescriptor) -> Behaviour:
    endpoint = f"{method.containing_service.name}.{method.name}"

    async def refuse(_request: object, _context: object) -> None:
        raise GatewayError(
            Reason.ENDPOINT_NOT_AVAILABLE,
            "This deployment does not offer this call yet.",
            metadata={"endpoint": endpoint},
        )

    return refuse
