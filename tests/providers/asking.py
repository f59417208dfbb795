"""How the driver's tests ask, and the answers they get."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from core.body import Body, Secret
from core.errors import UpstreamError
from core.model import Ask, Channel, Deadlines, Input, Piece, Role
from core.providers import DIALECTS
from core.providers.driver import Driver
from tests.fix_upstream import Peer, Script
from tests.providers.tapes_openai_images import ASK, event

SOON, LATE = 0.08, 20.0
"""Seconds: a deadline that a test waits for, and one that it never reaches."""
EASY = Deadlines(LATE, LATE, LATE, LATE, LATE)
CREDENTIAL = "sk-never-shown"
EVENTS = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
PARTIAL = event("image_generation.partial_image", partial_image_index=0)
COMPLETED = event("image_generation.completed")
MEGABYTE = 1024 * 1024
BULKY = replace(
    ASK, inputs=(Input(Role.IMAGE, Body(bytes(32 * MEGABYTE)), "image/png", parameter="image"),)
)
"""More than the kernel buffers."""


def channel(
    address: str, deadlines: Deadlines = EASY, *, scheme: str = "http", most: int = 1 << 28
) -> Channel:
    """A channel at *address* (`host:port`) that takes answers of at most *most* bytes."""
    return Channel(
        "a",
        "openai_images",
        "gpt-image-2",
        f"{scheme}://{address}/v1",
        Secret(CREDENTIAL),
        deadlines=deadlines,
        maximum_answer_bytes=most,
    )


async def attempt(
    driver: Driver,
    ask: Ask,
    target: Channel,
    take: Callable[[Piece], None],
    budget: float | None = None,
) -> None:
    await driver.attempt(DIALECTS[target.dialect], ask, target, take, budget)


async def asked(driver: Driver, ask: Ask, target: Channel) -> list[Piece]:
    """The pieces of one attempt."""
    found: list[Piece] = []
    await attempt(driver, ask, target, found.append)
    return found


async def failure(
    driver: Driver, ask: Ask, target: Channel, budget: float | None = None
) -> UpstreamError:
    """The failure of one attempt."""
    with pytest.raises(UpstreamError) as caught:
        await attempt(driver, ask, target, _ignore, budget)
    return caught.value


def _ignore(piece: Piece) -> None:
    del piece


async def settled() -> None:
    """Until what was sent has come round the event loop to its other side."""
    for _ in range(20):
        await asyncio.sleep(0)


def hangs_after(*pieces: bytes) -> Script:
    """Send the pieces, then nothing more."""

    async def script(peer: Peer) -> None:
        await peer.send(*pieces)
        await peer.left()

    return script


def resets_after(*pieces: bytes) -> Script:
    """Send the pieces, then break the connection off."""

    async def script(peer: Peer) -> None:
        await peer.send(*pieces)
        peer.reset()

    return script
