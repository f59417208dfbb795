"""The catalogue and the providers' table name the same dialects."""

from core.catalog.loader import DIALECTS as NAMED
from core.providers import DIALECTS as BUILT


def test_every_dialect_that_a_channel_may_name_is_built():
    assert set(BUILT) == set(NAMED)
