"""reAPI's task dialect: submit, then poll (reapi.md 2)."""

from typing import TYPE_CHECKING

from reapi.v1 import generation_service_pb2
from rest_bridge.exchange import Exchange
from rest_bridge.headers import NO_STORE, headers_of_generation
from rest_bridge.job_answers import submitted_task, task
from rest_bridge.job_submission import submit
from rest_bridge.task_requests import read_task
from rest_bridge.task_trace import task_trace
from rest_bridge.unary import ask

if TYPE_CHECKING:  # the class exists in the stub file only
    from reapi.v1.generation_service_pb2_grpc import GenerationServiceAsyncStub


class Tasks:
    """The endpoints of the task dialect."""

    def __init__(self, stub: "GenerationServiceAsyncStub") -> None:
        self._stub = stub

    async def create(self, exchange: Exchange) -> None:
        """POST /api/v1/{images,videos,audio}/generations."""
        await submit(self._stub, exchange, read_task, submitted_task)

    async def get(self, exchange: Exchange) -> None:
        """GET /api/v1/tasks/{id}: a generation of any kind, under any rendering of its id."""
        name = f"generations/{exchange.arguments['id']}"
        request = generation_service_pb2.GetGenerationRequest(name=name)
        generation = (await ask(self._stub.GetGeneration, request, exchange)).generation
        await exchange.json(task(generation), [NO_STORE, *headers_of_generation(generation)])

    async def trace(self, exchange: Exchange) -> None:
        """GET /api/v1/tasks/{id}/trace: how it was served, so far or in the end."""
        name = f"generations/{exchange.arguments['id']}"
        request = generation_service_pb2.ExplainGenerationRequest(name=name)
        found = await ask(self._stub.ExplainGeneration, request, exchange)
        headers = [NO_STORE, *headers_of_generation(found.generation)]
        await exchange.json(task_trace(found), headers)
