"""Users check their own ledger with the script of the documents, and receipts with a key."""

import base64
import importlib.util
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.fix_gateway import ROOT, Gateway
from tests.patience import wait_until

pytestmark = pytest.mark.prove


SCRIPT = ROOT / "docs" / "verify_my_ledger.py"
IMAGE = {"model": "gpt-image-2", "prompt": "a boat", "size": "1024x1024", "quality": "low"}


def read(gateway: Gateway, key: str, path: str, **query: Any) -> Any:
    headers = gateway.headers(key)
    answer = httpx.get(f"{gateway.rest}/api/v1/{path}", headers=headers, params=query, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows(gateway: Gateway, key: str) -> list[Any]:
    return read(gateway, key, "ledger_entries").get("ledger_entries", [])


def make(gateway: Gateway, key: str, **changes: Any) -> httpx.Response:
    headers = gateway.headers(key)
    body = {**IMAGE, **changes}
    return httpx.post(f"{gateway.v1}/images/generations", headers=headers, json=body, timeout=30)


@pytest.fixture(scope="module")
def known(shared_gateway: Gateway) -> tuple[str, str]:
    """The key of an account with one image, which is sealed, and the image's id."""
    _, key = shared_gateway.account("5000")
    made = make(shared_gateway, key)
    wait_until(lambda: len(rows(shared_gateway, key)) == 3, 20)
    return key, made.headers["x-reapi-generation"]


def run(gateway: Gateway, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), gateway.rest, *arguments],
        input=f"{key}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_user_verifies_the_ledger_with_the_script(gateway: Gateway, tmp_path: Path) -> None:
    _, key = gateway.account("5000")
    made = make(gateway, key)
    assert made.status_code == 200, made.text
    wait_until(lambda: len(rows(gateway, key)) == 3, 20)
    memory = tmp_path / "seen.json"

    done = run(gateway, key, str(memory))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("good: 3 rows; ")
    balance = round(float(gateway.balance(key)["credits"]) * 1000)
    assert f"[{balance}, 0, 0]" in done.stdout

    make(gateway, key)
    wait_until(lambda: len(rows(gateway, key)) == 5, 20)
    assert run(gateway, key, str(memory)).returncode == 0

    memory.write_text(json.dumps({**json.loads(memory.read_text()), "digest": "ab" * 32}))
    refused = run(gateway, key, str(memory))
    assert refused.returncode == 1
    assert "BAD: rows up to 5 are not those that you saw before" in refused.stderr


@pytest.fixture
def script() -> Any:
    spec = importlib.util.spec_from_file_location("verify_my_ledger", SCRIPT)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("what", "number", "field", "value", "found"),
    [
        ("ledger_entries", 1, "posted_micros", "1", "row 2 "),
        ("ledger_entries", 2, "create_time", "2026-01-01T00:00:00Z", "row 3 "),
        ("ledger_entries", 0, "transfer_id", "0" * 32, "row 1 "),
        ("ledger_seals", 0, "seal_time", "2026-01-01T00:00:00Z", "the seal at row "),
        ("ledger_seals", 0, "signature", base64.b64encode(bytes(64)).decode(), "the seal at row "),
        ("ledger_seals", 0, "account", "accounts/" + "0" * 32, "the seal at row "),
    ],
)
def test_the_script_finds_what_was_changed(
    gateway: Gateway,
    known: tuple[str, str],
    script: Any,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    number: int,
    field: str,
    value: str,
    found: str,
) -> None:
    key, _ = known
    download = script.download

    def changed(gateway_url: str, api_key: str, asked: str) -> list[Any]:
        items = list(download(gateway_url, api_key, asked))
        if asked == what:
            items[number] = {**items[number], field: value}
        return items

    monkeypatch.setattr(script, "download", changed)
    with pytest.raises(SystemExit, match=f"BAD: {found}"):
        script.verify(gateway.rest, key, {})


def test_the_operator_verifies_the_whole_ledger_while_it_is_used(
    gateway: Gateway, known: tuple[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "verify-ledger", "--database"],
        cwd=ROOT,
        env={"REAPI_HOME": str(gateway.home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "good: the ledger is what was sealed" in done.stdout


def test_pages_of_the_ledger_follow_each_other(gateway: Gateway, known: tuple[str, str]) -> None:
    key, _ = known
    first = read(gateway, key, "ledger_entries", page_size=2)
    second = read(gateway, key, "ledger_entries", page_size=2, page_token=first["next_page_token"])
    numbers = [int(row["sequence"]) for row in first["ledger_entries"] + second["ledger_entries"]]
    assert numbers == [1, 2, 3]
    assert not second.get("next_page_token")
    later = read(gateway, key, "ledger_entries", after_sequence=2)
    assert [int(row["sequence"]) for row in later["ledger_entries"]] == [3]
    _, other = gateway.account()
    assert not rows(gateway, other)
    headers = gateway.headers(key)
    for query in ({"page_token": "AAAA"}, {"after_sequence": -1}, {"page_size": -1}):
        url = f"{gateway.rest}/api/v1/ledger_seals"
        assert httpx.get(url, headers=headers, params=query, timeout=20).status_code == 400


def public_key(gateway: Gateway, name: str) -> Ed25519PublicKey:
    keys = httpx.get(f"{gateway.rest}/api/v1/ledger_keys", timeout=20).json()["ledger_keys"]
    (raw,) = [base64.b64decode(key["public_key"]) for key in keys if key["name"] == name]
    return Ed25519PublicKey.from_public_bytes(raw)


def test_a_receipt_tells_what_was_paid_for_and_adds_up(
    gateway: Gateway, known: tuple[str, str]
) -> None:
    key, id_ = known
    answer = read(gateway, key, f"generations/{id_}/receipt")["receipt"]

    payload = base64.b64decode(answer["signed_payload"])
    signer = public_key(gateway, answer["ledger_key"])
    signer.verify(base64.b64decode(answer["signature"]), payload)
    with pytest.raises(InvalidSignature):
        signer.verify(base64.b64decode(answer["signature"]), payload.replace(b"1", b"2", 1))
    facts = json.loads(payload)
    charged = int(answer["charged_micros"])
    assert charged > 0
    assert sum(int(line["amount_micros"]) for line in answer["price_lines"]) == charged
    assert sum(line["amount_micros"] for line in facts["price_lines"]) == charged
    kinds = [item["kind"] for item in answer["transactions"]]
    assert kinds == ["TRANSACTION_KIND_HOLD", "TRANSACTION_KIND_SETTLE"]
    assert int(answer["transactions"][1]["posted_micros"]) == -charged
    assert [item["kind"] for item in facts["transactions"]] == ["hold", "settle"]
    in_ledger = {row["transfer_id"] for row in rows(gateway, key)}
    assert {item["transfer_id"] for item in facts["transactions"]} < in_ledger
    assert facts["attempts"][-1]["fault"] == ""
    assert facts["state"] == "succeeded"
    assert facts["generation"] == answer["generation"]
    age = datetime.now(UTC) - datetime.fromisoformat(facts["issue_time"])
    assert abs(age) < timedelta(minutes=1)


def test_what_failed_has_a_receipt_of_nothing(gateway: Gateway) -> None:
    _, key = gateway.account("5000")
    make(gateway, key)
    for channel in gateway.calls():
        gateway.fault(channel, kind="status", status=500)
    refused = make(gateway, key)
    assert refused.status_code >= 400
    id_ = refused.headers["x-reapi-generation"]

    answer = read(gateway, key, f"generations/{id_}/receipt")["receipt"]

    facts = json.loads(base64.b64decode(answer["signed_payload"]))
    assert facts["state"] == "failed"
    assert (facts["charged_micros"], facts["price_lines"]) == (0, [])
    assert [item["kind"] for item in facts["transactions"]] == ["hold", "void"]
    assert all(attempt["fault"] for attempt in facts["attempts"])


def test_a_receipt_is_its_accounts_alone_and_needs_an_end(
    gateway: Gateway, known: tuple[str, str]
) -> None:
    key, id_ = known
    _, other = gateway.account("5000")
    for path in (f"generations/{id_}/receipt", f"generations/{'0' * 32}/receipt"):
        url = f"{gateway.rest}/api/v1/{path}"
        assert httpx.get(url, headers=gateway.headers(other), timeout=20).status_code == 404
    _, key = gateway.account("5000")
    gateway.settings(image="tiny", latency_ms=3000)
    url = f"{gateway.rest}/api/v1/images/generations"
    task = httpx.post(url, headers=gateway.headers(key), json=IMAGE, timeout=20)
    name = task.json()["id"]
    url = f"{gateway.rest}/api/v1/generations/{name}/receipt"
    early = httpx.get(url, headers=gateway.headers(key), timeout=20)
    assert early.status_code == 409, early.text
