"""A credential's file may be sealed, so that it does not lie in the clear."""

from functools import partial
from pathlib import Path

import pytest

from core.body import Secret
from core.catalog.loader import load
from core.keyring import Keyring
from core.sealed_files import HEADER, is_sealed, open_text, seal_text
from core.sealing import UnsealError
from tests.catalog.catalogue_files import BASE, Files

OLD, NEW = b"o" * 32, b"n" * 32
CHANNEL = '[channels.c]\ncredentials = [{ file = "key" }]'


def loaded(tmp_path: Path, keyring: Keyring | None):
    files = Files(tmp_path)
    unseal = None if keyring is None else partial(open_text, keyring)
    return load([files.write(BASE), files.write(CHANNEL)], {}, unseal=unseal)


def test_a_sealed_file_is_opened_by_any_key_of_the_ring(tmp_path: Path) -> None:
    text = seal_text(Keyring((OLD,)), Secret("sk-sealed"))
    (tmp_path / "key").write_text(text)
    catalogue = loaded(tmp_path, Keyring((NEW, OLD)))

    assert is_sealed(text)
    assert "sk-sealed" not in text
    assert catalogue.channels["c"].credential.reveal() == "sk-sealed"


def test_a_file_in_the_clear_goes_on_working(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-clear\n")

    assert loaded(tmp_path, Keyring((NEW,))).channels["c"].credential.reveal() == "sk-clear"


@pytest.mark.parametrize(
    ("keyring", "reason"),
    [
        (Keyring((NEW,)), "sealed under a server key that is gone: seal it again"),
        (None, "is sealed: only the gateway opens it"),
    ],
)
def test_a_channel_whose_file_does_not_open_is_left_out(tmp_path: Path, keyring, reason) -> None:
    (tmp_path / "key").write_text(seal_text(Keyring((OLD,)), Secret("sk-sealed")))
    catalogue = loaded(tmp_path, keyring)

    assert "c" not in catalogue.channels
    assert any(reason in note for note in catalogue.notes)
    assert not any(HEADER in note for note in catalogue.notes)


@pytest.mark.parametrize("text", [HEADER, HEADER + "!", HEADER + "AAAA"])
def test_garbage_is_never_opened(text: str) -> None:
    with pytest.raises(UnsealError):
        open_text(Keyring((OLD,)), text)
