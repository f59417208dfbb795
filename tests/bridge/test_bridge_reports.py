"""Every HTTP request is told of once, by route template and status."""

import asyncio

import pytest

from rest_bridge.settings import Served
from tests.fix_bridge import StartBridge


async def test_each_request_is_reported_with_its_route_and_status(start_bridge: StartBridge):
    served: list[Served] = []
    bridge = await start_bridge(report_route=served.append)
    await bridge.http.get("/healthz")
    await bridge.http.get("/v1/no/such/route?prompt=canary")

    assert [(item.endpoint, item.status) for item in served] == [("/healthz", 200), ("", 404)]
    assert "canary" not in str(served)
    assert all(item.request_id.startswith("req_") for item in served)


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip", b"identity"])
async def test_a_transfer_coding_that_is_not_decoded_is_refused(start_bridge: StartBridge, coding):
    bridge = await start_bridge()
    reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
    writer.write(
        b"POST /v1/models HTTP/1.1\r\nhost: x\r\ntransfer-encoding: " + coding + b"\r\n\r\n"
    )
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 400 ")
