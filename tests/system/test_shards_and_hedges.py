"""OpenAI's SDK asks for four images where a call makes one, and for one where the first is slow."""

from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from openai import OpenAI

from tests.books import assert_right, number
from tests.fix_fleet import CREDENTIAL, running_upstreams
from tests.fix_gateway import running

pytestmark = pytest.mark.prove

GEMINI, HEDGED = "shards", "hedged"
LIKE = {GEMINI: "gemini-3.1-flash-image", HEDGED: "gpt-image-2"}
PRICES = {GEMINI: 84, HEDGED: 7}
CREDITS = 10_000
SECONDS = 20.0
"""Longer than any call here takes."""
SIDES = {GEMINI: "gemini", HEDGED: "openai"}
LEARNED = 24
"""Requests after which the gateway knows what is usual of a channel."""
SLOW_MS = 4000


def overlay(urls):
    """Both models on two channels of ours each; the second one opts in to hedges."""
    parts = []
    for model, side in SIDES.items():
        parts.append(f'[models.{model}]\nlike = "{LIKE[model]}"')
        if model == HEDGED:
            parts.append("hedge = true")
        path = "/v1beta" if model == GEMINI else "/v1"
        parts += [
            f"""
[channels.{side}-{name}]
model = "{model}"
dialect = "{side}_images"
upstream_model = "{LIKE[model]}"
base_url = "{urls[f"{side}-{name}"]}{path}"
credential = {{ env = "FLEET_KEY" }}
priority = {priority}
bills_on_cancel = true
maximum_count = {1 if model == GEMINI else 10}
deadlines = {{ connect = 1, first_byte = 10, idle = 10, total = 60 }}
"""
            for priority, name in enumerate(("x", "y"))
        ]
    return "\n".join(parts)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    names = [f"{side}-{name}@{side}" for side in SIDES.values() for name in ("x", "y")]
    for upstreams in running_upstreams(names):
        file = folder / "overlay.toml"
        file.write_text(overlay(upstreams.base_urls), encoding="utf-8")
        with running(folder / "home", REAPI_CATALOGUE=str(file), FLEET_KEY=CREDENTIAL) as gateway:
            yield gateway, upstreams
            with gateway.database() as connection:
                assert_right(connection)
            assert gateway.stop() == 0
            assert "Traceback" not in gateway.log


@pytest.fixture
def client(served):
    gateway, upstreams = served
    upstreams.heal()
    _, key = gateway.account(str(CREDITS))
    with OpenAI(base_url=gateway.v1, api_key=key, max_retries=0, timeout=SECONDS) as client:
        yield client


def spent(served, client):
    balance = served[0].balance(client.api_key)
    assert balance["held"] == "0"
    return CREDITS - int(balance["credits"])


def make(client, model, count=1, prompt="a fox"):
    return client.images.with_raw_response.generate(
        model=model, prompt=prompt, n=count, response_format="b64_json"
    )


def test_four_images_come_of_four_calls_and_are_charged_as_four(served, client):
    before = served[1].calls("gemini-x")
    answer = make(client, GEMINI, 4)

    assert len(answer.parse().data) == 4
    assert served[1].calls("gemini-x") - before == 4
    assert answer.headers["x-reapi-attempts"] == "4"
    assert spent(served, client) == 4 * PRICES[GEMINI]


def test_more_than_the_model_makes_is_refused(client):
    with pytest.raises(openai.BadRequestError) as caught:
        make(client, GEMINI, 5)

    assert caught.value.param == "n"


@pytest.mark.parametrize("kind", ["reset", "garbage", "empty"])
def test_a_channel_that_breaks_in_the_middle_costs_neither_images_nor_money(served, client, kind):
    served[1].fault("gemini-x", kind=kind, times=2)
    answer = make(client, GEMINI, 4)

    assert len(answer.parse().data) == 4
    assert spent(served, client) == 4 * PRICES[GEMINI]


def test_when_both_channels_are_down_nothing_is_charged(served, client):
    for name in ("gemini-x", "gemini-y"):
        served[1].fault(name, kind="status", status=400)
    with pytest.raises(openai.APIStatusError):
        make(client, GEMINI, 4)

    assert spent(served, client) == 0


def test_a_slow_channel_is_hedged_charged_once_and_the_loser_is_the_operator_s(served, client):
    gateway, upstreams = served
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: make(client, HEDGED), range(LEARNED)))
    upstreams.fault("openai-x", kind="slow", delay_ms=SLOW_MS)
    answer = make(client, HEDGED)

    assert answer.headers["x-reapi-channel"] == "openai-y"
    assert spent(served, client) == (LEARNED + 1) * PRICES[HEDGED]
    with gateway.database() as connection:
        lost = number(
            connection, "SELECT sum(amount_micros)::bigint FROM transfer WHERE kind = 'hedge_loss'"
        )
        hedged = number(connection, "SELECT count(*) FROM attempt WHERE is_hedge")
    assert lost % (PRICES[HEDGED] * 1000) == 0
    assert hedged >= 1
