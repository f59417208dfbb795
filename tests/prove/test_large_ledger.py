"""A ledger of many rows is sealed as fast as it is written, and verified in little memory."""

import asyncio
import json
import re
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from billing.sealing import Sealer
from storage.pool import Pool
from tests.ledgers import PUBLIC, SIGNER

ACCOUNTS, ROWS = 50, 200_000
MEGABYTES = 250
"""Python with what it imports, and no ledger."""
SLOWEST = 1_000
"""Rows a second, on a machine that is busy with other things."""
_WRITE = """
INSERT INTO transfer (account_id, id, kind, amount_micros, releases_micros, created_at)
SELECT (SELECT array_agg(account_id ORDER BY account_id) FROM account)[1 + n %% %s],
       gen_random_uuid(), 'grant', 5, 0, now() - interval '1 hour' + n * interval '10 milliseconds'
  FROM generate_series(1, %s) AS n
"""


@pytest.mark.prove
async def test_a_backlog_is_sealed_and_verified_in_streams(
    pool: Pool, database_url: str, tmp_path: Path
) -> None:
    async with pool.connection() as connection:
        for _ in range(ACCOUNTS):
            await connection.execute(
                "INSERT INTO account (account_id, name) VALUES (%s, 'test')", [uuid4()]
            )
        await connection.execute(_WRITE, [ACCOUNTS, ROWS])
        await connection.execute("UPDATE balance SET posted = %s", [ROWS // ACCOUNTS * 5])
        await connection.execute(
            "UPDATE ledger_sealing SET sealed_until = now() - interval '2 hours'"
        )
        await connection.execute("ANALYZE transfer")
    sealer, sealed, begin = Sealer(pool, SIGNER, timedelta(0)), 0, time.monotonic()
    while count := await sealer.run():
        sealed += count
    seconds = time.monotonic() - begin
    assert sealed == ROWS

    environment = {"REAPI_HOME": str(tmp_path), "REAPI_DATABASE_URL": database_url}
    command = [sys.executable, "-m", "gateway", "verify-ledger", "--database"]
    process = await asyncio.create_subprocess_exec(
        *(*command, "--key", PUBLIC[0].hex()), env=environment, stdout=subprocess.PIPE
    )
    telling = asyncio.create_task(process.communicate())
    used = 0.0
    while not telling.done():
        used = high_water(process.pid) or used
        await asyncio.wait([telling], timeout=0.05)
    told, _ = await telling
    assert process.returncode == 0, told
    print(json.dumps({"rows_per_second": sealed / seconds, "verifier_mb": used}))
    assert used < MEGABYTES
    assert sealed / seconds > SLOWEST


def high_water(pid: int) -> float:
    """The most memory in megabytes that a process has had so far; 0 where nobody can say.

    `getrusage` would count the process that started it as well.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0
