"""WebhookService: endpoints of accounts, messages to them, and what providers call back."""

from typing import Any, Final, TypeAlias
from uuid import UUID

from grpc import aio

from core.caller import current_caller
from core.engine.callbacks import Callbacks
from core.engine.engine import Engine
from core.errors import GatewayError, Reason
from core.services import cursors
from core.services import webhook_words as words
from core.services.convert import timestamp
from core.services.names import generation_id
from core.services.proving import require_verified
from core.services.repeatable import repeatable
from core.webhooks.office import Office
from core.webhooks.records import Filter
from reapi.v1 import webhook_service_pb2 as pb
from storage.pool import Pool

Context: TypeAlias = "aio.ServicerContext[Any, Any]"

_LONGEST_TOKEN: Final = 128
_TESTS_AT_ONCE: Final = 16
"""Of one process: a caller waits for each."""


class WebhookService:
    """Serves `reapi.v1.WebhookService`."""

    def __init__(self, engine: Engine, callbacks: Callbacks, office: Office, pool: Pool) -> None:
        self._engine = engine
        self._pool = pool
        self._callbacks = callbacks
        self._endpoints = office.endpoints
        self._deliveries = office.deliveries
        self._sender = office.sender
        self._networks = office.networks
        self._testing = 0

    async def CreateWebhookEndpoint(
        self, request: pb.CreateWebhookEndpointRequest, context: Context
    ) -> pb.CreateWebhookEndpointResponse:
        """Register a URL; its secret is shown only here."""
        await require_verified(self._pool, current_caller())
        new = words.new_endpoint(request.webhook_endpoint, self._networks)
        made, secret = await self._endpoints.create(repeatable(request), new)
        return pb.CreateWebhookEndpointResponse(
            webhook_endpoint=words.endpoint_message(made),
            secret="" if secret is None else secret.reveal(),
        )

    async def ListWebhookEndpoints(
        self, request: pb.ListWebhookEndpointsRequest, context: Context
    ) -> pb.ListWebhookEndpointsResponse:
        """Read one page, newest first."""
        size = cursors.size_of(request.page_size)
        after = cursors.after(request.page_token, "webhook_endpoints")
        found = await self._endpoints.page(current_caller().account_id, size + 1, after)
        items = found[:size]
        more = len(found) > size
        return pb.ListWebhookEndpointsResponse(
            webhook_endpoints=[words.endpoint_message(item) for item in items],
            next_page_token=cursors.token(items[-1].id, "webhook_endpoints") if more else "",
        )

    async def GetWebhookEndpoint(
        self, request: pb.GetWebhookEndpointRequest, context: Context
    ) -> pb.GetWebhookEndpointResponse:
        """Read one."""
        id_ = words.endpoint_id(request.name)
        item = await self._endpoints.get(current_caller().account_id, id_)
        return pb.GetWebhookEndpointResponse(webhook_endpoint=words.endpoint_message(item))

    async def UpdateWebhookEndpoint(
        self, request: pb.UpdateWebhookEndpointRequest, context: Context
    ) -> pb.UpdateWebhookEndpointResponse:
        """Change one."""
        await require_verified(self._pool, current_caller())
        wanted = request.webhook_endpoint
        id_ = words.endpoint_id(wanted.name)
        mask = request.update_mask if request.HasField("update_mask") else None
        changes = words.changes(wanted, mask, self._networks)
        item = await self._endpoints.update(repeatable(request), id_, changes, wanted.etag)
        return pb.UpdateWebhookEndpointResponse(webhook_endpoint=words.endpoint_message(item))

    async def DeleteWebhookEndpoint(
        self, request: pb.DeleteWebhookEndpointRequest, context: Context
    ) -> pb.DeleteWebhookEndpointResponse:
        """Remove one, and what is on its way to it."""
        await self._endpoints.delete(repeatable(request), words.endpoint_id(request.name))
        return pb.DeleteWebhookEndpointResponse()

    async def RotateWebhookSecret(
        self, request: pb.RotateWebhookSecretRequest, context: Context
    ) -> pb.RotateWebhookSecretResponse:
        """Make a new secret; the old one signs too for a while."""
        await require_verified(self._pool, current_caller())
        grace = words.grace(request.grace if request.HasField("grace") else None)
        id_ = words.endpoint_id(request.name)
        item, secret = await self._endpoints.rotate(repeatable(request), id_, grace)
        return pb.RotateWebhookSecretResponse(
            webhook_endpoint=words.endpoint_message(item),
            secret="" if secret is None else secret.reveal(),
        )

    async def RotateCallbackSecret(
        self, request: pb.RotateCallbackSecretRequest, context: Context
    ) -> pb.RotateCallbackSecretResponse:
        """Make a new secret for callbacks of single requests, or the first one."""
        grace = words.grace(request.grace if request.HasField("grace") else None)
        secret, expires_at = await self._endpoints.rotate_callbacks(repeatable(request), grace)
        return pb.RotateCallbackSecretResponse(
            secret="" if secret is None else secret.reveal(),
            old_secret_expire_time=None if expires_at is None else timestamp(expires_at),
        )

    async def TestWebhookEndpoint(
        self, request: pb.TestWebhookEndpointRequest, context: Context
    ) -> pb.TestWebhookEndpointResponse:
        """Send an example now, once, and tell how it went."""
        if self._testing >= _TESTS_AT_ONCE:
            raise GatewayError(Reason.OVERLOADED, "Too many tests are running.", retry_after=1)
        made = repeatable(request)
        self._testing += 1
        try:
            id_, is_new = await self._deliveries.add_test(made, words.endpoint_id(request.name))
            if is_new:
                await self._sender.send(made.account_id, id_)
        finally:
            self._testing -= 1
        item = await self._deliveries.get(made.account_id, id_)
        return pb.TestWebhookEndpointResponse(webhook_delivery=words.delivery_message(item))

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, context: Context
    ) -> pb.ListWebhookDeliveriesResponse:
        """Read one page of messages, newest first."""
        size = cursors.size_of(request.page_size)
        states = words.states(request.states)
        endpoint = words.endpoint_id(request.webhook_endpoint) if request.webhook_endpoint else None
        generation = generation_id(request.generation) if request.generation else None
        facts = ("webhook_deliveries", endpoint, generation, *states)
        after = cursors.after(request.page_token, *facts)
        which = Filter(size + 1, after, endpoint, generation, states)
        found = await self._deliveries.page(current_caller().account_id, which)
        items = found[:size]
        more = len(found) > size
        return pb.ListWebhookDeliveriesResponse(
            webhook_deliveries=[words.delivery_message(item) for item in items],
            next_page_token=cursors.token(items[-1].id, *facts) if more else "",
        )

    async def RedeliverWebhook(
        self, request: pb.RedeliverWebhookRequest, context: Context
    ) -> pb.RedeliverWebhookResponse:
        """Send a message again."""
        item = await self._deliveries.again(repeatable(request), words.delivery_id(request.name))
        return pb.RedeliverWebhookResponse(webhook_delivery=words.delivery_message(item))

    async def IngestProviderCallback(
        self, request: pb.IngestProviderCallbackRequest, context: Context
    ) -> pb.IngestProviderCallbackResponse:
        """Look at the job that the token names. It needs no key: the token is one.

        What was posted is not read.
        """
        id_: UUID | None = None
        if len(request.token) <= _LONGEST_TOKEN and request.token.isascii():
            id_ = self._callbacks.generation_of(request.channel, request.token)
        if id_ is None:
            raise GatewayError(Reason.NOT_FOUND, "No such callback.")
        self._engine.hint(id_)
        return pb.IngestProviderCallbackResponse()
