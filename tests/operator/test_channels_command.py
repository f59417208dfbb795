"""`reapi channels` against two core processes on one database."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from core.keyring import admin_token, open_keyring
from storage.embedded import EmbeddedPostgres
from tests.fix_fleet import CREDENTIAL, ROOT, Upstreams, running_upstreams
from tests.fix_postgres import database
from tests.patience import wait_until
from tests.role_processes import running_role

pytestmark = pytest.mark.prove

PUT = """
[channels.openai]
models = ["gpt-image-2"]
base_url = "{openai}/v1"
[channels.openai-b]
models = ["gpt-image-2"]
base_url = "{other}/v1"
[channels.seedance-byteplus]
base_url = "{seedance}/api/v3"
media_hosts = ["127.0.0.1"]
poll_seconds = 0.3
"""
KEYS = dict.fromkeys(("OPENAI_API_KEY", "OPENAI_API_KEY_B", "BYTEPLUS_ARK_API_KEY"), CREDENTIAL)
IMAGE = {"model": "gpt-image-2", "prompt": "a lighthouse"}
PATIENCE = 20.0
"""Seconds; that a change holds after one, `tests/prove/test_operator_controls.py` shows."""


@dataclass
class Pair:
    """Two cores on one database, each with a bridge in front, and their operator."""

    rests: list[httpx.Client]
    upstreams: Upstreams
    environments: list[dict[str, str]] = field(repr=False)
    database_url: str = field(repr=False)

    def reapi(
        self, *arguments: str, at: int = 0, **changed: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run the command as it is run on the machine of core *at*."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "gateway", "channels", *arguments],
            cwd=ROOT,
            env={**kept, **self.environments[at], **changed},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def done(self, *arguments: str, at: int = 0) -> str:
        """The output of a command that must go well."""
        ended = self.reapi(*arguments, at=at)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def json(self, *arguments: str, at: int = 0) -> Any:
        return json.loads(self.done(*arguments, "--json", at=at))

    def image(self, at: int) -> str:
        """The channel that made an image."""
        answer = self.rests[at].post("/v1/images/generations", json=IMAGE)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-reapi-channel"]


@pytest.fixture(scope="module")
def pair(
    postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    catalogue = folder / "catalogue.toml"
    with ExitStack() as stack:
        upstreams = next(ending := running_upstreams(["openai", "other", "seedance@ark"]))
        stack.callback(ending.close)
        catalogue.write_text(PUT.format(**upstreams.base_urls))
        url = next(dropping := database(postgres_server, "reapi"))
        stack.callback(dropping.close)
        sockets = stack.enter_context(tempfile.TemporaryDirectory(prefix="reapi-"))
        common = {
            "REAPI_HOME": str(folder / "home"),
            "REAPI_DATABASE_URL": url,
            "REAPI_CATALOGUE": str(catalogue),
            "REAPI_PUBLIC_URL": "http://127.0.0.1:1",
            **KEYS,
        }
        environments = [
            {**common, "REAPI_GRPC_BIND": f"unix:{sockets}/{name}.sock"} for name in "ab"
        ]
        rests = []
        for environment in environments:
            stack.enter_context(running_role("core", folder, **environment))
            address = environment["REAPI_GRPC_BIND"]
            bridge = stack.enter_context(running_role("bridge", folder, REAPI_CORE=address))
            base = f"http://127.0.0.1:{bridge.port('rest')}"
            rests.append(
                stack.enter_context(httpx.Client(base_url=base, timeout=30, trust_env=False))
            )
        token = admin_token(open_keyring(folder / "home" / "secrets.json"))
        operator = {"authorization": f"Bearer {token}"}
        made = rests[0].post("/api/v1/admin/accounts", json={"name": "t"}, headers=operator).json()
        rests[0].post(
            f"/api/v1/admin/accounts/{made['id']}:grant",
            json={"credits": "100000", "request_id": "first"},
            headers=operator,
        ).raise_for_status()
        for rest in rests:
            rest.headers["authorization"] = f"Bearer {made['api_key']}"
        yield Pair(rests, upstreams, environments, url)


@pytest.fixture(autouse=True)
def as_written(pair: Pair) -> Iterator[None]:
    """Nothing is changed at the start of a test."""
    yield
    with psycopg.connect(pair.database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM channel_overlay")
    for at in (0, 1):
        wait_until(
            lambda at=at: pair.json("show", "openai", at=at)["admission"] == "open", PATIENCE
        )


def test_a_drain_in_one_process_moves_the_traffic_of_the_other(pair: Pair) -> None:
    assert [pair.image(0), pair.image(1)] == ["openai", "openai"]

    said = pair.done("drain", "openai", at=0)
    assert "openai is draining" in said
    assert pair.image(0) == "openai-b", "there it holds at once"
    wait_until(lambda: pair.image(1) == "openai-b", PATIENCE)
    assert {pair.image(n % 2) for n in range(6)} == {"openai-b"}

    pair.done("open", "openai", at=1)
    wait_until(lambda: [pair.image(0), pair.image(1)] == ["openai", "openai"], PATIENCE)


def test_a_job_on_a_channel_that_is_drained_is_followed_to_its_end(pair: Pair) -> None:
    pair.upstreams.settings(image="tiny", run_ms=3_000)
    ask = {"model": "seedance-2.0", "prompt": "a cat", "seconds": "5"}
    only = {"x-reapi-routing": "only=seedance-byteplus"}
    made = pair.rests[0].post("/v1/videos", json=ask, headers=only)
    assert made.status_code == 200, made.text
    wait_until(lambda: pair.upstreams.calls("seedance") > 0, 10)
    calls = pair.upstreams.calls("seedance")

    pair.done("disable", "seedance-byteplus")
    refused = pair.rests[0].post("/v1/videos", json=ask, headers=only)
    assert refused.status_code == 503, refused.text

    def is_over() -> bool:
        video = pair.rests[0].get(f"/v1/videos/{made.json()['id']}").json()
        assert video["status"] != "failed", video
        return bool(video["status"] == "completed")

    wait_until(is_over, 30)
    assert pair.upstreams.calls("seedance") > calls, "it was looked at"


def test_a_weight_holds_until_the_catalogues_is_asked_for(pair: Pair) -> None:
    written = pair.json("show", "openai")["weight"]
    assert pair.json("weight", "openai", "7")["weight"] == 7
    wait_until(lambda: pair.json("show", "openai", at=1)["weight"] == 7, PATIENCE)
    assert "with weight" in pair.done("weight", "openai", "catalogue")
    assert pair.json("show", "openai")["weight"] == written


def test_channels_are_listed_with_their_health(pair: Pair) -> None:
    pair.image(0)
    lines = pair.done("list", "--model", "gpt-image-2").splitlines()
    assert lines[0].split()[:3] == ["CHANNEL", "ADMISSION", "PRIORITY"]
    row = next(line for line in lines if line.startswith("openai "))
    assert "open" in row
    assert "healthy" in row
    assert "100 %" in row
    assert lines[-1].endswith("--all shows them")

    every = pair.json("list", "--all")
    found = {item["name"]: item for item in every}
    assert len(found) == len(every) > 100, "more than a page"
    assert found["openai-c"]["usable"] is False
    assert "OPENAI_API_KEY_C" in found["openai-c"]["left_out"]
    assert [item["name"] for item in every] == sorted(found)


def test_what_is_shown_of_one_channel_names_each_operation(pair: Pair) -> None:
    pair.image(0)
    text = pair.done("show", "openai")
    assert "gpt-image-2" in text
    assert "operation image.generate, state healthy" in text


def test_an_unknown_channel_is_answered_with_those_that_are_called_alike(pair: Pair) -> None:
    ended = pair.reapi("drain", "opnai")
    assert ended.returncode == 1
    assert "did you mean openai" in ended.stderr
    ended = pair.reapi("show", "zzzzzzzz")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "channels list --all" in ended.stderr


def test_a_wrong_token_is_said_with_the_variable_to_set(pair: Pair) -> None:
    ended = pair.reapi("list", REAPI_ADMIN_TOKEN="ra_wrong")
    assert ended.returncode == 1
    assert "refuses the admin token: set REAPI_ADMIN_TOKEN" in ended.stderr
    assert "ra_wrong" not in ended.stderr
    ended = pair.reapi("list", REAPI_ADMIN_TOKEN="ra_wröng")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "reapi: REAPI_ADMIN_TOKEN is no token: `reapi admin-token` prints it\n"

    token = admin_token(open_keyring(Path(pair.environments[0]["REAPI_HOME"]) / "secrets.json"))
    elsewhere = {"REAPI_HOME": "/nowhere", "REAPI_ADMIN_TOKEN": token}
    assert pair.reapi("list", **elsewhere).returncode == 0
    ended = pair.reapi("list", REAPI_HOME="/nowhere")
    assert ended.returncode == 1
    assert "there is no admin token: set REAPI_ADMIN_TOKEN" in ended.stderr


def test_a_gateway_that_does_not_run_is_said_to(pair: Pair) -> None:
    ended = pair.reapi("list", "--core", "127.0.0.1:1")
    assert ended.returncode == 1
    assert (
        "no gateway can be reached at 127.0.0.1:1 (nobody listens): is it running?" in ended.stderr
    )
    ended = pair.reapi("list", "--core", "elsewhere")
    assert ended.returncode == 2
    assert "REAPI_CORE must be host:port" in ended.stderr


@pytest.mark.parametrize("weight", ["0", "-1", "much", "9999999999", ""])
def test_a_weight_that_is_none_is_a_mistake_of_usage(pair: Pair, weight: str) -> None:
    ended = pair.reapi("weight", "openai", weight)
    assert ended.returncode == 2
    assert ended.stdout == ""


def test_a_weight_that_the_gateway_does_not_take_is_refused_by_it(pair: Pair) -> None:
    ended = pair.reapi("weight", "openai", "2000000")
    assert ended.returncode == 1
    assert "`channel.weight` must be from 1 to 1000000" in ended.stderr


def test_where_a_demo_was_matters_only_where_nothing_else_is_said(
    pair: Pair, tmp_path: Path
) -> None:
    (tmp_path / "demo.json").write_text("{}")
    token = admin_token(open_keyring(Path(pair.environments[0]["REAPI_HOME"]) / "secrets.json"))
    elsewhere = {"REAPI_HOME": str(tmp_path), "REAPI_ADMIN_TOKEN": token}
    assert pair.reapi("list", **elsewhere).returncode == 0

    ended = pair.reapi("list", **elsewhere, REAPI_GRPC_BIND="")
    assert ended.returncode == 1
    assert "demo.json does not say where a gateway is: set REAPI_CORE" in ended.stderr
