"""The ledger alone against its model, in seconds; `tests/prove/test_ledger_laws.py` for long."""

import pytest

from tests.ledger_machine import over_memory, over_postgres

pytestmark = pytest.mark.prove


def test_the_ledger_keeps_its_laws_in_memory() -> None:
    over_memory(examples=100, steps=40)


def test_the_ledger_keeps_its_laws_on_postgresql(database_url: str) -> None:
    over_postgres(database_url, examples=20, steps=40)
