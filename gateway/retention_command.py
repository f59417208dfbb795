"""`reapi retention report` and `run`: the rules of how long what is kept, shown and applied."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from accounts.retention import RULES, Deed, Rule
from core.engine.ids import moment_of
from core.engine.rules import Standing, apply_rules, standings
from core.engine.sweeping import Sweeper
from core.ground import Objects
from core.log import emitter
from core.rights.exporting import Exports
from core.settings import Settings
from core.vault import KeyringVault
from gateway.command_log import noted
from gateway.opening import start_errors
from gateway.own_database import own_url
from storage.folder import FolderStore
from storage.pool import Pool, open_pool
from storage.s3 import S3Store

_NAME = "reapi-retention"


def report_retention(settings: Settings, at: datetime | None) -> int:
    """Print every rule: what it is about, what is due, and the oldest that there is."""
    with start_errors():
        found = asyncio.run(_standings(settings, at or datetime.now(UTC)))
    print(f"{'rule':28}{'kept':>12}{'due':>10}  {'oldest':26}why")
    for item in found:
        rule = item.rule
        print(f"{rule.name:28}{_kept(rule):>12}{item.due:>10}  {_oldest(item):26}{rule.why}")
    return 0


def run_retention(settings: Settings, at: datetime | None) -> int:
    """Do what is due, and print how much of it there was."""
    with start_errors():
        done = asyncio.run(_apply(settings, at or datetime.now(UTC)))
    for rule in RULES:
        count = done.get(rule, "failed")
        print(f"{rule.name:28}{count:>10}  {rule.deed}")
    return 0 if len(done) == len(RULES) else 1


async def _standings(settings: Settings, now: datetime) -> list[Standing]:
    async with AsyncExitStack() as stack:
        return await standings(await _pool(settings, stack), now)


async def _apply(settings: Settings, now: datetime) -> Mapping[Rule, int]:
    async with AsyncExitStack() as stack:
        pool = await _pool(settings, stack)
        store = await _store(settings, stack)
        emit = emitter(settings.log_level)
        exports = Exports(pool, store, KeyringVault(settings.open_keyring()))
        removed = {
            Deed.REMOVE_OUTPUTS: await Sweeper(pool, store, emit).run(now),
            Deed.REMOVE_EXPORTS: await exports.remove_due(now),
        }
        rows = await apply_rules(pool, now, emit)
        count = sum(removed.values()) + sum(rows.values())
        await noted(pool, "retention.run", at=now.isoformat(timespec="seconds"), count=str(count))
        return {rule: removed[rule.deed] for rule in RULES if rule.deed in removed} | rows


async def _pool(settings: Settings, stack: AsyncExitStack) -> Pool:
    url = await own_url(settings, stack)
    return await stack.enter_async_context(open_pool(url, name=_NAME))


async def _store(settings: Settings, stack: AsyncExitStack) -> Objects:
    if isinstance(settings.outputs, Path):
        return FolderStore(settings.outputs)
    return await stack.enter_async_context(S3Store(settings.outputs))


def _kept(rule: Rule) -> str:
    days = rule.keep / timedelta(days=1)
    return f"{days:g} days" if rule.keep else "until then"


def _oldest(item: Standing) -> str:
    if isinstance(item.oldest, UUID):
        return moment_of(item.oldest).isoformat(timespec="seconds")
    if isinstance(item.oldest, datetime):
        return item.oldest.astimezone(UTC).isoformat(timespec="seconds")
    return "" if item.oldest is None else str(item.oldest)
