"""Bridges of their own tell core where callers are, and are believed by their token only."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from core.keyring import admin_token, open_keyring
from gateway.proof.processes import descendants
from reapi.v1 import billing_service_pb2
from reapi.v1.billing_service_pb2_grpc import BillingServiceStub
from tests.role_processes import Role, running_role

pytestmark = pytest.mark.prove

TOKEN = "b" * 32
HOME = "203.0.113.7"
BALANCE = "/api/v1/balance"


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator["House"]:
    with tempfile.TemporaryDirectory(prefix="reapi-") as sockets, ExitStack() as stack:
        yield House(tmp_path, f"unix:{sockets}/core.sock", database_url, stack)


class House:
    """A core on a Unix socket and on loopback, and bridges in front of it."""

    def __init__(self, folder: Path, way: str, database_url: str, stack: ExitStack) -> None:
        self._folder, self._way, self._stack = folder, way, stack
        self.core = stack.enter_context(
            running_role(
                "core",
                folder,
                REAPI_HOME=str(folder / "home"),
                REAPI_DATABASE_URL=database_url,
                REAPI_PUBLIC_URL="http://127.0.0.1:1",
                REAPI_GRPC_BIND=f"{way},127.0.0.1",
                REAPI_GRPC_PORT="0",
                REAPI_BRIDGE_TOKEN=TOKEN,
            )
        )

    def bridge(self, **environment: str) -> httpx.Client:
        role = self._stack.enter_context(
            running_role(
                "bridge",
                self._folder,
                REAPI_CORE=self._way,
                REAPI_TRUSTED_PROXIES="127.0.0.1",
                **environment,
            )
        )
        return self._client(role)

    def _client(self, role: Role) -> httpx.Client:
        url = f"http://127.0.0.1:{role.port('rest')}"
        return self._stack.enter_context(httpx.Client(base_url=url, timeout=60, trust_env=False))

    def account(self, rest: httpx.Client) -> dict[str, str]:
        """The headers of a new account's key."""
        keyring = open_keyring(self._folder / "home" / "secrets.json")
        operator = {"authorization": f"Bearer {admin_token(keyring)}"}
        made = rest.post("/api/v1/admin/accounts", json={"name": "test"}, headers=operator)
        return {"authorization": f"Bearer {made.json()['api_key']}"}


def key(rest: httpx.Client, owner: dict[str, str], **fields: Any) -> dict[str, str]:
    made = rest.post("/api/v1/api_keys", json=fields, headers=owner)
    assert made.status_code == 200, made.text
    return {"authorization": f"Bearer {made.json()['secret']}"}


def code(answer: httpx.Response) -> str:
    return str(answer.json().get("error", {}).get("code", answer.status_code))


def test_a_bridge_is_believed_by_its_token_and_native_callers_are_where_they_are(
    house: House,
) -> None:
    known, unknown = house.bridge(REAPI_BRIDGE_TOKEN=TOKEN), house.bridge()
    owner = house.account(known)
    tied = key(known, owner, allowed_networks=[HOME])
    local = key(known, owner, allowed_networks=["127.0.0.0/8"])
    at_home = {"x-forwarded-for": HOME}

    assert code(known.get(BALANCE, headers={**tied, **at_home})) == "200"
    assert code(known.get(BALANCE, headers=tied)) == "network_not_allowed"
    refused = unknown.get(BALANCE, headers={**tied, **at_home})
    assert code(refused) == "network_not_allowed"
    assert "REAPI_BRIDGE_TOKEN" in refused.json()["error"]["message"]
    assert code(unknown.get(BALANCE, headers=local)) == "network_not_allowed"
    assert code(unknown.get(BALANCE, headers=owner)) == "200"
    for headers in (tied, local):
        spoofed = [("x-reapi-client-ip", HOME), ("x-reapi-bridge", "x" * 32)]
        assert native(house, headers, spoofed) is grpc.StatusCode.PERMISSION_DENIED
    assert native(house, tied, []) is grpc.StatusCode.PERMISSION_DENIED
    assert native(house, local, []) is grpc.StatusCode.OK


def native(house: House, headers: dict[str, str], more: list[tuple[str, str]]) -> grpc.StatusCode:
    """What a gRPC caller on this machine is told."""
    with grpc.insecure_channel(f"127.0.0.1:{house.core.port('grpc')}") as channel:
        metadata = [*headers.items(), *more]
        try:
            BillingServiceStub(channel).GetBalance(
                billing_service_pb2.GetBalanceRequest(), metadata=metadata, timeout=10
            )
        except grpc.RpcError as error:
            found: grpc.StatusCode = error.code()
            return found
    return grpc.StatusCode.OK


def test_a_core_starts_its_simulator_with_the_first_test_and_ends_it(house: House) -> None:
    rest = house.bridge(REAPI_BRIDGE_TOKEN=TOKEN)
    owner = house.account(rest)
    tester = key(rest, owner, mode="MODE_TEST")
    assert not descendants(house.core.process.pid)
    body = {"model": "gpt-image-2", "prompt": "a pear", "size": "1024x1024", "quality": "low"}
    made = rest.post("/v1/images/generations", json=body, headers=tester)

    assert made.status_code == 200, made.text
    assert made.headers["x-reapi-sandbox"] == "true"
    started = descendants(house.core.process.pid)
    assert len(started) == 1
    live = rest.post("/v1/images/generations", json=body, headers=owner)
    assert code(live) in ("insufficient_quota", "no_channel")
    assert house.core.stop() == 0
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
