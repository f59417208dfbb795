"""A model that is like another says only what is different."""

from pathlib import Path

import pytest
from catalogue_files import BASE, Files

from core.catalog.entries import Catalogue
from core.model import Role


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def like(catalogue: Catalogue, name: str) -> tuple[object, ...]:
    model = catalogue.model(name)
    return model.display_name, model.inputs[Role.IMAGE].maximum, len(model.prices), model.aliases


LIKE = (
    '[models.n]\nlike = "m"\ndisplay_name = "N"\n[models.n.parameters.quality]\ndefault = "low"\n'
)


def test_a_model_that_is_like_another_says_only_what_is_different(files) -> None:
    catalogue = files.load(BASE, LIKE)

    assert like(catalogue, "n") == ("N", 2, 1, ())
    assert catalogue.model("n").parameters["quality"].default == "low"
    assert catalogue.model("m").parameters["quality"].default == "auto"
    assert catalogue.model("n").parameters["quality"].values == ("auto", "low", "high")


def test_it_is_like_what_the_operator_made_of_the_other(files) -> None:
    catalogue = files.load(BASE, LIKE, "[models.m.inputs.image]\nmaximum = 7\n")
    chain = files.load(BASE, LIKE, "[models.a]\nlike = 'n'\n", "models.n.inputs.image.maximum = 9")

    assert like(catalogue, "n") == ("N", 7, 1, ())
    assert like(chain, "a") == ("N", 9, 1, ())


def test_it_is_another_version_when_the_other_is_another(files) -> None:
    assert files.load(BASE, LIKE).version != files.load(BASE).version
    assert "like" not in files.load(BASE, LIKE).content


@pytest.mark.parametrize(
    ("overlay", "key", "says"),
    [
        ("[models.n]\nlike = 'x'", "models.n.like", "another of the models"),
        ("[models.n]\nlike = 3", "models.n.like", "another of the models"),
        ("[models.n]\nlike = 'n'", "models.n.like", "leads back"),
        ("[models.a]\nlike = 'b'\n[models.b]\nlike = 'a'", "models.b.like", "leads back"),
        (LIKE + "colour = 1", "models.n.parameters.quality.colour", "unknown key"),
    ],
)
def test_a_mistake_is_refused_with_its_place(files, overlay, key, says) -> None:
    error = files.mistake(BASE, overlay)

    assert (error.file.name, error.key) == ("2.toml", key)
    assert says in error.problem
