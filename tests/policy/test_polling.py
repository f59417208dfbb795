"""When a job is looked at, and when a search has shown that there is none."""

from hypothesis import given
from hypothesis import strategies as st

from core.policy.polling import (
    ABSENT_AFTER,
    CLOCK_SLACK,
    JITTER,
    LONGEST_DELAY,
    LONGEST_SEARCH,
    Schedule,
    is_absent,
    look_delay,
    page_ends,
    search_delay,
)

moments = st.floats(0, 1e9)
intervals = st.floats(0.01, 600)
chances = st.floats(0, 1, exclude_max=True)
failures = st.integers(0, 10_000)
seconds = st.floats(0, 1e6)


@given(intervals, moments, chances, failures)
def test_the_first_look_comes_after_half_an_interval_to_a_whole_one(interval, began, chance, fails):
    schedule = Schedule(interval, began, fails)

    assert interval / 2 <= look_delay(schedule, began, chance) <= interval


@given(intervals, moments, chances, st.floats(0.5, 1e6))
def test_later_looks_are_an_interval_apart_less_a_little(interval, began, chance, since):
    delay = look_delay(Schedule(interval, began), began + since * interval + 1e-3, chance)

    assert interval * (1 - JITTER) <= delay <= interval


@given(intervals, chances, failures)
def test_a_provider_that_fails_is_asked_ever_more_seldom_up_to_a_limit(interval, chance, fails):
    def later(number):
        return look_delay(Schedule(interval, 0.0, number), 2 * interval, chance)

    assert later(0) <= later(fails) <= later(fails + 1)
    assert later(fails) <= max(LONGEST_DELAY, interval)
    longest = min(1024 * interval, max(LONGEST_DELAY, interval))
    assert later(10_000) >= 0.999 * longest * (1 - JITTER)


@given(intervals, chances, st.floats(0, 2))
def test_what_a_look_took_is_part_of_the_interval(interval, chance, share):
    schedule = Schedule(interval, 0.0, looked=2 * interval)
    delay = look_delay(schedule, 2 * interval, chance)
    took = share * interval
    later = look_delay(schedule, 2 * interval + took, chance)

    assert delay / 2 <= later <= delay
    if took < delay / 2:
        assert abs(later + took - delay) < 1e-6 * max(1.0, interval)


@given(intervals, chances, st.floats(0, 600))
def test_a_look_that_failed_is_no_part_of_the_pause_after_it(interval, chance, took):
    schedule = Schedule(interval, 0.0, failures=1, looked=2 * interval)
    waited = look_delay(schedule, 2 * interval + took, chance)

    assert waited == look_delay(Schedule(interval, 0.0, failures=1), 2 * interval, chance)


@given(intervals, failures)
def test_one_answer_takes_the_delay_back(interval, fails):
    schedule = Schedule(interval, 0.0)
    for _ in range(min(fails, 20)):
        schedule.failed()
    assert schedule.failures == min(fails, 20)
    schedule.answered()

    assert look_delay(schedule, 2 * interval, 0.0) == interval


@given(intervals)
def test_jobs_that_began_together_are_looked_at_apart(interval):
    first = {look_delay(Schedule(interval, 0.0), 0.0, chance / 10) for chance in range(10)}
    later = {look_delay(Schedule(interval, 0.0), interval, chance / 10) for chance in range(10)}

    assert len(first) == len(later) == 10


@given(st.integers(0, 10_000), chances)
def test_searches_begin_after_a_second_and_come_ever_more_seldom(tries, chance):
    assert 1 - JITTER <= search_delay(0, chance) <= 1
    assert search_delay(tries, chance) <= search_delay(tries + 1, chance) <= LONGEST_SEARCH


@given(st.integers(0, 100), seconds)
def test_one_search_or_a_short_time_never_proves_that_there_is_no_job(misses, since):
    if is_absent(misses, since):
        assert misses >= 2
        assert since >= ABSENT_AFTER
    assert not is_absent(1, since)
    assert not is_absent(misses, ABSENT_AFTER - 0.001)
    assert is_absent(max(2, misses), ABSENT_AFTER + since)


@given(moments, seconds)
def test_a_page_that_goes_back_far_enough_is_the_last_that_matters(sent, before):
    assert page_ends(True, sent + 1, sent)
    assert not page_ends(False, sent, sent)
    assert not page_ends(False, sent - CLOCK_SLACK, sent), "clocks differ"
    assert page_ends(False, sent - CLOCK_SLACK - 0.01 - before, sent)
