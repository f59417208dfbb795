"""AdminService: outputs that operators take down."""

from typing import Any, TypeAlias

from grpc import aio

from core.caller import current_network
from core.engine.repeats import Repeats
from core.engine.taking_down import TakingDown, read_link
from core.errors import GatewayError, Reason
from core.services import operator_words as words
from core.services.names import account_name, generation_name
from core.services.repeatable import repeatable
from reapi.v1 import admin_service_pb2 as pb

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


class OperatorAssets:
    """Serves TakeDownAsset of `reapi.v1.AdminService`."""

    def __init__(self, taking_down: TakingDown, repeats: Repeats) -> None:
        self._taking_down = taking_down
        self._repeats = repeats

    async def TakeDownAsset(
        self, request: pb.TakeDownAssetRequest, context: Context
    ) -> pb.TakeDownAssetResponse:
        """Delete an output by its link, for good."""
        if not request.uri:
            raise GatewayError(
                Reason.MISSING_PARAMETER, "Give the link of the output.", parameter="uri"
            )
        link = read_link(request.uri.strip())
        if link is None:
            raise words.invalid("uri", "is no link to an output: …/media/tasks/{id}/{bits}/{n}.png")
        account_id = await self._taking_down.take_down(
            link,
            words.checked_reason(request.reason),
            current_network(),
            self._repeats.of(repeatable(request)),
        )
        if account_id is None:
            raise GatewayError(Reason.ASSET_NOT_FOUND, "No such output; outputs live for 30 days.")
        return pb.TakeDownAssetResponse(
            generation=generation_name(link.generation_id),
            output_index=link.output_index,
            account=account_name(account_id),
        )
