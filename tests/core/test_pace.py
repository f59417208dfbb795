"""How often something may be done: a burst, then one for each interval, and nobody else waits."""

from core.policy import pace
from core.policy.pace import Pace


def test_a_burst_is_let_through_and_then_one_for_each_interval() -> None:
    found = Pace(1.0, burst=3)

    assert [found.take("a", 5.0) for _ in range(5)] == [0.0, 0.0, 0.0, 1.0, 1.0]
    assert found.take("b", 5.0) == 0.0
    assert found.take("a", 5.75) == 0.25
    assert [found.take("a", 6.0) for _ in range(2)] == [0.0, 1.0]
    assert [found.take("a", 60.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


def test_only_so_many_are_remembered(monkeypatch) -> None:
    monkeypatch.setattr(pace, "KEPT", 2)
    found = Pace(10.0)
    for name in ("a", "b"):
        assert found.take(name, 0.0) == 0.0
    assert found.take("a", 11.0) == 0.0

    assert found.take("c", 12.0) == 0.0

    assert found.take("a", 12.0) == 9.0, "used later than b, which made room"
    assert found.take("b", 12.0) == 0.0
