"""A changed catalogue is taken over while the gateway runs; a bad one changes nothing."""

import asyncio
import os
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from catalogue_files import BASE, ENV, Files

from core.body import Body
from core.caller import Caller
from core.catalog.entries import Catalogue
from core.catalog.loader import CatalogueError, load
from core.engine.adopted import Adopter
from core.engine.catalogue_versions import PriceRises, TermChanged
from core.engine.intake import Intake
from core.engine.order import Order
from core.engine.records import AttemptRecord
from core.engine.reloading import Reloading, Watch
from core.errors import GatewayError
from core.keyring import Keyring
from core.log import CatalogueActivated, CatalogueRefused, Event
from core.model import AttemptState
from core.policy.health import HealthBook
from core.services.models import ModelService
from core.settings import Settings
from gateway.catalogue import CatalogueFiles, brief
from storage.pool import StorageUnavailable

OTHER = BASE.replace("[models.m", "[models.n").replace("m-alias", "n-alias")
OTHER = OTHER.replace('model = "m"', 'model = "n"').replace("[channels.c]", "[channels.d]")
ONE, TWO, THREE = ((1, number, 5) for number in (1, 2, 3))


class Written:
    """Files that say what the test says, and a database that knows which version is active."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "overlay.toml"
        self.file.write_text(BASE)
        self.stamp = 0
        self.told: list[str] = []
        self.activated: list[str] = []
        self.problem: Exception | None = None

    def write(self, text: str) -> None:
        self.file.write_text(text)
        self.stamp += 1

    def stamps(self) -> tuple[tuple[int, int, int]]:
        return ((1, self.stamp, 1),)

    def read(self) -> Catalogue:
        return load([self.file], ENV)

    def tell(self, text: str) -> None:
        self.told.append(text)

    async def activate(self, version: str, content: str) -> None:
        if self.problem is not None:
            raise self.problem
        self.activated.append(version)


class House:
    """A reloading, and what it handed out."""

    def __init__(self, folder: Path) -> None:
        self.files = Written(folder)
        self.events: list[Event] = []
        self.used: list[Catalogue] = []
        self.reloading = Reloading(
            self.files, self.files.activate, [self.used.append], self.events.append
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize(
    ("looks", "due"),
    [
        ([ONE, ONE], [False, False]),
        ([TWO, TWO, TWO], [False, True, True]),
        ([TWO, THREE, THREE], [False, False, True]),
        ([TWO, ONE, ONE], [False, False, False]),
        ([None, None], [False, True]),
    ],
)
def test_files_are_loaded_again_once_they_have_changed_and_hold_still(looks, due) -> None:
    watch = Watch((ONE,), (ONE,))

    assert [watch.is_due((look,)) for look in looks] == due


async def test_nothing_happens_while_nothing_changes(house) -> None:
    for _ in range(3):
        await house.reloading.look()

    assert (house.used, house.events, house.files.activated) == ([], [], [])


async def test_a_new_catalogue_is_activated_and_then_handed_out_once(house) -> None:
    house.files.write(BASE + "weight = 7\n")
    for _ in range(4):
        await house.reloading.look()

    [catalogue] = house.used
    assert catalogue.channels["c"].weight == 7
    assert house.files.activated == [catalogue.version]
    assert house.events == [CatalogueActivated(catalogue.version, 1, 1)]


async def test_a_wish_loads_at_once_and_also_what_has_not_changed(house) -> None:
    house.reloading.wish()
    await house.reloading.look()
    await house.reloading.look()

    assert len(house.used) == 1


async def test_a_wish_wakes_the_loop(house) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        loop = group.create_task(house.reloading.keep())
        house.reloading.wish()
        while not house.used:
            await asyncio.sleep(0)
        loop.cancel()

    assert len(house.used) == 1


async def test_a_catalogue_with_a_mistake_is_refused_and_the_one_before_stays(house) -> None:
    house.files.write(BASE + "wieght = 7\n")
    for _ in range(4):
        await house.reloading.look()

    line = BASE.count("\n") + 1
    assert (house.used, house.files.activated) == ([], [])
    assert house.events == [CatalogueRefused("overlay.toml", line, "channels.c.wieght")]
    [told] = house.files.told
    assert f"overlay.toml:{line}: channels.c.wieght: unknown key" in told

    house.files.write(BASE + "weight = 7\n")
    for _ in range(2):
        await house.reloading.look()
    assert len(house.used) == 1


async def test_an_amount_that_rises_without_notice_is_refused(house) -> None:
    house.files.problem = PriceRises("m", "image", date(2030, 6, 15))
    house.files.write(BASE)
    for _ in range(3):
        await house.reloading.look()

    assert house.used == []
    assert house.events == [CatalogueRefused(key="models.m.prices")]
    assert "add one with an effective_from of 2030-06-15" in house.files.told[0]


async def test_what_a_model_is_paid_by_is_refused_by_its_own_key(house) -> None:
    house.files.problem = TermChanged("m", "resolutions")
    house.files.write(BASE)
    for _ in range(3):
        await house.reloading.look()

    assert house.used == []
    assert house.events == [CatalogueRefused(key="models.m.resolutions")]
    assert "make a model with another id" in house.files.told[0]


async def test_a_database_that_is_away_is_asked_again_at_the_next_look(house) -> None:
    house.files.problem = StorageUnavailable("gone")
    house.files.write(BASE)
    for _ in range(3):
        await house.reloading.look()
    assert (house.used, house.events) == ([], [])

    house.files.problem = None
    await house.reloading.look()
    assert len(house.used) == 1


CALLER = Caller(account_id=UUID(int=1), key_id=UUID(int=2))


def test_what_was_accepted_keeps_its_price_its_channels_and_its_version(tmp_path) -> None:
    files = Files(tmp_path)
    text = BASE + "[models.m.parameters.prompt]\ntype = 'string'\n"
    before = files.load(text)
    after = files.load(text.replace('"7.5"', '"9"'), "[channels.c]\nweight = 7\n", OTHER)
    intake = Intake(before, Keyring((b"k" * 32,)))
    order = Order("m", Body("p"))
    first = intake.examine(CALLER, order)
    intake.use(after)
    second = intake.examine(CALLER, order)

    assert (first.quoted_micros, second.quoted_micros) == (7_500, 9_000)
    assert [job.routing.channels[0].weight for job in (first, second)] == [100, 7]
    assert [job.catalogue_version for job in (first, second)] == [before.version, after.version]
    assert intake.examine(CALLER, Order("m-alias", Body("p"))).model is after.model("m")


def test_a_channel_that_stays_keeps_its_health(tmp_path) -> None:
    files, book = Files(tmp_path), HealthBook()
    before, after = files.load(BASE), files.load(BASE, "[channels.c]\nweight = 7\n")
    health = book.of(before.channels["c"].name, "image.generate")

    assert before.channels["c"] != after.channels["c"]
    assert book.of(after.channels["c"].name, "image.generate") is health


async def test_models_are_listed_as_they_are_now(tmp_path) -> None:
    files = Files(tmp_path)
    service = ModelService(files.load(BASE))
    with pytest.raises(GatewayError):
        service._catalogue.model("n")
    service.use(files.load(BASE, OTHER))

    assert [model.id for model in service._models] == ["m", "n"]


def test_jobs_at_a_channel_that_is_gone_are_finished(tmp_path) -> None:
    files = Files(tmp_path)
    overlay = "[channels.c]\ndialect = 'ark_videos'\nresubmit = 'reconcile_first'\n"
    before, after = files.load(BASE, overlay), files.load(OTHER)
    nobody: Any = None
    adopter = Adopter(before.channels, nobody, nobody, nobody, nobody, nobody)
    adopter.use(after)
    attempt = AttemptRecord(1, "c", UUID(int=1), AttemptState.SUBMITTED)

    assert adopter.job_of([attempt]) is attempt


def test_the_operators_files_are_watched_and_one_that_is_gone_is_seen(tmp_path) -> None:
    one, two = tmp_path / "a.toml", tmp_path / "b.toml"
    one.write_text("")
    two.write_text("")
    settings = Settings.from_env({"REAPI_CATALOGUE": f"{one}{os.pathsep}{two}"})
    files = CatalogueFiles(settings, None)
    before = files.stamps()
    one.write_text("models = {}")
    changed = files.stamps()
    assert files.read().models, "the shipped ones"
    two.unlink()

    assert len({before, changed, files.stamps()}) == 3
    assert files.stamps()[1] is None
    with pytest.raises(CatalogueError):
        files.read()


def test_channels_that_are_left_out_for_one_reason_are_told_in_one_line() -> None:
    notes = [f"channel {name} is left out: set KEY" for name in "ab"]

    assert brief([*notes, "channel c is left out: it is disabled", "another"]) == [
        "channels a, b are left out: set KEY",
        "channel c is left out: it is disabled",
        "another",
    ]
