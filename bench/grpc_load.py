"""A closed loop of unary calls: `BillingService.GetBalance`, which reads one row."""

import asyncio
from collections.abc import Sequence
from itertools import cycle
from time import perf_counter

import grpc

from bench.figures import Run, measured
from bench.load import GRACE_SECONDS
from reapi.v1 import billing_service_pb2 as pb
from reapi.v1 import billing_service_pb2_grpc as rpc

CALL_SECONDS = 10.0


async def grpc_load(address: str, keys: Sequence[str], calls: int, seconds: float) -> Run:
    """So many *calls* at once over one channel for *seconds*."""
    latencies: list[float] = []
    errors = 0
    turn = cycle(keys)
    begun = perf_counter()
    ends = begun + seconds

    async with grpc.aio.insecure_channel(address) as channel:
        stub = rpc.BillingServiceStub(channel)

        async def ask() -> None:
            nonlocal errors
            metadata = (("authorization", f"Bearer {next(turn)}"),)
            request = pb.GetBalanceRequest()
            while (sent := perf_counter()) < ends:
                try:
                    await stub.GetBalance(request, metadata=metadata, timeout=CALL_SECONDS)
                except grpc.aio.AioRpcError:
                    errors += 1
                    await asyncio.sleep(0.01)
                else:
                    latencies.append(perf_counter() - sent)

        async with asyncio.timeout(seconds + GRACE_SECONDS), asyncio.TaskGroup() as group:
            for _ in range(calls):
                group.create_task(ask())
    return measured(latencies, (), errors, perf_counter() - begun)
