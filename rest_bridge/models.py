"""`/models` and `/models/{id}` in OpenAI's words."""

from typing import TYPE_CHECKING

import grpc
import orjson

from reapi.v1 import model_service_pb2
from rest_bridge.exchange import Exchange
from rest_bridge.rpc_errors import api_error

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.model_service_pb2_grpc import ModelServiceAsyncStub


class Models:
    """The model endpoints."""

    def __init__(self, stub: "ModelServiceAsyncStub") -> None:
        self._stub = stub

    async def list(self, exchange: Exchange) -> None:
        """GET /models: every usable model on one page; OpenAI never pages here."""
        found: list[object] = []
        token = ""
        while True:
            request = model_service_pb2.ListModelsRequest(page_token=token)
            try:
                page = await self._stub.ListModels(
                    request,
                    metadata=exchange.metadata(),
                    timeout=exchange.settings.unary_seconds,
                )
            except grpc.aio.AioRpcError as error:
                raise api_error(error) from None
            found += [
                _object(model)
                for model in page.models
                if model.status != model_service_pb2.Model.STATUS_COMING_SOON
            ]
            token = page.next_page_token
            if not token:
                break
        await exchange.json(orjson.dumps({"object": "list", "data": found}))

    async def get(self, exchange: Exchange) -> None:
        """GET /models/{id}; the id may contain slashes, encoded or not."""
        request = model_service_pb2.GetModelRequest(name=f"models/{exchange.arguments['id']}")
        try:
            response = await self._stub.GetModel(
                request, metadata=exchange.metadata(), timeout=exchange.settings.unary_seconds
            )
        except grpc.aio.AioRpcError as error:
            raise api_error(error) from None
        await exchange.json(orjson.dumps(_object(response.model)))


def _object(model: model_service_pb2.Model) -> object:
    return {
        "id": model.id,
        "object": "model",
        "created": model.create_time.seconds,
        "owned_by": model.owner,
    }
