"""The catalogue of a running gateway is changed: requests that run notice nothing."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.fix_gateway import Gateway, running
from tests.patience import wait_until

pytestmark = pytest.mark.prove

MINE = """
[models.mine]
like = "gpt-image-2"
prices = [{ unit = "image", credits = "3" }]
"""
SERVED = '[channels.openai-a]\nmodels = ["gpt-image-2", "gpt-image-2-official", "mine"]\n'
DEARER = """
[models.gpt-image-2]
prices = [{ unit = "image", credits = "9" }]
"""
SECONDS = 20.0


def image(gateway: Gateway, model: str = "gpt-image-2") -> httpx.Response:
    return httpx.post(
        f"{gateway.v1}/images/generations",
        json={"model": model, "prompt": "a cat"},
        headers=gateway.headers(),
        timeout=60,
    )


def has(gateway: Gateway, model: str) -> bool:
    url = f"{gateway.v1}/models/{model}"
    return httpx.get(url, headers=gateway.headers(), timeout=20).status_code == 200


def refusals(gateway: Gateway) -> int:
    return gateway.log.count('"CatalogueRefused"')


def test_a_good_change_is_served_and_a_bad_one_is_not(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.toml"
    overlay.write_text("")
    with (
        running(tmp_path / "home", REAPI_CATALOGUE=str(overlay)) as gateway,
        ThreadPoolExecutor(1) as pool,
    ):
        gateway.settings(image="tiny", latency_ms=1500)
        assert not has(gateway, "mine")
        before = pool.submit(image, gateway)
        wait_until(lambda: gateway.calls().get("openai-a"), SECONDS)

        overlay.write_text(MINE + SERVED)
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: has(gateway, "mine"), SECONDS)
        assert not before.done(), "it ran all the while"
        assert before.result().status_code == 200
        assert before.result().headers["x-reapi-credits"] == "7"

        gateway.settings(image="tiny", latency_ms=0)
        mine = image(gateway, "mine")
        assert (mine.status_code, mine.headers["x-reapi-credits"]) == (200, "3")

        # By the watch: without a signal.
        overlay.write_text(MINE + SERVED + DEARER)
        wait_until(lambda: refusals(gateway) == 1, SECONDS)
        assert "add one with an effective_from of" in gateway.log
        assert image(gateway).headers["x-reapi-credits"] == "7"

        overlay.write_text(MINE + "colour = 1\n" + SERVED)
        wait_until(lambda: refusals(gateway) == 2, SECONDS)
        assert "overlay.toml:5: models.mine.colour: unknown key" in gateway.log
        assert has(gateway, "mine")
        assert gateway.stop() == 0
        assert "Traceback" not in gateway.log
