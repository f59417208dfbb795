"""Simulated fal and Replicate: nothing is kept of what they are asked, and nothing upsets them."""

import contextlib
import json
import uuid

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import Fault, Knobs, SimulatedChannel, Simulator
from simulator.answer import Incoming
from simulator.endpoint_fields import Problem
from simulator.endpoint_orders import read_order
from simulator.fal import Fal
from simulator.fal_endpoints import ENDPOINTS
from simulator.fal_errors import input_error as fal_error
from simulator.images import ImageCache
from simulator.replicate import Replicate
from simulator.replicate_errors import input_error as replicate_error
from simulator.replicate_models import MODELS
from simulator.videos import VideoCache
from tests.simulator.test_simulator_privacy import holders

KEYS = {"fal": "Key secret-key", "replicate": "Bearer secret-key"}
PATHS = {"fal": "/fal-ai/veo3.1", "replicate": "/v1/models/google/veo-3.1/predictions"}
ALL = {
    **{("fal", name): one for name, one in ENDPOINTS.items()},
    **{("r", n): m for n, m in MODELS.items()},
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3)


@pytest.fixture
async def simulator():
    async with Simulator([SimulatedChannel(name, "secret-key", name) for name in KEYS]) as opened:
        opened.configure(Knobs(queue_ms=0, run_ms=0))
        yield opened


async def ask(simulator, name, method, path, body=None, data=None):
    async with (
        aiohttp.ClientSession(headers={"authorization": KEYS[name]}) as session,
        session.request(method, simulator.base_url(name) + path, json=body, data=data) as response,
    ):
        return response.status, await response.json()


def wrapped(name, inputs):
    return inputs if name == "fal" else {"input": inputs}


@pytest.mark.prove
@pytest.mark.parametrize("name", KEYS)
async def test_no_word_of_a_request_is_kept(simulator, name):
    canary = f"canary-{uuid.uuid4()}"
    for inputs in (
        {"prompt": canary},
        {"prompt": f"moderation_blocked {canary}"},
        {"prompt": "a fox", "duration": canary},
        {"prompt": "a fox", canary: 1},
        {"prompt": "a fox", "negative_prompt": canary, "seed": 5},
    ):
        await ask(simulator, name, "POST", PATHS[name], wrapped(name, inputs))
    await ask(simulator, name, "POST", PATHS[name], data=canary.encode())
    inputs = None

    assert simulator.books()[name].made
    assert holders(canary) == []


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("fault", [Fault("empty"), Fault("empty", variant="no_image")])
async def test_an_empty_submit_makes_a_job_and_does_not_say_which(simulator, name, fault):
    await simulator.set_fault(name, fault)
    _, made = await ask(simulator, name, "POST", PATHS[name], wrapped(name, {"prompt": "a fox"}))

    assert not made.get("id")
    assert not made.get("request_id")
    assert simulator.books()[name].made == 1


@pytest.mark.parametrize("name", KEYS)
async def test_what_is_not_json_is_refused_and_an_unknown_path_is_none(simulator, name):
    for data, statuses in ((b"{", {400, 422}), (b"[]", {400, 422})):
        status, body = await ask(simulator, name, "POST", PATHS[name], data=data)
        assert status in statuses
        assert "detail" in body
    assert (await ask(simulator, name, "GET", "/unknown"))[0] == 404
    assert simulator.calls.newest()[-1].path == "(other)"


@pytest.mark.parametrize("name", KEYS)
async def test_too_many_unfinished_jobs_are_refused(simulator, name):
    simulator.configure(Knobs(run_ms=60_000, max_unfinished=1))
    body = wrapped(name, {"prompt": "a fox"})

    assert (await ask(simulator, name, "POST", PATHS[name], body))[0] in {200, 201}
    assert (await ask(simulator, name, "POST", PATHS[name], body))[0] == 429


@pytest.mark.parametrize("name", KEYS)
async def test_a_fault_of_files_leaves_the_queue_alone(simulator, name):
    await simulator.set_fault(name, Fault("status", status=500, on="file"))
    status, _ = await ask(simulator, name, "POST", PATHS[name], wrapped(name, {"prompt": "a fox"}))

    assert status in {200, 201}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_asked_for_is_an_order_or_a_problem(data):
    (_, name), endpoint = data.draw(st.sampled_from(sorted(ALL.items(), key=lambda one: one[0])))
    known = {
        field: VALUES | st.sampled_from([*one.words, "data:image/png;base64,AAAA", 1, 8, "x"])
        for field, one in endpoint.fields.items()
    }
    given_values = data.draw(st.fixed_dictionaries({}, optional=known))
    try:
        order = read_order(name, endpoint, given_values)
    except Problem as problem:
        for error in (fal_error(problem), replicate_error(problem)):
            assert error.status == 422
        return
    assert 1 <= order.count <= 36
    assert 2 <= order.width <= 8192
    assert 2 <= order.height <= 8192
    assert 1 <= order.seconds <= 600
    assert json.dumps(dict(order.shown))


@pytest.mark.parametrize("make", [Fal, Replicate])
@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()))
async def test_whatever_body_comes_is_answered(make, body):
    name = make.__name__.lower()
    dialect = make("secret-key", ImageCache(0), VideoCache())
    incoming = Incoming(
        "POST",
        PATHS[name],
        {"authorization": KEYS[name]},
        body,
        Knobs(),
        0.0,
        query="fal_webhook=x",
    )
    answer = await dialect.answer(incoming)

    with contextlib.suppress(UnicodeDecodeError):
        body.decode()
    assert answer.status < 500
    assert json.loads(answer.frames[0])
