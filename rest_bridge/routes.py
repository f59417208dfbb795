"""Every route of the bridge, in one table."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import grpc

from reapi.v1.generation_service_pb2_grpc import GenerationServiceStub
from reapi.v1.model_service_pb2_grpc import ModelServiceStub
from rest_bridge.callbacks import Callbacks
from rest_bridge.credentials import Credentials
from rest_bridge.exchange import Exchange
from rest_bridge.health import Health
from rest_bridge.images import Images
from rest_bridge.mail_events import MailEvents
from rest_bridge.media import Media
from rest_bridge.models import Models
from rest_bridge.quotes import Quotes
from rest_bridge.router import Router
from rest_bridge.speech import Speech
from rest_bridge.stripe_events import StripeEvents
from rest_bridge.tasks import Tasks
from rest_bridge.transcoding import Transcoder, bindings
from rest_bridge.videos import Videos

Handler = Callable[[Exchange], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a method of a path."""

    template: str
    handler: Handler
    starts: bool = False
    """Whether it starts a generation."""


STARTS = frozenset(
    {
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/audio/speech",
        "/v1/videos",
        "/api/v1/images/generations",
        "/api/v1/videos/generations",
        "/api/v1/audio/generations",
        "/api/v1/generations",
    }
)
"""Where a POST starts a generation."""

NOT_BUILT: Sequence[tuple[str, str]] = (
    ("POST", "/images/variations"),
    ("POST", "/audio/transcriptions"),
    ("POST", "/audio/translations"),
    ("POST", "/chat/completions"),
    ("POST", "/responses"),
    ("GET", "/responses/{id}"),
    ("DELETE", "/responses/{id}"),
    ("POST", "/responses/{id}/cancel"),
    ("GET", "/responses/{id}/input_items"),
    ("POST", "/embeddings"),
    ("POST", "/moderations"),
    ("POST", "/files"),
    ("GET", "/files"),
    ("GET", "/files/{id}"),
    ("DELETE", "/files/{id}"),
    ("GET", "/files/{id}/content"),
    ("POST", "/batches"),
    ("GET", "/batches"),
    ("GET", "/batches/{id}"),
    ("POST", "/batches/{id}/cancel"),
    ("POST", "/webhook_endpoints"),
    ("GET", "/webhook_endpoints"),
    ("GET", "/webhook_endpoints/{id}"),
    ("POST", "/webhook_endpoints/{id}"),
    ("DELETE", "/webhook_endpoints/{id}"),
    ("POST", "/webhook_endpoints/{id}/rotate_secret"),
    ("POST", "/webhook_endpoints/{id}/test"),
    ("GET", "/webhook_event_types"),
)
"""Routes of OpenAI's contract that come later, under /v1 and without it."""

NOT_BUILT_TASKS: Sequence[tuple[str, str]] = (
    ("GET", "/api/v1/tasks"),
    ("DELETE", "/api/v1/tasks/{id}"),
    ("POST", "/api/v1/tasks/{id}:cancel"),
    ("POST", "/api/v1/tasks/{id}/cancel"),
)
"""The rest of reAPI's own task dialect, which comes later."""


Added = Sequence[tuple[str, str, Handler]]
"""Routes besides those of the contract: method, path, handler."""


def build_routes(channel: grpc.aio.Channel, added: Added = ()) -> Router[Route]:
    """The routes, with handlers that call core over *channel*."""
    router: Router[Route] = Router()
    generations = GenerationServiceStub(channel)
    images, media = Images(generations), Media(generations)
    models, health = Models(ModelServiceStub(channel)), Health(channel)
    credentials = Credentials(channel)
    videos, tasks = Videos(generations, credentials), Tasks(generations)
    built: Sequence[tuple[str, str, Handler]] = (
        ("POST", "/images/generations", images.generations),
        ("POST", "/images/edits", images.edits),
        ("POST", "/audio/speech", Speech(generations).create),
        ("POST", "/videos", videos.create),
        ("GET", "/videos", videos.list),
        ("POST", "/videos/edits", videos.remix),
        ("POST", "/videos/extensions", videos.remix),
        ("POST", "/videos/characters", videos.characters),
        ("GET", "/videos/characters/{id}", videos.characters),
        ("GET", "/videos/{id}", videos.retrieve),
        ("DELETE", "/videos/{id}", videos.delete),
        ("GET", "/videos/{id}/content", videos.content),
        ("POST", "/videos/{id}/remix", videos.remix),
        ("GET", "/models", models.list),
        ("GET", "/models/{id=**}", models.get),
    )
    for method, path, handler in (
        *built,
        *((method, path, credentials.refuse) for method, path in NOT_BUILT),
    ):
        route = _route(method, f"/v1{path}", handler)
        # A base_url without /v1 is a common mistake: forgive it.
        for template in (route.template, path):
            router.add(method, template, route)
    for method, template, handler in (
        ("POST", "/api/v1/images/generations", tasks.create),
        ("POST", "/api/v1/videos/generations", tasks.create),
        ("POST", "/api/v1/audio/generations", tasks.create),
        ("POST", "/api/v1/quotes", Quotes(generations, credentials).create),
        ("GET", "/api/v1/tasks/{id}", tasks.get),
        ("GET", "/api/v1/tasks/{id}/trace", tasks.trace),
        ("POST", "/callbacks/{channel}/{token}", Callbacks(channel).ingest),
        ("POST", "/webhooks/stripe", StripeEvents(channel).ingest),
        ("POST", "/webhooks/resend", MailEvents(channel).ingest),
        *_read("/media/{path=**}", media.read),
        *_read("/healthz", health.alive),
        *_read("/readyz", health.ready),
        *((method, template, credentials.refuse) for method, template in NOT_BUILT_TASKS),
        *added,
    ):
        router.add(method, template, _route(method, template, handler))
    _add_transcoded(router, channel, credentials)
    return router


def _add_transcoded(
    router: Router[Route], channel: grpc.aio.Channel, credentials: Credentials
) -> None:
    for binding in bindings():
        transcoder = Transcoder(channel, binding, credentials)
        route = _route(binding.method, binding.template, transcoder)
        router.add(binding.method, binding.template, route)


def _read(template: str, handler: Handler) -> Sequence[tuple[str, str, Handler]]:
    return (("GET", template, handler), ("HEAD", template, handler))


def _route(method: str, template: str, handler: Handler) -> Route:
    return Route(template, handler, starts=method == "POST" and template in STARTS)
