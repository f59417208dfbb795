"""A REST bridge in a process of its own, on a real gRPC channel: `python -m tests.remote_bridge`.

Prints its port once it listens, and ends when standard input does.
"""

import asyncio
import sys

import grpc
import uvloop

from gateway import contract
from rest_bridge.app import create_app
from rest_bridge.server import HttpServer
from rest_bridge.settings import BridgeSettings

OPTIONS = [("grpc.max_receive_message_length", 8 << 20), ("grpc.max_send_message_length", 8 << 20)]


async def main(address: str) -> None:
    contract.redact()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        server = HttpServer(create_app(channel, BridgeSettings()), "127.0.0.1", 0)
        await server.start()
        print(server.port, flush=True)
        await ended.wait()
        await server.stop(0.5)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
