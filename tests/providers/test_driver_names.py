"""A provider whose name is not found holds up no other provider."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from core.errors import Fault, Phase, UpstreamError
from core.model import Channel, Deadlines
from core.providers.driver import Driver
from tests.fix_upstream import Upstream, http
from tests.providers.asking import LATE, asked, channel, failure
from tests.providers.tapes_openai_images import ASK, answer

_SYSTEMS = socket.getaddrinfo


@dataclass
class NameServer:
    """Finds every name at loopback; but those that begin with "slow" not before *answers*."""

    answers: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def find(self, host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if isinstance(host, str) and host.endswith(".example"):
            self.asked.append(host)
            if host.startswith("slow"):
                self.answers.wait(LATE)
            if host.startswith("unknown"):
                raise socket.gaierror(socket.EAI_NONAME, "unknown")
            host = "127.0.0.1"
        return _SYSTEMS(host, port, *args, **options)


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.find)
    yield server
    server.answers.set()


def at(name: str, upstream: Upstream) -> Channel:
    """A channel at that name; its calls may take as long as a test."""
    found = channel(upstream.address.replace("127.0.0.1", f"{name}.example"))
    return replace(found, name=name)


async def given_up(driver: Driver, target: Channel) -> UpstreamError:
    """The failure of a call that waits a moment for its connection."""
    hasty = replace(target, deadlines=Deadlines(0.05, LATE, LATE, LATE, LATE))
    return await failure(driver, ASK, hasty)


async def test_names_that_are_not_found_hold_up_no_other(
    driver: Driver, upstream: Upstream, names: NameServer
) -> None:
    upstream.plays(http(200, answer(1)))
    slow = [at(f"slow-{number}", upstream) for number in range(16)]
    failures = await asyncio.gather(*(given_up(driver, target) for target in slow))
    async with asyncio.timeout(5):
        await asked(driver, ASK, at("well", upstream))

    assert {(error.fault, error.phase) for error in failures} == {
        (Fault.UNREACHABLE, Phase.CONNECT)
    }
    assert not names.answers.is_set()


async def test_channels_of_one_provider_wait_for_one_lookup(
    driver: Driver, upstream: Upstream, names: NameServer
) -> None:
    upstream.plays(http(200, answer(1)))
    target = at("slow", upstream)
    channels = [replace(target, name=f"slow-{number}") for number in range(3)]
    answers = [asyncio.create_task(asked(driver, ASK, each)) for each in channels]
    failed = await given_up(driver, replace(target, name="hasty"))
    assert names.asked == ["slow.example"]
    names.answers.set()
    await asyncio.gather(*answers)

    assert failed.fault is Fault.UNREACHABLE
    assert names.asked == ["slow.example"]


async def test_a_name_that_nobody_knows_is_unreachable_and_asked_for_again(
    driver: Driver, upstream: Upstream, names: NameServer
) -> None:
    failures = [await failure(driver, ASK, at("unknown", upstream)) for _ in range(2)]

    assert [error.fault for error in failures] == [Fault.UNREACHABLE] * 2
    assert names.asked == ["unknown.example"] * 2
