"""What a request comes to is kept for a minute: as long as nothing else decides it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from catalogue_files import BASE, Files

from core.body import Body
from core.caller import Caller
from core.catalog.entries import Catalogue
from core.engine.examined import Job
from core.engine.intake import Intake
from core.engine.order import Order, Routing
from core.engine.terms import KEPT
from core.keyring import Keyring
from core.policy.routing import Preference, Unroutable, Why

CALLER = Caller(account_id=UUID(int=1), key_id=UUID(int=2))
NOON = datetime(2030, 1, 1, 12, 0, 30, tzinfo=UTC)
MORE = """
[models.m.parameters.prompt]
type = "string"
[models.m.parameters.seed]
type = "integer"
[models.m.parameters.style]
type = "string"
maximum = 20
[models.m.parameters.guidance]
type = "number"
minimum = 0
maximum = 9
"""
RISE = """
[[models.m.prices]]
unit = "image"
credits = "9"
effective_from = 2030-01-01T12:01:00Z
"""
OTHER = """
[channels.d]
model = "m"
dialect = "openai_images"
upstream_model = "up"
base_url = "https://example.com/v1/"
credential = { env = "KEY" }
unsupported = ["quality=high"]
region = "eu"
"""


class Desk:
    """An intake with a clock of its own."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.now = NOON
        self.intake = Intake(catalogue, Keyring((b"k" * 32,)), lambda: self.now)

    def job(self, routing: Routing | None = None, **given: Any) -> Job:
        order = Order("m", Body("p"), given, routing=routing or Routing())
        return self.intake.examine(CALLER, order)

    @property
    def kept(self) -> int:
        return len(self.intake._terms._kept)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(
        Files(tmp_path).load(BASE.replace("[channels.c]", RISE + "[channels.c]"), MORE + OTHER)
    )


def served(job: Job) -> list[str]:
    channels = job.routing.eligible()
    assert not isinstance(channels, Unroutable)
    return [channel.name for channel in channels]


def test_the_same_facts_are_worked_out_once(desk) -> None:
    one, same, other = desk.job(quality="low"), desk.job(quality="low"), desk.job(quality="high")

    assert one.price_lines is same.price_lines
    assert one.routing.needs is same.routing.needs is not other.routing.needs
    assert desk.kept == 2


def test_a_price_counts_from_the_minute_in_which_it_begins(desk) -> None:
    before = desk.job().quoted_micros
    desk.now += timedelta(seconds=29)
    still = desk.job().quoted_micros
    desk.now += timedelta(seconds=1)

    assert (before, still, desk.job().quoted_micros) == (7_500, 7_500, 9_000)


def test_a_clock_that_goes_back_has_the_prices_of_its_time(desk) -> None:
    desk.now += timedelta(minutes=5)
    assert desk.job().quoted_micros == 9_000
    desk.now -= timedelta(minutes=5)

    assert desk.job().quoted_micros == 7_500


@pytest.mark.parametrize("given", [{"style": "mine alone"}, {"seed": 7}])
def test_what_is_the_callers_own_is_not_kept(desk, given) -> None:
    desk.job(**given)

    assert desk.kept == 0


def test_values_that_are_equal_and_not_the_same_are_told_apart(desk) -> None:
    whole, broken = desk.job(guidance=1), desk.job(guidance=1.0)

    assert "guidance=1" in whole.routing.needs.tokens
    assert "guidance=1.0" in broken.routing.needs.tokens
    assert whole.fingerprint != broken.fingerprint


def test_no_more_are_kept_than_the_limit(desk) -> None:
    for number in range(KEPT + 10):
        desk.job(guidance=number / 1000)

    assert desk.kept <= KEPT


def test_whoever_has_wishes_is_served_by_those_alone(desk) -> None:
    assert served(desk.job()) == ["c", "d"]
    assert served(desk.job(Routing(only=frozenset({"d"})))) == ["d"]
    assert served(desk.job(Routing(regions=frozenset({"eu"})))) == ["d"]
    assert served(desk.job(quality="high")) == ["c"]
    nobody = desk.job(Routing(only=frozenset({"d"})), quality="high").routing.eligible()
    assert isinstance(nobody, Unroutable)
    assert (nobody.why, nobody.parameter) == (Why.PARAMETER, "quality")


def test_who_can_serve_all_is_asked_again_where_a_wish_comes_later(desk) -> None:
    job = desk.job()
    wish = Preference(excluded=frozenset({"c"}))
    later = replace(job, routing=replace(job.routing, preference=wish))

    assert job.routing.eligible() is job.routing.able
    assert served(later) == ["d"]


def test_another_catalogue_counts_at_once(desk, tmp_path) -> None:
    assert served(desk.job()) == ["c", "d"]
    desk.intake.use(Files(tmp_path).load(BASE, MORE))

    assert served(desk.job()) == ["c"]
