"""The servicers over memory, served and called by pytest-grpc: a caller with the blocking stubs.

The plugin serves with threads; its fixture for the server is replaced by one with grpc.aio.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from typing import Any
from uuid import uuid4

import grpc
import pytest

from reapi.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    billing_service_pb2,
    billing_service_pb2_grpc,
    chat_service_pb2,
    chat_service_pb2_grpc,
    generation_service_pb2_grpc,
    model_service_pb2,
    model_service_pb2_grpc,
)
from reapi.v1 import generation_service_pb2 as pb
from tests.fix_core import METADATA, PNG, TestCore, build_core
from tests.generating import kinds, reason_of, start

SECONDS = 10
PRICE = 7


class AioServer:
    """A grpc.aio server on a thread of its own, with the methods that pytest-grpc calls."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.core: TestCore = self.run(_made())
        self._server: grpc.aio.Server = self.run(_server(self.core))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run *work* on the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    def add_insecure_port(self, address: str) -> None:
        self._server.add_insecure_port(address)

    def start(self) -> None:
        self.run(self._server.start())

    def stop(self, grace: float | None = None) -> None:
        """Stop serving, once: the plugin's fixture and ours both call it."""
        if self._loop.is_running():
            self.run(self._server.stop(grace))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(SECONDS)
            self._loop.close()


async def _made() -> TestCore:
    core = build_core()
    await core.credit(1000)
    return core


async def _server(core: TestCore) -> grpc.aio.Server:
    return grpc.aio.server(interceptors=[core.boundary])


@pytest.fixture(scope="module")
def grpc_addr() -> str:
    """A free port; the plugin's own fixture leaves its probe open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture(scope="module")
def _grpc_server() -> Iterator[AioServer]:
    server = AioServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def grpc_servicer(_grpc_server):
    return _grpc_server.core.services


@pytest.fixture(scope="module")
def grpc_add_to_server():
    """Register every service of the contract at once."""
    return lambda services, server: services.register(server._server)


@pytest.fixture
def core(_grpc_server) -> Iterator[TestCore]:
    """The core with 1,000 credits more, and nothing running at the end."""
    yield _grpc_server.core
    _grpc_server.run(_grpc_server.core.settled())


@pytest.fixture
def generations(grpc_channel):
    return generation_service_pb2_grpc.GenerationServiceStub(grpc_channel)


def balance(grpc_channel):
    stub = billing_service_pb2_grpc.BillingServiceStub(grpc_channel)
    answer = stub.GetBalance(
        billing_service_pb2.GetBalanceRequest(), metadata=METADATA, timeout=SECONDS
    )
    return float(answer.credits), float(answer.held)


def generated(generations, request):
    call = generations.Generate(iter([request]), metadata=METADATA, timeout=SECONDS)
    return [response.event for response in call]


def test_a_generation_streams_to_its_end_and_is_charged_once(grpc_channel, core, generations):
    before, _ = balance(grpc_channel)
    events = generated(generations, start(spec={"inline_outputs": True}))

    assert kinds(events) == ["accepted", "attempt", "output", "usage", "completed"]
    assert events[2].output.data == PNG
    assert balance(grpc_channel) == (before - PRICE, 0)


def test_a_generation_is_found_watched_listed_and_deleted(core, generations):
    name = generated(generations, start())[-1].completed.generation.name
    how = {"metadata": METADATA, "timeout": SECONDS}
    found = generations.GetGeneration(pb.GetGenerationRequest(name=name), **how)
    watched = generations.WatchGeneration(pb.WatchGenerationRequest(name=name), **how)
    listed = generations.ListGenerations(pb.ListGenerationsRequest(page_size=100), **how)

    assert found.generation.name == name
    assert [response.event.WhichOneof("event") for response in watched][-1] == "completed"
    assert name in [generation.name for generation in listed.generations]
    deleted = generations.DeleteGeneration(pb.DeleteGenerationRequest(name=name), **how)
    assert deleted.deleted_asset_count == 1
    with pytest.raises(grpc.RpcError) as caught:
        generations.GetGeneration(pb.GetGenerationRequest(name=name), **how)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_created_generation_ends_by_itself(core, generations):
    spec = start().start.spec
    how = {"metadata": METADATA, "timeout": SECONDS}
    made = generations.CreateGeneration(pb.CreateGenerationRequest(spec=spec), **how).generation
    request = pb.WatchGenerationRequest(name=made.name)
    ends = [response.event for response in generations.WatchGeneration(request, **how)]

    assert ends[-1].completed.generation.charged_micros == 1000 * PRICE


def test_a_repeated_request_id_returns_the_same_generation(grpc_channel, core, generations):
    before, _ = balance(grpc_channel)
    request = start(spec={"request_id": str(uuid4())})
    first, again = generated(generations, request), generated(generations, request)

    assert again[0].accepted.replayed
    assert first[-1].completed.generation.name == again[-1].completed.generation.name
    assert balance(grpc_channel) == (before - PRICE, 0)


@pytest.mark.parametrize(
    ("request_", "metadata", "code", "reason"),
    [
        (start(), (), grpc.StatusCode.UNAUTHENTICATED, "API_KEY_MISSING"),
        (
            start(),
            (("authorization", "Bearer rk_live_bad"),),
            grpc.StatusCode.UNAUTHENTICATED,
            "API_KEY_INVALID",
        ),
        (start(""), METADATA, grpc.StatusCode.INVALID_ARGUMENT, "MISSING_PARAMETER"),
        (start(spec={"model": "none"}), METADATA, grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND"),
        (
            pb.GenerateRequest(cancel=pb.GenerateCancel()),
            METADATA,
            grpc.StatusCode.INVALID_ARGUMENT,
            "MALFORMED_REQUEST",
        ),
    ],
)
def test_a_wrong_call_ends_in_a_status_with_its_reason(
    grpc_channel, core, generations, request_, metadata, code, reason
):
    before = balance(grpc_channel)
    with pytest.raises(grpc.RpcError) as caught:
        list(generations.Generate(iter([request_]), metadata=metadata, timeout=SECONDS))

    assert (caught.value.code(), reason_of(caught.value).reason) == (code, reason)
    assert balance(grpc_channel) == before


def test_a_caller_who_only_closes_the_stream_commits_nothing(grpc_channel, core, generations):
    before = balance(grpc_channel)
    with pytest.raises(grpc.RpcError) as caught:
        list(generations.Generate(iter([]), metadata=METADATA, timeout=SECONDS))

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert balance(grpc_channel) == before


def test_models_are_listed_and_found(grpc_channel, core):
    models = model_service_pb2_grpc.ModelServiceStub(grpc_channel)
    how = {"metadata": METADATA, "timeout": SECONDS}
    listed = models.ListModels(model_service_pb2.ListModelsRequest(), **how).models
    request = model_service_pb2.GetModelRequest(name="models/gpt-image-2")

    assert "models/gpt-image-2" in [model.name for model in listed]
    assert models.GetModel(request, **how).model.name == "models/gpt-image-2"


def test_what_is_not_built_is_unimplemented_with_a_reason(grpc_channel, core):
    chat = chat_service_pb2_grpc.ChatServiceStub(grpc_channel)
    request = chat_service_pb2.CompleteRequest()
    with pytest.raises(grpc.RpcError) as caught:
        list(chat.Complete(request, metadata=METADATA, timeout=SECONDS))

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert reason_of(caught.value).reason == "ENDPOINT_NOT_AVAILABLE"


def test_only_the_operator_may_administer(grpc_channel, core):
    admin = admin_service_pb2_grpc.AdminServiceStub(grpc_channel)
    request = admin_service_pb2.CreateAccountRequest(name="mine")
    with pytest.raises(grpc.RpcError) as caught:
        admin.CreateAccount(request, metadata=METADATA, timeout=SECONDS)

    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
