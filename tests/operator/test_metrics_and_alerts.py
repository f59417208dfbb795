"""What Prometheus is told, and that every alert asks for something that it is told."""

import random
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from core.engine.channel_overlay import ChannelOverlay
from core.engine.fleet_metrics import FleetMetrics
from core.errors import Fault, UpstreamError
from core.log import (
    AttemptEnded,
    CallEnded,
    CostLost,
    Defect,
    GenerationEnded,
    HedgeEnded,
    PaymentOdd,
    RequestShed,
    RouteEnded,
    SignalHeard,
)
from core.mail.told import MailSent, MailUnsent
from core.metrics import Metrics
from core.policy.budgets import Budgets
from core.policy.failover import Fleet
from core.policy.health import HealthBook
from core.policy.overlay import Admission, Overlay, Rule
from tests.fix_core import catalogue
from tests.fix_fleet import ROOT
from tests.fix_gateway import Gateway

ALERTS = ROOT / "deploy" / "alerts.yml"
METRIC = re.compile(r"\breapi_[a-z0-9_]+")
LABEL = re.compile(r"\$labels\.([a-z_]+)")
OPERATION = "image.generate"

Samples = dict[tuple[str, tuple[str, ...]], float]
"""By name and the values of the labels, which are in the order of their names."""


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def samples(text: str) -> Samples:
    return {
        (item.name, tuple(value for _, value in sorted(item.labels.items()))): item.value
        for family in text_string_to_metric_families(text)
        for item in family.samples
    }


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(HealthBook(), Budgets(), random.Random(5).random)


@pytest.fixture
def overlay(fleet: Fleet) -> ChannelOverlay:
    no_pool: Any = None
    return ChannelOverlay(no_pool, fleet.health, catalogue(), [], lambda _: None)


@pytest.fixture
def metrics(fleet: Fleet, overlay: ChannelOverlay) -> Metrics:
    made = Metrics()
    made.registry.register(FleetMetrics(fleet, overlay, now=lambda: 1.0))
    return made


def shown(metrics: Metrics) -> Samples:
    return samples(metrics.render().decode())


def fail(fleet: Fleet, channel: str, fault: Fault, operation: str = OPERATION) -> None:
    health = fleet.health.of(channel, operation)
    health.failed(health.admit(0.0, 600), UpstreamError(fault), 0.0, 0.5)


def test_attempts_are_counted_by_channel_operation_and_fault(metrics: Metrics) -> None:
    for fault in ("", "", "timeout"):
        ended = AttemptEnded("a", "m", fault, "done", 200, 700.0, OPERATION)
        metrics.observe(ended)
    found = shown(metrics)
    assert found["reapi_attempts_total", ("a", "", OPERATION)] == 2
    assert found["reapi_attempts_total", ("a", "timeout", OPERATION)] == 1
    assert found["reapi_attempt_seconds_bucket", ("a", "0.5", OPERATION)] == 0
    assert found["reapi_attempt_seconds_bucket", ("a", "1.0", OPERATION)] == 3
    assert found["reapi_attempt_seconds_count", ("a", OPERATION)] == 3


def test_what_is_lost_is_counted_in_millionths_of_a_dollar(metrics: Metrics) -> None:
    for account, micros in (("hedge", 40_000), ("hedge", 2_000), ("risk", 7)):
        metrics.observe(CostLost("a", "m", account, micros))
    found = shown(metrics)
    assert found["reapi_lost_cost_micros_total", ("hedge", "a")] == 42_000
    assert found["reapi_lost_cost_micros_total", ("risk", "a")] == 7


def test_hedges_are_counted_by_how_they_ended(metrics: Metrics) -> None:
    for outcome in ("won", "won", "lost"):
        metrics.observe(HedgeEnded("a", "m", outcome))
    found = shown(metrics)
    assert found["reapi_hedges_total", ("won",)] == 2
    assert found["reapi_hedges_total", ("lost",)] == 1


def test_refusals_of_overload_and_signals_of_others_are_counted(metrics: Metrics) -> None:
    metrics.observe(RequestShed("bytes_in_flight"))
    metrics.observe(SignalHeard("a", "ejected"))
    found = shown(metrics)
    assert found["reapi_requests_shed_total", ("bytes_in_flight",)] == 1
    assert found["reapi_channel_signals_total", ("a", "ejected")] == 1


def test_channels_show_how_they_stand(
    metrics: Metrics, fleet: Fleet, overlay: ChannelOverlay
) -> None:
    fleet.health.of("openai-b", OPERATION).admit(0.0, 600)
    for _ in range(3):
        fail(fleet, "openai-a", Fault.SERVER_ERROR)
    overlay.overlay = Overlay({"openai-b": Rule(Admission.DRAINING)})
    found = shown(metrics)
    assert found["reapi_channel_state", ("openai-a", OPERATION)] == 1
    assert found["reapi_channel_state", ("openai-b", OPERATION)] == 0
    assert found["reapi_channel_admission", ("openai-a",)] == 0
    assert found["reapi_channel_admission", ("openai-b",)] == 1
    assert found["reapi_channel_in_flight", ("openai-b",)] == 1
    channels = found["reapi_model_channels", ("gpt-image-2",)]
    assert found["reapi_model_channels_ready", ("gpt-image-2",)] == channels - 2


def test_a_channel_that_still_serves_something_is_ready(metrics: Metrics, fleet: Fleet) -> None:
    for _ in range(3):
        fail(fleet, "openai-a", Fault.SERVER_ERROR, "image.edit")
    before = shown(metrics)["reapi_model_channels_ready", ("gpt-image-2",)]
    fleet.health.of("openai-a", OPERATION)
    found = shown(metrics)
    assert found["reapi_channel_state", ("openai-a", "image.edit")] == 1
    assert found["reapi_model_channels_ready", ("gpt-image-2",)] == before + 1


@pytest.mark.parametrize(
    ("fault", "name"),
    [(Fault.AUTH, "reapi_credential_refused"), (Fault.QUOTA, "reapi_upstream_balance_low")],
)
def test_what_an_operator_must_look_at_is_shown_until_it_is_over(
    metrics: Metrics, fleet: Fleet, fault: Fault, name: str
) -> None:
    def standing() -> list[tuple[str, ...]]:
        return [labels for (metric, labels) in shown(metrics) if metric == name]

    assert standing() == []
    fail(fleet, "openai-a", fault)
    assert [labels[0] for labels in standing()] == ["openai-a"]

    health = fleet.health.of("openai-a", OPERATION)
    health.succeeded(health.admit(100.0, 600), 101.0)
    assert standing() == []


def test_the_budget_of_retries_is_shown_as_a_share(metrics: Metrics, fleet: Fleet) -> None:
    fleet.health.of("openai-a", OPERATION)
    budget = fleet.budgets.channels
    assert shown(metrics)["reapi_retry_budget_used_ratio", ("openai-a",)] == 0
    for _ in range(3):
        budget.take("openai-a")
    assert shown(metrics)["reapi_retry_budget_used_ratio", ("openai-a",)] == 1


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}
        assert METRIC.search(rule["expr"]), rule["alert"]


def test_every_alert_asks_for_metrics_that_a_live_gateway_shows(gateway: Gateway) -> None:
    text = httpx.get(f"{gateway.rest}/metrics").text
    told = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    asked = {name for rule in rules() for name in METRIC.findall(rule["expr"])}
    assert asked <= told
    assert asked, "the pattern finds something"


def test_every_alert_names_labels_that_its_metrics_have(metrics: Metrics, fleet: Fleet) -> None:
    for event in everything():
        metrics.observe(event)
    for fault in (Fault.AUTH, Fault.QUOTA):
        fail(fleet, f"of-{fault}", fault)
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for item in family.samples:
            labels.setdefault(item.name, set()).update(item.labels)
    for rule in rules():
        known = set.intersection(*(labels[name] for name in METRIC.findall(rule["expr"])))
        text = " ".join(rule["annotations"].values())
        chosen = re.findall(r'[{,]([a-z_]+)=~?"', rule["expr"])
        assert known >= {*LABEL.findall(text), *chosen}, rule["alert"]


def test_operating_md_explains_every_metric(gateway: Gateway) -> None:
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    told = httpx.get(f"{gateway.rest}/metrics").text
    for name in re.findall(r"^# TYPE (reapi_\S+)", told, re.MULTILINE):
        assert f"`{name}`" in text, name
    for rule in rules():
        assert f"`{rule['alert']}`" in text


def everything() -> Iterator[Any]:
    """One event of each kind that is counted."""
    yield CallEnded("m", "OK", "", "", 1.0)
    yield RouteEnded("/v1/x", 200, "", 1.0)
    yield AttemptEnded("a", "m", "", "done", 200, 1.0, OPERATION)
    yield GenerationEnded("m", "a", "succeeded", "", 1, 1.0)
    yield HedgeEnded("a", "m", "won")
    yield CostLost("a", "m", "hedge", 1)
    yield RequestShed("calls")
    yield SignalHeard("a", "ejected")
    yield PaymentOdd("adjusted", "pi_1")
    yield MailSent("receipt", 1)
    yield MailUnsent("receipt", "later", "timeout", 1)
    yield Defect("x", "E", "")
