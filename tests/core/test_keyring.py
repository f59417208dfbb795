"""Server keys are made once, kept private, and can be rotated."""

import base64
import json
import stat

import pytest

from core.keyring import Keyring, KeyringError, open_keyring


def test_the_secret_file_is_made_once_and_for_its_owner_only(tmp_path):
    path = tmp_path / "state" / "secrets.json"
    first, again = open_keyring(path), open_keyring(path)

    assert first == again
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["secrets.json"]


@pytest.mark.parametrize(
    "content", ["", "{}", '{"keys": []}', '{"keys": ["eA=="]}', '{"keys": [1]}']
)
def test_a_damaged_file_is_an_error_and_never_replaced(tmp_path, content):
    path = tmp_path / "secrets.json"
    path.write_text(content)

    with pytest.raises(KeyringError, match=r"secrets\.json"):
        open_keyring(path)
    assert path.read_text() == content


def test_after_a_rotation_old_digests_are_still_known(tmp_path):
    path = tmp_path / "secrets.json"
    old = open_keyring(path)
    keys = json.loads(path.read_text())["keys"]
    path.write_text(json.dumps({"keys": [base64.b64encode(b"n" * 32).decode(), *keys]}))
    new = open_keyring(path)

    assert old.mac("x", b"data") in new.candidates("x", b"data")
    assert old.mac("x", b"data") != new.mac("x", b"data")


def test_purposes_and_the_borders_between_parts_matter():
    keyring = Keyring((b"k" * 32,))

    assert keyring.mac("a", b"xy", b"z") != keyring.mac("a", b"x", b"yz")
    assert keyring.mac("a", b"x") != keyring.mac("b", b"x")


def test_a_keyring_does_not_show_its_keys():
    assert "kkk" not in repr(Keyring((b"k" * 32,)))
