"""The secret file lies wrapped where the operator has a master key or a service for keys."""

import base64
import json
import os
import shlex
import stat
import sys
from pathlib import Path

import pytest

from core.body import Secret
from core.key_rotation import prepared, retired, rotated
from core.key_service import KeyCommand, KeyServiceError, MasterKey
from core.keyring import Keyring, KeyringError, open_keyring
from core.secret_file import SecretFile
from core.settings_secrets import key_service
from core.settings_values import SettingsError
from core.signing import Signer, verifier

MASTER = base64.b64encode(b"m" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()
KEY = b"k" * 32


class Fake:
    """A key service that remembers: what it wraps is a number."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    def wrap(self, key: bytes) -> bytes:
        self.keys.append(key)
        return b"%d" % (len(self.keys) - 1)

    def unwrap(self, wrapped: bytes) -> bytes:
        return self.keys[int(wrapped)]


def program(tmp_path: Path, body: str) -> str:
    file = tmp_path / "kms.py"
    file.write_text(f"import sys, time\ndata = sys.stdin.buffer.read()\n{body}\n")
    return shlex.join([sys.executable, str(file)])


ECHO = "sys.stdout.buffer.write(bytes(each ^ 1 for each in data))"


@pytest.mark.parametrize("kind", ["fake", "key", "file", "command"])
def test_a_file_is_made_wrapped_and_opens_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "secrets.json"
    (tmp_path / "master").write_text(f"{MASTER}\n")
    service = {
        "fake": Fake,
        "key": lambda: key_service({"REAPI_MASTER_KEY": MASTER}),
        "file": lambda: key_service({"REAPI_MASTER_KEY_FILE": str(tmp_path / "master")}),
        "command": lambda: key_service({"REAPI_KMS_COMMAND": program(tmp_path, ECHO)}),
    }[kind]()
    keyring = open_keyring(path, service)
    content = json.loads(path.read_text())

    assert open_keyring(path, service) == keyring
    assert set(content) == {"wrapped_key", "sealed"}
    assert base64.b64encode(keyring.keys[0]).decode() not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeyringError, match="is wrapped: set REAPI_MASTER_KEY_FILE"):
        open_keyring(path)


def test_a_plain_file_goes_on_working_where_a_master_key_is_set(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    keyring = open_keyring(path)

    assert open_keyring(path, MasterKey(Secret(b"m" * 32))) == keyring


def test_a_wrong_master_key_is_an_error_that_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    right, wrong = (key_service({"REAPI_MASTER_KEY": text}) for text in (MASTER, OTHER))
    open_keyring(path, right)
    content = path.read_text()
    with pytest.raises(KeyringError) as raised:
        open_keyring(path, wrong)

    assert str(raised.value) == (
        "secrets.json cannot be opened: it was wrapped under another master key"
    )
    assert raised.value.__cause__ is None
    assert path.read_text() == content
    assert not any(text in f"{right!r}{wrong!r}" for text in (MASTER, OTHER, "mmmm"))


@pytest.mark.parametrize("part", ["wrapped_key", "sealed"])
def test_a_changed_file_does_not_open(tmp_path: Path, part: str) -> None:
    path, service = tmp_path / "secrets.json", MasterKey(Secret(b"m" * 32))
    open_keyring(path, service)
    content = json.loads(path.read_text())
    data = bytearray(base64.b64decode(content[part]))
    data[-1] ^= 1
    path.write_text(json.dumps(content | {part: base64.b64encode(data).decode()}))

    with pytest.raises(KeyringError, match="cannot be opened"):
        open_keyring(path, service)


@pytest.mark.parametrize(
    "env",
    [
        {"REAPI_MASTER_KEY": "short"},
        {"REAPI_MASTER_KEY": base64.b64encode(b"sixteen bytes ..").decode()},
        {"REAPI_MASTER_KEY_FILE": "nowhere"},
        {"REAPI_MASTER_KEY": MASTER, "REAPI_KMS_COMMAND": "true"},
        {"REAPI_KMS_COMMAND": "'unbalanced"},
    ],
)
def test_a_wrong_setting_names_the_variable_and_shows_no_value(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as raised:
        key_service(env)

    assert next(iter(env)) in str(raised.value)
    assert not any(text in str(raised.value) for text in env.values() if text != "nowhere")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit(3)", "wrap ended with 3"),
        ("pass", "wrap gave no key"),
        ("sys.stdout.write('x' * 70_000)", "wrap gave no key"),
        ("time.sleep(60)", "wrap took longer than 0.5 s"),
    ],
)
def test_a_command_that_fails_says_how_and_not_what(tmp_path: Path, body, reason) -> None:
    command = KeyCommand(shlex.split(program(tmp_path, body)), {}, 0.5 if "sleep" in body else 20)
    with pytest.raises(KeyServiceError, match=reason) as raised:
        command.wrap(KEY)

    assert "kkk" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_command_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyServiceError, match="cannot be run"):
        KeyCommand([str(tmp_path / "no")], {}).wrap(KEY)


def test_a_command_gets_no_variables_of_ours(tmp_path: Path) -> None:
    body = "import os; sys.stdout.write(','.join(sorted(os.environ)))"
    env = {"AWS_REGION": "eu", "REAPI_DATABASE_URL": "postgres://secret"}
    names = KeyCommand(shlex.split(program(tmp_path, body)), env).wrap(KEY).decode()

    assert "AWS_REGION" in names
    assert "REAPI" not in names


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secrets.json"
    file = SecretFile(path)
    keyring = file.open()

    def broken(descriptor: int) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="no space"):
            file.write(rotated(keyring, b"n" * 32), wrapped=False)
    assert file.read() == keyring
    file.write(rotated(keyring, b"n" * 32), wrapped=False)

    assert file.read().keys == (b"n" * 32, *keyring.keys)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_prepared_key_verifies_before_it_signs(tmp_path: Path) -> None:
    old = Keyring((KEY,))
    ready = prepared(old, b"n" * 32)
    new = rotated(ready, b"unused" * 5 + b"..")
    file = SecretFile(tmp_path / "secrets.json")
    file.write(ready, wrapped=False)

    assert file.read() == ready
    assert new.keys == (b"n" * 32, KEY)
    assert ready.mac("x", b"") == old.mac("x", b"")
    assert new.mac("x", b"") in ready.candidates("x", b"")
    assert new.oldest("x", b"") == ready.oldest("x", b"") == old.mac("x", b"")
    with pytest.raises(KeyringError, match="prepared already"):
        prepared(ready, b"z" * 32)


def test_what_a_dropped_key_signed_can_still_be_checked(tmp_path: Path) -> None:
    old = Keyring((KEY,))
    signature = Signer(old).sign(b"seal")
    file = SecretFile(tmp_path / "secrets.json")
    file.write(retired(rotated(old, b"n" * 32)), wrapped=False)
    new = file.read()
    verify = verifier(key.raw for key in Signer(new).public_keys)

    assert new.keys == (b"n" * 32,)
    assert verify(signature.key_id, signature.value, b"seal")
    assert KEY not in (tmp_path / "secrets.json").read_bytes()
    assert base64.b64encode(KEY) not in (tmp_path / "secrets.json").read_bytes()


@pytest.mark.parametrize(("before", "after"), [(0o600, 0o600), (0o640, 0o640), (0o644, 0o640)])
def test_a_changed_file_is_read_by_whom_it_was_before(
    tmp_path: Path, before: int, after: int
) -> None:
    path = tmp_path / "secrets.json"
    file = SecretFile(path)
    keyring = file.open()
    path.chmod(before)
    owner = (path.stat().st_uid, path.stat().st_gid)
    if os.geteuid() == 0:
        owner = (4_711, 4_712)
        os.chown(path, *owner)
    file.write(rotated(keyring, KEY), wrapped=False)

    assert file.read() != keyring
    assert stat.S_IMODE(path.stat().st_mode) == after
    assert (path.stat().st_uid, path.stat().st_gid) == owner


def test_a_file_that_would_become_somebody_elses_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secrets.json"
    keyring = SecretFile(path).open()

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(KeyringError, match="somebody else's"):
        SecretFile(path).write(rotated(keyring, KEY), wrapped=False)

    assert SecretFile(path).read() == keyring
    assert list(tmp_path.iterdir()) == [path]
