"""`reapi secrets`, as an operator runs it beside a database."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from accounts.registry import Registry
from core.body import Secret
from core.engine.leases_sql import LeasesSql
from core.engine.process_secrets import note
from core.engine.repeats import Request
from core.keyring import Keyring, admin_token, open_keyring
from core.services.admin import create_key
from core.webhooks.endpoints import Endpoints
from core.webhooks.records import Changes
from storage.pool import Pool

pytestmark = pytest.mark.prove  # twenty starts of the command

ROOT = Path(__file__).parents[2]
MASTER, OTHER = (base64.b64encode(each * 32).decode() for each in (b"m", b"o"))


@dataclass
class Operator:
    """Runs commands with a home and a database of its own."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.home / "secrets.json"

    @property
    def keyring(self) -> Keyring:
        return open_keyring(self.file)

    async def run(self, *arguments: str, said: str = "", **more: str) -> tuple[int, str, str]:
        environment = {name: value for name, value in os.environ.items() if "REAPI" not in name}
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *arguments),
            cwd=ROOT,
            env={**environment, "REAPI_HOME": str(self.home), **self.variables, **more},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, errors = await asyncio.wait_for(program.communicate(said.encode()), 60)
        assert program.returncode is not None
        assert b"Traceback" not in errors, errors.decode()
        return program.returncode, out.decode(), errors.decode()


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    made = Operator(tmp_path)
    open_keyring(made.file)
    return made


@pytest.fixture
def with_database(operator: Operator, database_url: str) -> Operator:
    operator.variables["REAPI_DATABASE_URL"] = database_url
    return operator


async def endpoint(pool: Pool, keyring: Keyring) -> None:
    account = uuid4()
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO account (account_id, name) VALUES (%s, 'test')", (account,)
        )
    new = Changes(Secret("https://example.com"), Secret("mine"), None, None)
    await Endpoints(pool, keyring).create(Request(account, "Create", b""), new)


async def process(pool: Pool, keyring: Keyring) -> int:
    """A gateway that runs, as far as the database says, for eight seconds."""
    epoch = await LeasesSql(pool).acquire(uuid4())
    await note(pool, epoch, keyring)
    return epoch


async def test_a_key_is_exchanged_and_the_old_one_dropped(
    with_database: Operator, pool: Pool
) -> None:
    operator, old = with_database, with_database.keyring
    await endpoint(pool, old)
    rotated = await operator.run("secrets", "rotate")
    new = operator.keyring
    before = await operator.run("secrets", "status")
    early = await operator.run("secrets", "retire")
    resealed = await operator.run("secrets", "reseal")
    after = await operator.run("secrets", "status")
    retired = await operator.run("secrets", "retire")

    assert rotated[0] == resealed[0] == after[0] == retired[0] == 0
    async with pool.connection() as connection:
        log = await connection.execute("SELECT actor || ' ' || action FROM audit_log ORDER BY at")
        done = [line for (line,) in await log.fetchall()]
    assert done == [f"operator secrets.{step}" for step in ("rotate", "reseal", "retire")]
    assert (before[0], early[0]) == (1, 1)
    assert "the operator's token is another" in rotated[1]
    assert "webhook_endpoint.url: 1 of 1 need an older key" in before[1]
    assert "webhook_endpoint.url: 1 need an older key" in early[2]
    assert "webhook_endpoint.url: 1 sealed again" in resealed[1]
    assert "webhook_endpoint.url: 0 of 1 need an older key" in after[1]
    assert new.keys[1:] == old.keys
    assert operator.keyring.keys == new.keys[:1]
    assert len(operator.keyring.retired) == 1


async def test_with_several_processes_a_key_is_known_before_it_is_used(
    with_database: Operator, pool: Pool
) -> None:
    operator, old = with_database, with_database.keyring
    token = admin_token(old)
    assert (await operator.run("secrets", "rotate", "--prepare"))[0] == 0
    prepared = operator.keyring
    again = await operator.run("secrets", "rotate", "--prepare")
    assert (await operator.run("secrets", "rotate"))[0] == 0

    assert admin_token(prepared) == token
    assert operator.keyring.keys == (prepared.coming, *old.keys)
    assert (again[0], again[2]) == (
        1,
        "reapi: a key is prepared already: restart every process, then rotate\n",
    )


async def test_nothing_is_sealed_again_that_a_running_process_could_not_read(
    with_database: Operator, pool: Pool
) -> None:
    operator, old = with_database, with_database.keyring
    await endpoint(pool, old)
    await operator.run("secrets", "rotate")
    epoch = await process(pool, old)
    code, said, errors = await operator.run("secrets", "reseal")
    await LeasesSql(pool).release(epoch)
    await process(pool, operator.keyring)
    later = await operator.run("secrets", "reseal")

    assert (code, said) == (1, "")
    assert errors == f"reapi: process {epoch} does not know the newest key: restart it\n"
    assert later[0] == 0


async def test_an_old_key_is_kept_while_api_keys_need_it_unless_they_are_to_end(
    with_database: Operator, pool: Pool
) -> None:
    operator = with_database
    await create_key(Registry(pool), operator.keyring, uuid4(), "mine")
    await operator.run("secrets", "rotate")
    refused = await operator.run("secrets", "retire")
    forced = await operator.run("secrets", "retire", "--break-digests")

    assert (refused[0], forced[0]) == (1, 0)
    assert "api_key.secret_hmac: 1 need an older key" in refused[2]
    assert len(operator.keyring.keys) == 1


async def test_the_file_is_wrapped_and_a_wrong_master_key_leaks_nothing(
    with_database: Operator,
) -> None:
    operator, keyring = with_database, with_database.keyring
    wrapped = await operator.run("secrets", "wrap", REAPI_MASTER_KEY=MASTER)
    content = operator.file.read_text()
    none = await operator.run("core", REAPI_PUBLIC_URL="http://127.0.0.1:1")
    wrong = await operator.run(
        "core", REAPI_PUBLIC_URL="http://127.0.0.1:1", REAPI_MASTER_KEY=OTHER
    )
    rotated = await operator.run("secrets", "rotate", REAPI_MASTER_KEY=MASTER)
    after = json.loads(operator.file.read_text())
    clear = await operator.run("secrets", "unwrap", REAPI_MASTER_KEY=MASTER)

    assert wrapped[0] == rotated[0] == clear[0] == 0
    assert (none[0], wrong[0]) == (1, 1)
    assert "secrets.json is wrapped: set REAPI_MASTER_KEY_FILE" in none[2]
    assert wrong[2] == (
        "reapi: secrets.json cannot be opened: it was wrapped under another master key\n"
    )
    assert set(after) == {"wrapped_key", "sealed"}
    assert base64.b64encode(keyring.keys[0]).decode() not in content
    for secret in (MASTER, OTHER, content):
        assert secret not in "".join((*none[1:], *wrong[1:], *wrapped[1:]))
    assert operator.keyring.keys[1:] == keyring.keys


async def test_credentials_are_sealed_from_a_pipe_and_again_after_a_rotation(
    with_database: Operator,
) -> None:
    operator = with_database
    code, sealed, _ = await operator.run("secrets", "seal", said="sk-in-the-clear\n")
    file = operator.home / "openai.key"
    file.write_text(sealed)
    overlay = operator.home / "mine.toml"
    overlay.write_text('[channels.openai]\ncredential.file = "openai.key"\n')
    operator.variables["REAPI_CATALOGUE"] = str(overlay)
    await operator.run("secrets", "rotate")
    before = await operator.run("secrets", "status")
    again = await operator.run("secrets", "reseal")
    after = await operator.run("secrets", "status")

    assert code == 0
    assert "sk-in-the-clear" not in sealed
    assert "files of credentials: 1 of 1 need an older key" in before[1]
    assert "files of credentials: 1 sealed again" in again[1]
    assert "files of credentials: 0 of 1 need an older key" in after[1]
    assert file.read_text() != sealed


async def test_without_a_secret_file_nothing_is_made(tmp_path: Path) -> None:
    code, _, errors = await Operator(tmp_path).run("secrets", "rotate")

    assert (code, errors) == (1, "reapi: secrets.json is not there; the gateway makes it\n")
    assert not any(os.scandir(tmp_path))
