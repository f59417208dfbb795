"""Nothing that is typed about money, keys and quotes is found where it does not belong.

Buying, topping up, redeeming, quoting, budgets and keys go through at log level debug, with canaries
in every text, in what Stripe is told and tells back; then everything is searched, as `test_taint`
does. The twin gives it all away, and is caught.
"""

import sys

import httpx
import pytest

from gateway.proof.canaries import Canaries
from tests.fix_gateway import ROOT, running
from tests.privacy.echoing import echoing_receiver
from tests.privacy.sinks import TYPED_BY_OWNERS, Watcher, search
from tests.privacy.tainted_money import NAME, WRONG, Customer

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]

LEAKY = (str(ROOT / "tests" / "privacy" / "leaky_money.py"),)
GUARDED = {
    "a payment page",
    "an invoice's link",
    "a receipt's link",
    "a quote's token",
    "a promotional code",
    "a key",
}
"""What opens something: the words that the run looks for beside its canaries."""
REMEMBERED = (
    *("checkout, visa", "top-up", "forget", "code", "redeem", "stop"),
    *(f"{NAME}, made", f"{NAME}, changed", "revoked"),
    *("budget", "budget, changed", "budget, gone"),
)
"""Calls that change something: their request ids are digested."""
NOTICES = [f"WEBHOOK_EVENT_TYPE_{name}" for name in ("BUDGET_ALERT", "BALANCE_LOW")]


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def temporary(tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def is_name(finding) -> bool:
    """Whether it is the name of a key in its column, or in the files behind it."""
    is_it = finding.field.startswith(NAME) and "display_name" in finding.field
    return is_it and (finding.sink == "database" or finding.place in TYPED_BY_OWNERS)


async def registered(receiver, customer, http) -> None:
    """An endpoint that is told notices and ends of generations."""
    path = customer.canaries.plant("webhook path")
    receiver.paths[path] = "ok"
    made = await http.post(
        "/api/v1/webhook_endpoints",
        json={
            "uri": f"{receiver.url}/{path}",
            "event_types": [*NOTICES, "WEBHOOK_EVENT_TYPE_GENERATION_SUCCEEDED"],
        },
        headers={"authorization": f"Bearer {customer.key}"},
    )
    assert made.status_code == 200, made.text


async def test_money_leaves_no_text_behind(tmp_path, temporary, canaries):
    environment = {
        "REAPI_LOG_LEVEL": "debug",
        "TMPDIR": str(temporary),
        "REAPI_WEBHOOK_NETWORKS": "127.0.0.0/8",
    }
    async with echoing_receiver(canaries) as receiver, httpx.AsyncClient(timeout=40) as http:
        with running(tmp_path / "home", **environment) as gateway:
            http.base_url = gateway.rest
            customer = Customer(gateway, canaries, http)
            await registered(receiver, customer, http)
            with Watcher(gateway, temporary, canaries) as watcher:
                await customer.everything()
                await customer.told(receiver, "budget.alert", "balance.low")
            findings = await search(gateway, temporary, canaries)
            log = gateway.log
            assert gateway.stop() == 0

    names = {item for item in findings if is_name(item)}
    assert {item.place for item in names if item.sink == "row"} == {"api_key.name"}
    assert sorted({(item.field, item.sink, item.place) for item in set(findings) - names}) == []
    assert watcher.findings == set()
    said = {  # names are told again to who gave them
        name: fields
        for name, found in customer.strangers.items()
        if (fields := {field for field in found if "display_name" not in field})
    }
    assert said == {}
    assert WRONG.keys() <= customer.statuses.keys()
    assert '"Defect"' not in log
    assert "Traceback" not in log


async def test_what_is_given_away_about_money_is_found(tmp_path, temporary, canaries):
    """The same calls to a gateway that repeats them: the search would have seen each."""
    environment = {"TMPDIR": str(temporary), "REAPI_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    async with httpx.AsyncClient(timeout=40) as http:
        with running(tmp_path / "home", LEAKY, **environment) as gateway:
            http.base_url = gateway.rest
            customer = Customer(gateway, canaries, http)
            await customer.everything()
            findings = await search(gateway, temporary, canaries)

    logged = {item.field for item in findings if item.sink == "log"}
    rows = {(item.field, item.place) for item in findings if item.sink == "row"}
    assert logged >= GUARDED - {"a promotional code", "a key"}
    for call in REMEMBERED:
        assert any(field.startswith(f"{call}: ") for field in logged), call
    for text in ("success_uri", "cancel_uri", "request_id"):
        assert any(text in field for field in logged), text
    assert "payer" in logged, "Stripe's events carry it"
    assert any(field.startswith("event: json") for field in logged)
    assert ('wrong code: json after {"code": "', "audit_log.target") in rows
