"""`reapi payments sweep` beside a database, as an operator runs it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paying import SECRET_KEY, open_till

ROOT = Path(__file__).parents[2]
# Stripe's client hands httpx bytes under a name that httpx is about to drop.
pytestmark = [
    pytest.mark.prove,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]


async def sweep(home: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if "REAPI" not in name}
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "payments", "sweep", *arguments),
        cwd=ROOT,
        env={**environment, "REAPI_HOME": str(home), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(program.communicate(), 60)
    assert program.returncode is not None
    return program.returncode, out.decode(), errors.decode()


async def test_a_sweep_by_hand_mends_and_says_so(database_url: str, tmp_path: Path) -> None:
    async with open_till(database_url) as till:
        account = await till.account()
        await till.checkout(account)
        variables = {
            "REAPI_DATABASE_URL": database_url,
            "REAPI_STRIPE_SECRET_KEY": SECRET_KEY,
            "REAPI_STRIPE_WEBHOOK_SECRET": "whsec_1, whsec_2",
            "REAPI_STRIPE_URL": till.stripe.url,
        }

        code, said, events = await sweep(tmp_path, "--days", "30", **variables)

        assert (code, said) == (0, "1 payments, 1 mended, 0 to look at\n")
        assert '"charged_not_credited"' in events
        assert SECRET_KEY not in events
        assert (await till.balance(account)).posted_micros == 10_000_000
    code, said, _ = await sweep(tmp_path, **variables)
    assert (code, said) == (1, "")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"REAPI_STRIPE_SECRET_KEY": "sk_1"},
        {
            "REAPI_STRIPE_SECRET_KEY": "sk_1",
            "REAPI_STRIPE_WEBHOOK_SECRET": "whsec_1",
            "REAPI_STRIPE_URL": "http://stripe.example",
        },
    ],
)
async def test_a_sweep_without_a_stripe_says_what_to_set(
    variables: dict[str, str], tmp_path: Path
) -> None:
    code, _, said = await sweep(tmp_path, **variables)

    assert code != 0
    assert "REAPI_STRIPE_" in said
    assert "Traceback" not in said
    assert "sk_1" not in said
