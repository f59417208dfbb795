"""`reapi secrets`: server keys are exchanged, wrapped, and what is sealed under them renewed."""

import asyncio
import secrets
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from core.body import Secret
from core.catalog.loader import CatalogueError, load, shipped_files, stand_in
from core.engine.process_secrets import ProcessKeys, processes
from core.engine.resealing import Resealing, Standing
from core.key_rotation import prepared, retired, rotated
from core.keyring import KEY_BYTES, Keyring, KeyringError
from core.sealed_columns import FIXED, SEALED
from core.sealed_files import is_sealed, open_text, seal_text
from core.sealing import UnsealError
from core.secret_file import SecretFile, keep_owner
from core.settings import Settings
from gateway.command_log import note_if_possible, noted
from gateway.opening import start_errors
from gateway.own_database import own_url
from gateway.process import ServeError
from storage.pool import Pool, open_pool

FOUND = 1
"""The exit code when something needs an older key, or cannot be done yet."""
LONGEST_CREDENTIAL = 8192
"""Characters, as the catalogue takes them."""
_RESTART = "restart every process (the keys are read at start), then run `reapi secrets"

T = TypeVar("T")


def rotate(settings: Settings, *, prepare: bool) -> int:
    """Add a key: in front, or only known."""
    step = prepared if prepare else rotated
    _change(settings, lambda keyring: step(keyring, secrets.token_bytes(KEY_BYTES)))
    note_if_possible(settings, "secrets.prepare" if prepare else "secrets.rotate")
    if prepare:
        print(f"a new key is known and not used yet: {_RESTART} rotate`")
    else:
        print("a new key is in front, and the operator's token is another: reapi admin-token")
        print(f"{_RESTART} reseal`")
    return 0


def wrap(settings: Settings, *, wrapped: bool) -> int:
    """Write the file wrapped, or in the clear."""
    file = _file(settings)
    if wrapped and settings.key_service is None:
        raise ServeError("set REAPI_MASTER_KEY_FILE, REAPI_MASTER_KEY or REAPI_KMS_COMMAND")
    with file.alone():
        keyring = file.read()
        file.write(keyring, wrapped=wrapped)
    if SecretFile(settings.secret_file, settings.key_service).read() != keyring:
        raise ServeError(f"{settings.secret_file.name} reads otherwise than it was written")
    state = "wrapped" if wrapped else "in the clear"
    print(
        f"{settings.secret_file.name} is {state}; copies of it that you have kept are not changed"
    )
    return 0


def seal(settings: Settings) -> int:
    """Seal what comes on standard input."""
    credential = Secret(sys.stdin.read(LONGEST_CREDENTIAL + 1).strip())
    if not 0 < len(credential) <= LONGEST_CREDENTIAL:
        raise ServeError(f"give a credential of 1 to {LONGEST_CREDENTIAL} characters")
    print(seal_text(_file(settings).read(), credential), end="")
    return 0


def status(settings: Settings) -> int:
    """Print what needs an older key."""
    keyring = _file(settings).read()
    standings, running = _run(settings, lambda pool: _look(pool, keyring))
    standings.append(_files_standing(settings, keyring))
    print(f"{len(keyring.keys)} keys, {_kept(settings)}")
    for process in running:
        print(f"process {process.epoch}: {_knowledge(process, keyring)}")
    for each in standings:
        rest = f", {each.unreadable} that no key opens" if each.unreadable else ""
        print(f"{each.name}: {each.old} of {each.total} need an older key{rest}")
    return FOUND if any(each.old for each in standings) else 0


def reseal(settings: Settings) -> int:
    """Seal again, column by column; may be stopped and run again."""
    keyring = _file(settings).read()
    behind = _run(settings, lambda pool: _reseal(pool, keyring))
    if behind:
        numbers = ", ".join(str(process.epoch) for process in behind)
        print(f"reapi: process {numbers} does not know the newest key: restart it", file=sys.stderr)
        return FOUND
    count = _reseal_files(settings, keyring)
    print(f"files of credentials: {count} sealed again")
    return 0


def retire(settings: Settings, *, break_digests: bool) -> int:
    """Drop older keys that nothing needs."""
    file = _file(settings)
    keyring = file.read()
    standings, running = _run(settings, lambda pool: _look(pool, keyring))
    standings.append(_files_standing(settings, keyring))
    fixed = {column.name for column in FIXED}
    needing = [
        each for each in standings if each.old and not (break_digests and each.name in fixed)
    ]
    behind = [each for each in running if each.seals_with != keyring.names[0]]
    for each in needing:
        print(f"{each.name}: {each.old} need an older key", file=sys.stderr)
    for process in behind:
        print(f"process {process.epoch}: {_knowledge(process, keyring)}", file=sys.stderr)
    if needing or behind:
        print("reapi: nothing was dropped; docs/secrets.md says what to do", file=sys.stderr)
        return FOUND
    _change(settings, lambda found: retired(_same(found, keyring)))
    note_if_possible(settings, "secrets.retire")
    print(f"{len(keyring.keys) - 1} keys dropped; with what they signed it can still be checked")
    return 0


def _same(found: Keyring, looked_at: Keyring) -> Keyring:
    """The keys that are there, if they are those that were looked at."""
    if found.keys != looked_at.keys:
        raise ServeError("the keys were changed meanwhile; nothing was dropped")
    return found


def _file(settings: Settings) -> SecretFile:
    """The file, which must be there: a new one would open nothing."""
    if not settings.secret_file.is_file():
        raise KeyringError(f"{settings.secret_file.name} is not there; the gateway makes it")
    return SecretFile(settings.secret_file, settings.key_service)


def _change(settings: Settings, step: Callable[[Keyring], Keyring]) -> None:
    file = _file(settings)
    with file.alone():
        file.write(step(file.read()), wrapped=file.is_wrapped)


def _kept(settings: Settings) -> str:
    is_wrapped = SecretFile(settings.secret_file).is_wrapped
    return "wrapped" if is_wrapped else "in the clear: `reapi secrets wrap` wraps them"


def _knowledge(process: ProcessKeys, keyring: Keyring) -> str:
    newest = keyring.names[0]
    if process.seals_with == newest:
        return "seals with the newest key"
    if process.seals_with is None:
        return "has not said which keys it knows"
    return "knows the newest key" if newest in process.knows else "does not know the newest key"


def _run(settings: Settings, work: Callable[[Pool], Coroutine[Any, Any, T]]) -> T:
    async def connected() -> T:
        async with AsyncExitStack() as stack:
            url = await own_url(settings, stack)
            return await work(await stack.enter_async_context(open_pool(url, name="reapi-secrets")))

    with start_errors():
        return asyncio.run(connected())


async def _look(pool: Pool, keyring: Keyring) -> tuple[list[Standing], Sequence[ProcessKeys]]:
    resealing = Resealing(pool, keyring)
    standings = [await resealing.standing(column) for column in SEALED]
    standings += [await resealing.fixed_standing(column) for column in FIXED]
    async with pool.connection() as connection:
        return standings, await processes(connection)


async def _reseal(pool: Pool, keyring: Keyring) -> list[ProcessKeys]:
    """Do it, and say how far; or say who would not be able to read it."""
    async with pool.connection() as connection:
        newest, running = keyring.names[0], await processes(connection)
    if behind := [process for process in running if newest not in process.knows]:
        return behind
    resealing = Resealing(pool, keyring)
    for column in SEALED:
        print(f"{column.name}: {await resealing.reseal(column)} sealed again", flush=True)
    await noted(pool, "secrets.reseal")
    return []


def _sealed_files(settings: Settings) -> list[tuple[Path, str]]:
    """The sealed files of credentials that the catalogue names, with their texts."""
    files = [*shipped_files(), *settings.catalogue]
    try:
        named = load(files, stand_in(files, settings.environment)).credential_files
    except CatalogueError as error:
        raise ServeError(str(error)) from None
    texts = [(file, file.read_text(errors="replace")) for file in named if file.is_file()]
    return [(file, text) for file, text in texts if is_sealed(text)]


def _files_standing(settings: Settings, keyring: Keyring) -> Standing:
    files = _sealed_files(settings)
    readable = [text for _, text in files if _opens(keyring, text)]
    old = sum(not _opens(keyring.newest, text) for text in readable)
    return Standing("files of credentials", len(files), old, len(files) - len(readable))


def _opens(keyring: Keyring, text: str) -> bool:
    try:
        open_text(keyring, text)
    except UnsealError:
        return False
    return True


def _reseal_files(settings: Settings, keyring: Keyring) -> int:
    count = 0
    for file, text in _sealed_files(settings):
        if _opens(keyring, text) and not _opens(keyring.newest, text):
            draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
            try:
                draft.touch(mode=0o600)
                draft.write_text(seal_text(keyring, open_text(keyring, text)))
                keep_owner(draft, file)
                draft.replace(file)
            except (OSError, KeyringError) as error:
                draft.unlink(missing_ok=True)
                reason = error.strerror if isinstance(error, OSError) else error
                print(f"reapi: {file.name} cannot be written: {reason}", file=sys.stderr)
            else:
                count += 1
    return count
