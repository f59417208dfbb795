"""What core refuses early: turns, shares, rates, and credentials that nobody knows."""

import asyncio
from uuid import UUID, uuid4

import pytest

from accounts.roles import Role
from core.authentication import KNOWN, Credentials, Doorman
from core.caller import Caller
from core.engine.admission import Admission
from core.errors import GatewayError, Reason
from core.log import Event, RequestShed
from core.policy.admission import PATIENCE, STANDING, START, Strangers

LIMITED = GatewayError(
    Reason.RATE_LIMIT_EXCEEDED,
    "Rate limit reached.",
    retry_after=3.0,
    metadata={"limit": "60", "remaining": "0", "reset_ms": "3001"},
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.step = 0.0
        """How much passes with each look."""

    def __call__(self) -> float:
        self.now += self.step
        return self.now - self.step


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def admission(clock: Clock, told: list[Event]) -> Admission:
    return Admission(1_000, 1_000, told.append, clock)


async def begun(admission: Admission, key: str) -> "asyncio.Task[None]":
    task = asyncio.create_task(admission.turn(admission.enter(key)))
    await asyncio.sleep(0)
    return task


async def test_time_that_passes_while_a_turn_is_asked_for_is_no_defect(
    admission: Admission, clock: Clock
) -> None:
    for _ in range(int(START)):
        await admission.turn(admission.enter("a"))
    first = await begun(admission, "a")
    clock.now, clock.step = STANDING, 0.001
    second, third = await begun(admission, "a"), await begun(admission, "a")

    assert not second.done()
    with pytest.raises(GatewayError, match="OVERLOADED"):
        await third
    first.cancel()
    second.cancel()


async def test_a_turn_is_waited_for_and_given(admission: Admission) -> None:
    slots = [admission.enter("a") for _ in range(int(START))]
    for slot in slots:
        await admission.turn(slot)
    waiting = await begun(admission, "a")

    assert not waiting.done()
    slots[0].dispatched()
    await asyncio.wait_for(waiting, 1)


async def test_who_goes_away_while_waiting_leaves_nothing_behind(admission: Admission) -> None:
    slots = [admission.enter("a") for _ in range(int(START) + 1)]
    for slot in slots[:-1]:
        await admission.turn(slot)
    waiting = asyncio.create_task(admission.turn(slots[-1]))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    for slot in slots:
        slot.release()

    assert admission.gate.is_idle
    assert (admission.calls, admission.bytes) == (0, 0)


async def test_a_queue_that_stays_is_refused_at_a_glance_and_others_are_not(
    admission: Admission, clock: Clock, told: list[Event]
) -> None:
    tasks = [await begun(admission, "a") for _ in range(int(START) + 5)]
    clock.now = PATIENCE + 0.1
    error = admission.glance("a")

    assert error is not None
    assert (error.reason, error.retry_after) == (Reason.OVERLOADED, 1.0)
    assert error.metadata == {"resource": "turns"}
    assert told == [RequestShed("turns")]
    assert admission.glance("b") is None
    for task in tasks:
        task.cancel()


def test_no_key_has_more_than_half_of_the_bytes_or_calls(admission: Admission) -> None:
    with admission.enter("a") as greedy, admission.enter("b") as modest:
        greedy.grow(500)
        with pytest.raises(GatewayError) as caught:
            greedy.grow(501)
        modest.grow(500)
    slots = [admission.enter("a") for _ in range(500)]
    with pytest.raises(GatewayError):
        admission.enter("a")
    admission.enter("b").release()
    for slot in slots:
        slot.release()

    assert caught.value.metadata == {"resource": "bytes_in_flight"}
    assert (admission.calls, admission.bytes) == (0, 0)


def test_a_key_over_its_rate_is_told_so_without_a_commit_until_the_time_is_over(
    admission: Admission, clock: Clock, told: list[Event]
) -> None:
    admission.over_rate("a", LIMITED)
    clock.now = 2.0
    error = admission.glance("a")

    assert error is not None
    assert (error.reason, error.retry_after) == (Reason.RATE_LIMIT_EXCEEDED, 1.0)
    assert error.metadata == {"limit": "60", "remaining": "0", "reset_ms": "1001"}
    assert admission.glance("b") is None
    clock.now = 3.0
    assert admission.glance("a") is None
    assert told == [RequestShed("rate")]


class Keys:
    """An authenticator that knows one key, and counts who is looked at."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.good = "good"
        self.key_id = UUID(int=7)

    async def authenticate(self, token: str) -> Caller:
        self.asked += 1
        await self.answers.wait()
        if not token.startswith(self.good):
            raise GatewayError(Reason.API_KEY_INVALID, "No.")
        return Caller(uuid4(), self.key_id)


async def flooded(doorman: Doorman) -> None:
    for number in range(int(Strangers.BURST)):
        with pytest.raises(GatewayError) as caught:
            await doorman.authenticate(f"bad {number}")
        assert caught.value.reason is Reason.API_KEY_INVALID


async def test_a_flood_of_bad_keys_is_not_looked_at_and_known_keys_pass(
    admission: Admission, clock: Clock
) -> None:
    keys = Keys()
    doorman = Doorman(keys, admission, lambda _: None, "operator", clock)
    await doorman.authenticate("good")
    await flooded(doorman)
    looked_at = keys.asked

    error = doorman.glance("bad", True)
    assert error is not None
    assert (error.reason, error.retry_after) == (Reason.OVERLOADED, 1.0)
    with pytest.raises(GatewayError) as caught:
        await doorman.authenticate("bad again")
    assert caught.value.reason is Reason.OVERLOADED, "never 401 by mistake"
    assert keys.asked == looked_at
    assert doorman.glance("good", True) is None
    assert doorman.glance("operator", False) is None
    await doorman.authenticate("good")
    clock.now = 1.0
    assert doorman.glance("bad", True) is None, "the next ones are looked at"


@pytest.mark.parametrize("word", ["good", "bad"])
async def test_strangers_that_come_at_once_are_looked_at_as_if_one_by_one(
    admission: Admission, clock: Clock, word: str
) -> None:
    keys, crowd = Keys(), int(Strangers.BURST) + 50
    doorman = Doorman(keys, admission, lambda _: None, "operator", clock)
    keys.answers.clear()
    tasks = [asyncio.create_task(doorman.authenticate(f"{word} {n}")) for n in range(crowd)]
    await asyncio.sleep(0)
    keys.answers.set()
    await asyncio.wait(tasks)

    assert keys.asked == int(Strangers.BURST)
    assert (doorman.glance("another", True) is None) is (word == "good"), "good ones are no flood"


async def test_a_crowd_with_one_new_key_gets_in(admission: Admission, clock: Clock) -> None:
    keys = Keys()
    doorman = Doorman(keys, admission, lambda _: None, "operator", clock)
    keys.answers.clear()
    tasks = [asyncio.create_task(doorman.authenticate("good")) for _ in range(3_000)]
    await asyncio.sleep(0)
    keys.answers.set()
    await asyncio.gather(*tasks)

    assert doorman.glance("another", True) is None


async def test_a_key_that_is_good_no_more_is_a_stranger(admission: Admission, clock: Clock) -> None:
    keys = Keys()
    doorman = Doorman(keys, admission, lambda _: None, "operator", clock)
    await doorman.authenticate("good")
    keys.good = "another"
    with pytest.raises(GatewayError):
        await doorman.authenticate("good")
    await_flood = int(Strangers.BURST) - 1
    for number in range(await_flood):
        with pytest.raises(GatewayError):
            await doorman.authenticate(f"bad {number}")

    assert doorman.glance("good", True) is not None


async def test_only_so_many_keys_are_remembered(admission: Admission, clock: Clock) -> None:
    doorman = Doorman(Keys(), admission, lambda _: None, "operator", clock)
    for number in range(KNOWN + 5):
        await doorman.authenticate(f"good {number}")

    assert len(doorman._known) == KNOWN


async def test_only_what_starts_a_generation_is_rationed(
    admission: Admission, clock: Clock
) -> None:
    keys = Keys()
    doorman = Doorman(keys, admission, lambda _: None, "operator", clock)
    await doorman.authenticate("good")
    admission.over_rate(keys.key_id.int, LIMITED)

    assert doorman.glance("good", True) is not None
    assert doorman.glance("good", False) is None


class Sessions:
    """Whose tokens begin with their person's number; nothing else is a session."""

    async def authenticate(self, token: str) -> Caller:
        number = token.removeprefix("rs_").partition(" ")[0]
        if not number.isdecimal():
            raise GatewayError(Reason.SESSION_INVALID, "No.")
        person = UUID(int=int(number))
        return Caller(uuid4(), UUID(int=0), user_id=person, session_id=uuid4(), role=Role.OWNER)


async def test_who_guesses_sessions_is_a_stranger_as_who_guesses_keys(
    admission: Admission, clock: Clock
) -> None:
    doorman = Doorman(Credentials(Keys(), Sessions()), admission, lambda _: None, "op", clock)
    await doorman.authenticate("rs_1 known")
    for number in range(int(Strangers.BURST)):
        with pytest.raises(GatewayError) as caught:
            await doorman.authenticate(f"rs_x {number}")
        assert caught.value.reason is Reason.SESSION_INVALID
    with pytest.raises(GatewayError) as caught:
        await doorman.authenticate("rs_2 new")

    assert caught.value.reason is Reason.OVERLOADED
    await doorman.authenticate("rs_1 known")


async def test_people_are_rationed_each_for_themselves_in_however_many_browsers(
    admission: Admission, clock: Clock
) -> None:
    doorman = Doorman(Credentials(Keys(), Sessions()), admission, lambda _: None, "op", clock)
    for token in ("rs_1 a", "rs_1 b", "rs_2 a"):
        await doorman.authenticate(token)

    assert sorted(doorman._known.values()) == [1, 1, 2]
