"""Several credentials of one channel, as the catalogue says where they are."""

from pathlib import Path

import pytest

from core.catalog.loader import Catalogue
from core.settings import Settings
from gateway.catalogue import CatalogueFiles
from tests.catalog.catalogue_files import BASE, Files

CHANNEL = "[channels.c]\n"
SEVERAL = CHANNEL + 'credentials = [{ env = "A" }, { file = "b" }, { env = "C" }]'


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def names(catalogue: Catalogue) -> list[str]:
    return list(catalogue.channels["c"].credentials)


def test_each_is_read_from_where_it_is(files, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("sk-b\n")
    catalogue = files.load(BASE, SEVERAL, env={"A": "sk-a", "C": "sk-c"})
    channel = catalogue.channels["c"]

    assert {name: each.reveal() for name, each in channel.credentials.items()} == {
        "env:A": "sk-a",
        "file:b": "sk-b",
        "env:C": "sk-c",
    }
    assert (channel.credential_name, channel.credential.reveal()) == ("env:A", "sk-a")
    assert channel.using("file:b").credential.reveal() == "sk-b"
    assert channel.using("env:GONE") is channel
    assert not any(secret in repr(catalogue) for secret in ("sk-a", "sk-b", "sk-c"))
    assert catalogue.credential_files == (tmp_path / "b",)


def test_one_is_a_list_of_one(files) -> None:
    channel = files.load(BASE).channels["c"]

    assert channel.credential_name == "env:KEY"
    assert list(channel.credentials) == ["env:KEY"]


def test_those_that_are_missing_are_left_out_with_a_note(files) -> None:
    catalogue = files.load(BASE, SEVERAL, env={"C": "sk-c", "KEY": "unused"})

    assert names(catalogue) == ["env:C"]
    assert catalogue.notes == (
        "channel c lacks a credential: set A to its credential to use it",
        "channel c lacks a credential: its credential file b cannot be read",
    )


def test_a_channel_is_off_only_when_none_is_there(files) -> None:
    catalogue = files.load(BASE, SEVERAL, env={"KEY": "unused"})

    assert not catalogue.channels
    assert catalogue.notes == ("channel c is left out: set A to its credential to use it",)


def test_where_they_are_does_not_change_the_version(files) -> None:
    assert files.load(BASE).version == files.load(BASE, SEVERAL, env={"A": "x"}).version


@pytest.mark.parametrize(
    ("value", "key", "words"),
    [
        ("[]", "channels.c.credentials", "1 to 16"),
        ('"A"', "channels.c.credentials", "a list of tables"),
        ('[{ env = "KEY" }, { env = "KEY" }]', "channels.c.credentials", "twice"),
        ('[{ env = "KEY", file = "b" }]', "channels.c.credentials.1", "{ env ="),
        ('[{ env = "KEY", colour = 1 }]', "channels.c.credentials.1.colour", "unknown key"),
        ('[{ env = "BAD" }]', "channels.c.credentials", "cannot stand in a header"),
    ],
)
def test_mistakes_name_the_key_and_no_value(files, value, key, words) -> None:
    error = files.mistake(
        BASE, CHANNEL + f"credentials = {value}", env={"KEY": "sk-canary", "BAD": "a canary"}
    )

    assert error.key == key
    assert words in str(error)


def test_a_file_that_holds_a_credential_is_watched(tmp_path: Path) -> None:
    overlay, secret = tmp_path / "a.toml", tmp_path / "key"
    overlay.write_text('[channels.openai]\ncredentials = [{ file = "key" }]\n')
    secret.write_text("sk-1")
    settings = Settings.from_env({"REAPI_CATALOGUE": str(overlay)})
    files = CatalogueFiles(settings, None)
    one = files.read()
    before = files.stamps()
    assert files.stamps() == before
    secret.write_text("sk-22")

    assert files.stamps() != before

    other = files.read()
    assert one.version == other.version
    assert other.channels["openai"].credential.reveal() == "sk-22"
    secret.unlink()
    assert files.stamps() != before
