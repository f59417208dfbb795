"""WebhookService: of it, what providers' callbacks need."""

from typing import Any, Final, TypeAlias

from grpc import aio

from core.engine.callbacks import Callbacks
from core.engine.engine import Engine
from core.errors import GatewayError, Reason
from reapi.v1 import webhook_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_LONGEST_TOKEN: Final = 128


class WebhookService:
    """Serves `reapi.v1.WebhookService.IngestProviderCallback`; needs no key: the token is one."""

    def __init__(self, engine: Engine, callbacks: Callbacks) -> None:
        self._engine = engine
        self._callbacks = callbacks

    async def IngestProviderCallback(
        self, request: pb.IngestProviderCallbackRequest, context: Context
    ) -> pb.IngestProviderCallbackResponse:
        """Look at the job that the token names. What was posted is not read."""
        id_ = None
        if len(request.token) <= _LONGEST_TOKEN and request.token.isascii():
            id_ = self._callbacks.generation_of(request.channel, request.token)
        if id_ is None:
            raise GatewayError(Reason.NOT_FOUND, "No such callback.")
        self._engine.hint(id_)
        return pb.IngestProviderCallbackResponse()
