"""The simulator keeps nothing of what it is asked: no word, no image, no key."""

import asyncio
import gc
import io
import json
import logging
import types
import uuid
from collections.abc import AsyncIterator, Iterable

import aiohttp
import pytest
from fix_simulator import ArkCaller, until
from PIL import Image

from simulator import Fault, Knobs, SimulatedChannel, Simulator
from simulator.answer import Answer, Incoming
from simulator.ark_errors import ArkError, ArkRejected
from simulator.ark_fields import Parameters
from simulator.openai_errors import ApiError, Rejected
from simulator.openai_fields import Fields

# Objects that can reach the whole interpreter; what they hold is reached in other ways too.
PASSED_OVER = (types.ModuleType, types.CodeType, type)


def holders(canary: str) -> list[str]:
    """Name the type of each reachable object that holds a string or bytes with *canary* in it.

    The canary itself, one string object, is the caller's own. The collector does not list every
    container (a dict of strings only is none of its business), so referents are followed too.
    """
    needle = canary.encode()
    gc.collect()
    tracked = gc.get_objects()
    seen = set(map(id, tracked))
    found = []
    pending: list[Iterable[object]] = [tracked]
    while pending:
        unlisted: list[object] = []
        for holder in pending.pop():
            if isinstance(holder, PASSED_OVER):
                continue
            for held in gc.get_referents(holder):
                if isinstance(held, str):
                    guilty = canary in held and held is not canary
                elif isinstance(held, bytes | bytearray):
                    guilty = needle in held and held is not needle
                else:
                    guilty = False
                    if id(held) not in seen and isinstance(held, dict | tuple | list | set):
                        seen.add(id(held))
                        unlisted.append(held)
                if guilty:
                    found.append(f"{type(holder).__module__}.{type(holder).__qualname__}")
        if unlisted:
            pending.append(unlisted)
    return found


def generation(prompt: str, **fields) -> bytes:
    body = {"model": "gpt-image-2", "prompt": prompt, "size": "16x16", **fields}
    return json.dumps(body).encode()


def edit(prompt: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "PNG")
    image = file.getvalue() + prompt.encode()
    lines = [b"--b", b'Content-Disposition: form-data; name="model"', b"", b"gpt-image-2"]
    lines += [b"--b", b'Content-Disposition: form-data; name="prompt"', b"", prompt.encode()]
    lines += [b"--b", b'Content-Disposition: form-data; name="image"; filename="x.png"']
    lines += [b"Content-Type: image/png", b"", image, b"--b--", b""]
    return b"\r\n".join(lines)


class Line:
    """Calls openai-a by hand on new connections, and leaves those open and idle."""

    def __init__(self, simulator: Simulator, key: str) -> None:
        self.simulator = simulator
        self.key = key
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self):
        port = int(self.simulator.base_url("openai-a").rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.writers.append(writer)
        return reader, writer

    async def post(self, operation: str, body: bytes, content_type: str = "application/json"):
        reader, writer = await self.connect()
        writer.write(
            f"POST /v1/images/{operation} HTTP/1.1\r\nhost: x\r\n"
            f"authorization: Bearer {self.key}\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        await reader.read(1)
        await until(
            lambda: all(call.outcome != "running" for call in self.simulator.calls.newest())
        )
        # The reader of this side holds the answer, echoes and all; it goes with this frame.
        writer.transport.pause_reading()
        reader._buffer.clear()


@pytest.fixture
async def line(simulator: Simulator, simulated_credentials) -> AsyncIterator[Line]:
    simulator.configure(Knobs(image="tiny"))
    opened = Line(simulator, simulated_credentials["openai-a"])
    yield opened
    for writer in opened.writers:
        writer.close()


@pytest.mark.prove
async def test_no_object_holds_a_word_of_a_call_while_its_connection_idles(line: Line):
    canary = f"canary-{uuid.uuid4().hex}"
    for body in (
        generation(canary),
        generation(canary, stream=True, partial_images=3),
        generation("x", safety_identifier=canary[:64]),
        generation("x", quality=canary),
        generation("x", **{canary: 1}),
        generation("x", model=canary),
        generation("x", size=canary),
        generation(f"moderation_blocked {canary}"),
        generation(f"moderation_blocked_output {canary}", stream=True),
        generation(canary, n=11),
        b'{"prompt": "' + canary.encode(),
    ):
        await line.post("generations", body)
    await line.post("edits", edit(canary), "multipart/form-data; boundary=b")
    await line.post("edits", edit(canary)[:-9], "multipart/form-data; boundary=b")
    del body

    calls = line.simulator.calls.newest()
    assert [call.outcome for call in calls].count("ok") == 4
    assert {call.outcome for call in calls} == {"ok", "error", "moderated"}
    assert holders(canary) == []
    assert canary not in json.dumps([call.as_json() for call in calls])


@pytest.mark.prove
async def test_no_object_holds_a_word_of_a_call_that_met_a_fault(line: Line):
    canary = f"canary-{uuid.uuid4().hex}"
    for kind in ("status", "cut", "garbage", "empty", "lost", "slow"):
        await line.simulator.set_fault("openai-a", Fault(kind, delay_ms=1))
        await line.post("generations", generation(canary))
    await line.simulator.set_fault("openai-a", Fault("reset"))
    with pytest.raises(ConnectionResetError):
        await line.post("generations", generation(canary))
    # This side's reader keeps the error, whose traceback keeps the frame that sent the words.
    line.writers.pop().close()
    tasks = len(asyncio.all_tasks())
    await line.simulator.set_fault("openai-a", Fault("hang"))
    _, writer = await line.connect()
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(canary))
    writer.write(canary.encode())
    await until(lambda: line.simulator.calls.counts()["openai-a"] == 8)
    writer.close()
    await until(lambda: len(asyncio.all_tasks()) == tasks)
    for _ in range(5):
        # The loop still holds the ended tasks until it has run their callbacks.
        await asyncio.sleep(0)

    assert line.simulator.calls.newest()[-1].outcome == "disconnected"
    assert holders(canary) == []


@pytest.mark.prove
async def test_no_object_holds_a_word_of_a_job_whether_it_runs_failed_or_was_refused(
    ark: Simulator, ark_caller: ArkCaller
):
    canary = f"canary-{uuid.uuid4().hex}"
    ark.configure(Knobs(image="tiny", run_ms=60_000))
    frame = {"type": "image_url", "image_url": {"url": f"https://example.org/{canary}"}}
    for fields in (
        {"prompt": canary},
        {"content": [frame]},
        {"prompt": f"moderation_blocked {canary}"},
        {"prompt": f"moderation_blocked_output {canary}"},
        {"resolution": canary},
        {"model": canary},
        {canary: canary},
    ):
        await ark_caller.submit(**fields)
    for fields in ({"prompt": canary}, {"prompt": "x", "image": canary}, {"size": canary}):
        body = {"model": "seedream-5-0-260128", **fields}
        await ark_caller.send("POST", ark_caller.images, body)
    await ark.set_fault("ark-a", Fault("lost", times=1))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ark_caller.submit(canary)
    # This side's own session holds what it sent; it goes with its connections.
    await ark_caller.session.close()
    del body, fields, frame
    await until(lambda: all(call.outcome != "running" for call in ark.calls.newest()))
    for _ in range(5):
        await asyncio.sleep(0)

    assert ark.books()["ark-a"].made == 5
    assert holders(canary) == []


@pytest.mark.prove
def test_the_search_finds_what_is_kept():
    canary = f"canary-{uuid.uuid4().hex}"
    holder = types.SimpleNamespace(
        text={"x": f"a {canary}"}, data=[(f"b {canary}".encode(),)], bare=bytearray(canary.encode())
    )

    assert sorted(holders(canary)) == ["builtins.dict", "builtins.dict", "builtins.tuple"]
    assert holder


async def test_nothing_is_said_whatever_arrives(
    line: Line, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.DEBUG)
    for raw in (b"\x00\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\n"):
        reader, writer = await line.connect()
        writer.write(raw)
        writer.write_eof()
        await reader.read()
    await line.post("generations", generation("x"))
    await line.post("generations", b"{")

    assert [record.name for record in caplog.records if record.name != "asyncio"] == []
    assert capfd.readouterr() == ("", "")


def test_reprs_show_neither_credentials_nor_bodies():
    secret = "canary-in-a-repr"
    error = ApiError(400, secret, param=secret)
    shown = [
        repr(SimulatedChannel("a", secret)),
        repr(Incoming("POST", "/", {"authorization": secret}, secret.encode(), Knobs(), 0.0)),
        repr(Answer(200, {}, (secret.encode(),))),
        repr(Fields({secret: secret}, from_form=False)),
        repr(Parameters({secret: secret})),
        repr(ArkError(400, "Code", secret, secret)),
        str(ArkRejected(ArkError(400, "Code", secret, secret))),
        repr(Incoming("GET", "/", {}, b"", Knobs(), 0.0, query=secret)),
        repr(error),
        repr(Rejected(error)),
        str(Rejected(error)),
    ]
    assert secret not in " ".join(shown)
