"""Nobody waits for somebody else's receiver."""

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.webhooks.fairness import IN_ALL, PER_ACCOUNT, PER_TARGET, Due, UnderWay, choose

small = st.integers(0, 5).map(lambda number: UUID(int=number))
items = st.lists(
    st.builds(Due, small, st.uuids(), small, st.booleans()), max_size=80, unique_by=lambda d: d.id
)
counts = st.dictionaries(st.tuples(small, small), st.integers(1, 20), max_size=8)


@given(items, counts)
def test_no_receiver_and_no_account_gets_more_than_its_share(
    due: list[Due], under_way: dict[tuple[UUID, UUID], int]
) -> None:
    chosen = choose(due, UnderWay(under_way))

    targets: Counter[UUID] = Counter()
    accounts: Counter[UUID] = Counter()
    for (account, target), count in under_way.items():
        targets[target] += count
        accounts[account] += count
    for item in chosen:
        targets[item.target] += 1
        accounts[item.account_id] += 1
        assert targets[item.target] <= PER_TARGET
        assert accounts[item.account_id] <= PER_ACCOUNT
    assert len(set(chosen)) == len(chosen)


@given(items)
def test_whoever_has_a_place_free_gets_it(due: list[Due]) -> None:
    chosen = choose(due, UnderWay({}))

    left = [item for item in due if item not in chosen]
    targets = Counter(item.target for item in chosen)
    accounts = Counter(item.account_id for item in chosen)
    for item in left:
        assert targets[item.target] == PER_TARGET or accounts[item.account_id] == PER_ACCOUNT


def test_retries_come_after_first_tries() -> None:
    retry = Due(UUID(int=1), UUID(int=2), UUID(int=3), is_retry=True)
    fresh = Due(UUID(int=1), UUID(int=4), UUID(int=5))

    assert list(choose([retry, fresh], UnderWay({}))) == [fresh, retry]


def test_all_together_have_a_limit() -> None:
    due = [Due(UUID(int=n), UUID(int=n), UUID(int=n)) for n in range(2 * IN_ALL)]

    assert len(choose(due, UnderWay({(UUID(int=999), UUID(int=999)): 6}))) == IN_ALL - 6
