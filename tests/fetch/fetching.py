"""Fetches of callers' files as tests make them."""

import asyncio
import traceback

import pytest

from core.body import Body
from core.errors import GatewayError, Reason
from core.fetch.caller import CallerFetch
from core.fetch.guard import Limits
from tests.fetch.peers import LOOPBACK, Names

LIMITS = Limits(1 << 20, connect=5, first_byte=5, idle=5, total=10)
CANARY = "canary-7f3a"


def port_of(upstream):
    return upstream.address.rpartition(":")[2]


def url_of(upstream, path=f"/{CANARY}?s={CANARY}", host="a.example"):
    return f"http://{host}:{port_of(upstream)}{path}"


def fetcher(limits=LIMITS, **answers):
    names = Names(**(answers or {"a_example": [["127.0.0.1"]]}))
    return CallerFetch(limits, resolver=names, networks=LOOPBACK)


async def fetch(url, limits=LIMITS, took=lambda size: None, **answers):
    async with fetcher(limits, **answers) as made:
        found = await asyncio.wait_for(made.fetch(Body(url), "image[1]", took), 15)
        return found.reveal()


async def refused(url, limits=LIMITS, **answers):
    """The words of the refusal, which never repeat the URL."""
    with pytest.raises(GatewayError) as caught:
        await fetch(url, limits, **answers)
    error = caught.value
    assert (error.reason, error.parameter) == (Reason.INVALID_INPUT, "image[1]")
    told = error.message + "".join(traceback.format_exception(error)) + repr(error.metadata)
    assert CANARY not in told
    assert "example:" not in told
    return error.message
