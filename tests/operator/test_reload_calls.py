"""ReloadCatalogue: the files are read again at the operator's word, or only checked."""

from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from accounts.registry import Registry
from core.caller import OPERATOR, enter_call
from core.catalog.entries import Catalogue
from core.catalog.loader import load
from core.engine.catalogue_versions import activate
from core.engine.reloading import Reloading
from core.errors import GatewayError, Reason
from core.services.operator_catalogue import OperatorCatalogue
from reapi.v1 import admin_service_pb2 as pb
from storage.pool import Pool
from tests.catalog.catalogue_files import BASE, ENV

MORE = BASE.replace("[models.m", "[models.n").replace("m-alias", "n-alias")
MORE = MORE.replace('model = "m"', 'model = "n"').replace("[channels.c]", "[channels.d]")


class Written:
    """One file, and what the operator was told."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.told: list[str] = []

    def stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return (None,)

    def read(self) -> Catalogue:
        return load([self.file], ENV)

    def tell(self, text: str) -> None:
        self.told.append(text)


class House:
    """The catalogue in force, and the call."""

    def __init__(self, pool: Pool, file: Path) -> None:
        self.pool = pool
        self.files = Written(file)
        self.current = self.files.read()
        judge = partial(activate, pool, validate_only=True)
        reloading = Reloading(
            self.files, partial(activate, pool), [self.use], lambda _: None, judge
        )
        self.calls = OperatorCatalogue(reloading, Registry(pool), lambda: self.current)

    def use(self, catalogue: Catalogue) -> None:
        self.current = catalogue

    async def reload(self, *, validate_only: bool = False) -> pb.ReloadCatalogueResponse:
        enter_call(OPERATOR, "")
        request = pb.ReloadCatalogueRequest(validate_only=validate_only)
        return await self.calls.ReloadCatalogue(request, cast(Any, None))

    async def rows(self, statement: str) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(statement)).fetchall()


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> House:
    file = tmp_path / "overlay.toml"
    file.write_text(BASE)
    made = House(pool, file)
    await activate(pool, made.current.version, made.current.content)
    return made


async def test_a_changed_catalogue_is_in_force_when_the_call_returns(house: House) -> None:
    house.files.file.write_text(MORE)

    answer = await house.reload()

    assert (answer.activated, list(answer.changed_models)) == (True, ["m", "n"])
    assert house.current.version == answer.catalogue_version
    assert (answer.model_count, answer.channel_count) == (1, 1)
    assert list(house.current.models) == ["n"]
    ((changes,),) = await house.rows("SELECT changes FROM audit_log")
    assert changes == {"catalogue_version": answer.catalogue_version}
    again = await house.reload()
    assert (again.activated, list(again.changed_models)) == (True, [])
    assert len(await house.rows("SELECT FROM audit_log")) == 1


async def test_a_check_says_the_same_and_changes_nothing(house: House) -> None:
    before = house.current
    house.files.file.write_text(MORE)

    answer = await house.reload(validate_only=True)

    assert (answer.activated, list(answer.changed_models)) == (False, ["m", "n"])
    assert answer.catalogue_version == house.files.read().version
    assert house.current is before
    assert len(await house.rows("SELECT FROM catalogue_version")) == 1
    assert await house.rows("SELECT FROM audit_log") == []


@pytest.mark.parametrize("validate_only", [True, False])
async def test_a_mistake_is_told_with_its_place_and_nothing_changes(
    house: House, *, validate_only: bool
) -> None:
    before = house.current
    house.files.file.write_text(BASE + "wait = 7\n")

    answer = await house.reload(validate_only=validate_only)

    assert not answer.activated
    assert not answer.catalogue_version
    (problem,) = answer.problems
    assert (problem.file, problem.line) == ("overlay.toml", len(BASE.splitlines()) + 1)
    assert problem.key.endswith(".wait")
    assert problem.message
    assert house.current is before
    assert await house.rows("SELECT FROM audit_log") == []


@pytest.mark.parametrize("validate_only", [True, False])
async def test_a_price_that_rises_too_soon_is_a_problem_of_its_model(
    house: House, *, validate_only: bool
) -> None:
    dearer = BASE.replace('credits = "', 'credits = "9')
    assert dearer != BASE
    house.files.file.write_text(dearer)

    (problem,) = (await house.reload(validate_only=validate_only)).problems

    assert (problem.file, problem.line, problem.key) == ("", 0, "models.m.prices")
    assert "14 days" in problem.message


async def test_a_catalogue_without_files_is_never_reloaded(house: House) -> None:
    enter_call(OPERATOR, "")
    calls = OperatorCatalogue(None, Registry(house.pool), lambda: house.current)
    with pytest.raises(GatewayError) as error:
        await calls.ReloadCatalogue(pb.ReloadCatalogueRequest(), cast(Any, None))
    assert error.value.reason is Reason.ENDPOINT_NOT_AVAILABLE
