"""The ledger alone against its model, for long: sums, budgets, debt, once and only once."""

import pytest

from tests.ledger_machine import over_memory, over_postgres
from tests.prove_options import Counts


@pytest.mark.prove
def test_the_ledger_keeps_its_laws_in_memory_for_long(counts: Counts) -> None:
    over_memory(examples=counts.ledger_runs, steps=50, random=True)


@pytest.mark.prove
def test_the_ledger_keeps_its_laws_on_postgresql_for_long(
    database_url: str, counts: Counts
) -> None:
    over_postgres(database_url, examples=counts.ledger_runs, steps=50, random=True)
