"""The small pure decisions a second time, asked about whatever a seed makes up.

When to look at a job and when it is absent, when a caller's attempts must be over, what the parts of
a request are asked for, what a request relies on, what a key has cost.
"""

import random
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from core.body import Body, Secret
from core.errors import GatewayError, Reason
from core.model import Ask, Final, Input, Kind, Report, Resubmit, Role, Usage
from core.policy import deadlines, fan_out, hedging, polling
from core.policy.health import HealthBook
from core.policy.rate_limits import RateLimit
from core.policy.risk import RiskCaps
from core.policy.routing import (
    Needs,
    Preference,
    Unroutable,
    Why,
    choose,
    eligible,
    operation_of,
)
from tests.dst import hearsay
from tests.dst.breaking import law, same_time

DAY = 86_400.0
SEEDS = 1 << 31
CAP = 5_000_000
SOME = (0.0, 0.04, 0.05, 0.5, 1.0, 5.0, 9.99, 10.0, 20.0, 30.0, 60.0, 70.0, 300.0, 400.0)


def judge(rng: random.Random, channels: Any) -> None:
    """Ask about some; raises `Broken`."""
    for _ in range(8):
        _looks(rng)
        _searches(rng)
        _times(rng)
        _patience(rng)
    for _ in range(4):
        _parts(rng)
        _sums(rng)
        _reasons(rng)
        _needs(rng, channels)
    _risks(rng)
    _told(rng)
    _renewed(rng, channels)
    _two_choices(channels)
    hearsay.judge(rng)


def _looks(rng: random.Random) -> None:
    """The first look after half an interval to a whole one; then each interval less a tenth."""
    interval, chance = rng.choice((0.5, 2.0, 20.0, 70.0)), rng.random()
    schedule = polling.Schedule(interval, 1000.0)
    now = 1000.0 + rng.choice((0.0, 0.49, 0.5, 0.51, 1.0, 30.0)) * interval
    failures = rng.choice((0, 0, 1, 2, 5, 7, 40))
    for _ in range(failures):
        schedule.failed()
    if rng.random() < 0.2:
        schedule.answered()
        failures = 0
    took = rng.choice((None, 0.0, 0.1, 0.4, 0.6, 3.0))
    schedule.looked = None if took is None else now - took * interval
    if now - 1000.0 < interval / 2:
        expected = interval * (0.5 + 0.5 * chance)
    else:
        longest = max(60.0, interval)
        expected = min(longest, interval * 2.0 ** min(failures, 40)) * (1 - 0.1 * chance)
        if took is not None and not failures:
            expected = max(expected / 2, expected - took * interval)
    same_time(polling.look_delay(schedule, now, chance), expected)


def _searches(rng: random.Random) -> None:
    """After 1, 2, 4, … 30 seconds, less a tenth; two misses, and ten seconds, are proof."""
    tries, chance = rng.choice((0, 1, 2, 3, 4, 5, 6, 30, 2000)), rng.random()
    expected = min(30.0, 2.0 ** min(tries, 20)) * (1 - 0.1 * chance)
    same_time(polling.search_delay(tries, chance), expected)
    misses, since = rng.choice((0, 1, 2, 3)), rng.choice(SOME)
    law(polling.is_absent(misses, since) == (misses >= 2 and since >= 10.0), "absence is proved")
    is_last, gap = rng.random() < 0.3, rng.choice((0.0, 299.0, 300.0, 301.0, 1e4))
    ends = is_last or gap > 300.0
    law(polling.page_ends(is_last, 5000.0 - gap, 5000.0) == ends, "pages are read far enough")


def _times(rng: random.Random) -> None:
    """A tenth of the time, one second at most, is kept; and whose silence it was."""
    now, given = rng.choice((0.0, 1000.0)), rng.choice((*SOME, 11.0, -3.0))
    kept = min(1.0, max(0.0, given) / 10)
    same_time(deadlines.attempts_end(now, now + given), now + given - kept)
    reason = rng.choice((Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_ERROR))
    ends = rng.choice((None, 1000.0))
    late = rng.choice((-1.0, -0.15, -0.09, 0.0, 0.5))
    expected = reason is Reason.UPSTREAM_TIMEOUT and ends is not None and late >= -0.1
    law(deadlines.is_over(reason, ends, 1000.0 + late) == expected, "whose silence it was")


def _patience(rng: random.Random) -> None:
    """Until the 95th percentile since the start; not at all where its own deadline is sooner."""
    usual, first_byte, since = rng.choice((None, *SOME)), rng.choice(SOME), rng.choice(SOME)
    attempt: Any = SimpleNamespace(
        health=SimpleNamespace(latency_p95=lambda _now: usual),
        deadlines=SimpleNamespace(first_byte=first_byte),
        started=100.0,
    )
    expected = None if usual is None or usual >= first_byte else max(0.0, usual - since)
    same_time(hedging.patience(attempt, 100.0 + since), expected)


def _parts(rng: random.Random) -> None:
    """Parts are asked for their own seeds, and put together in order."""
    count = rng.randint(1, 10)
    seed = rng.choice((None, -1, 0, 7, SEEDS - 1, "a word"))
    given = {"quality": "low"} | ({} if seed is None else {"seed": seed})
    ask = Ask("m", Kind.IMAGE, Body("p"), count=count, parameters=given)
    first = rng.randrange(count)
    indices = tuple(range(first, rng.randint(first + 1, count)))
    part = fan_out.part_of(ask, indices)
    if len(indices) == count:
        law(part is ask, "what is whole is asked as it is")
    law(part.count == len(indices), "a part is asked for its own outputs")
    counts_up = isinstance(seed, int) and seed >= 0
    expected = {**given, "seed": (seed + first) % SEEDS} if counts_up else given
    law(dict(part.parameters) == expected, "outputs have seeds of their own")
    for index in (-1, 0, len(indices) - 1, len(indices)):
        found = fan_out.placed(Final(index, Body(b"")), indices)
        place = None if found is None else found.output_index
        is_ours = 0 <= index < len(indices)
        law(place == (indices[index] if is_ours else None), "an output has its place")
    taken = set(rng.sample(range(count), rng.randint(0, count - 1)))
    finals = [Final(each, Body(b"")) for each in range(20, 20 + count - len(taken))]
    free = sorted(set(range(count)) - taken)
    together = [each.output_index for each in fan_out.gapless(finals, taken)]
    law(together == free, "no number is left out")


def _sums(rng: random.Random) -> None:
    """What providers counted is added up; the first one's words stand."""
    known = (None, 3)
    reports = [
        Report(
            rng.choice((None, Usage(number, 10 * number, 100 * number, rng.choice(known)))),
            size=str(number),
        )
        for number in range(rng.randint(0, 3))
    ]
    reports = [each for each in reports if each.usage is not None]
    found = fan_out.together(reports)
    if not reports:
        law(found == Report(), "nobody said anything")
        return
    law(found.size == reports[0].size, "the first one's words")
    counted: list[Any] = [each.usage for each in reports]
    images = [each.output_image_tokens for each in counted]
    law(
        found.usage
        == Usage(
            sum(each.input_text_tokens for each in counted),
            sum(each.input_image_tokens for each in counted),
            sum(each.output_tokens for each in counted),
            None if None in images else sum(images),
        ),
        "what was counted is added up",
    )


def _reasons(rng: random.Random) -> None:
    """Refusals first, overload last."""
    order = [
        Reason.CONTENT_POLICY_VIOLATION,
        Reason.UPSTREAM_REJECTED,
        Reason.CANCELLED,
        Reason.UPSTREAM_TIMEOUT,
        Reason.UPSTREAM_OVERLOADED,
    ]
    chosen = rng.sample(order, rng.randint(1, 3))
    errors = [GatewayError(each, "", metadata={"attempts": "1"}) for each in chosen]
    errors += [GatewayError(Reason.INTERNAL, "")] if rng.random() < 0.3 else []
    found = fan_out.most_useful(errors, 9)
    law(found.reason is min(chosen, key=order.index), "the most useful reason is told")
    law(found.metadata["attempts"] == "9", "all attempts are told")
    bare = fan_out.most_useful([GatewayError(Reason.INTERNAL, "")], 9)
    law("attempts" not in bare.metadata, "what counts none tells none")


def _needs(rng: random.Random, channels: Any) -> None:
    """What a channel cannot do excludes it for who relies on that, and for nobody else."""
    roles = [rng.choice((Role.IMAGE, Role.IMAGE, Role.MASK, Role.VIDEO)) for _ in range(4)]
    inputs = tuple(
        Input(
            role,
            Body(b""),
            "image/png",
            parameter=rng.choice(("", f"{role}[{number}]")),
            url=rng.choice((None, Body("http://x"))),
        )
        for number, role in enumerate(roles[: rng.randint(0, 4)])
    )
    given = rng.choice(({}, {"background": "opaque", "loud": True}))
    ask = Ask(
        "m",
        Kind.IMAGE,
        Body("p"),
        inputs,
        count=rng.choice((1, 2, 4)),
        partials=rng.choice((0, 2)),
        parameters=given,
        texts=rng.choice(({}, {"negative_prompt": Body("x")})),
    )
    divisible = rng.random() < 0.5
    needs = Needs.of(ask, {"output_format": "png", "background": "auto"}, is_divisible=divisible)
    law(needs.is_divisible == (divisible and ask.count > 1), "one output is not divided")
    relied = _relied(ask)
    law(dict(needs.tokens) == relied, f"{needs.tokens}, must be {relied}")
    lacking = rng.choice([*sorted(relied), "nothing", "seed"])
    able = replace(
        rng.choice(channels),
        unsupported=frozenset({lacking}),
        bills_on_refusal=rng.random() < 0.5,
        resubmit=rng.choice((Resubmit.DUPLICATE_OK, Resubmit.RECONCILE_FIRST)),
        maximum_count=rng.choice((1, 2, 4)),
    )
    is_free = able.resubmit is Resubmit.DUPLICATE_OK
    makes = ask.count <= able.maximum_count or (needs.is_divisible and is_free)
    unmet = [relied[lacking]] if lacking in relied else []
    unmet += ["output_count"] * (not makes)
    law(needs.unmet(able) == list(dict.fromkeys(unmet)), f"{unmet} are not met")
    law(needs.are_met(able) == (not unmet), "a channel serves what it can")
    _eligible(rng, needs, able)


def _eligible(rng: random.Random, needs: Needs, able: Any) -> None:
    twin = replace(able, name="twin", bills_on_refusal=rng.random() < 0.5)
    careful = rng.random() < 0.5
    found = eligible((able, twin), needs, Preference(is_careful=careful))
    if not needs.are_met(able):
        unmet = needs.unmet(able)
        law(isinstance(found, Unroutable) and found.parameter == unmet[0], "the culprit is named")
        return
    sparing = [each for each in (able, twin) if not each.bills_on_refusal]
    expected = sparing if careful and sparing else [able, twin]
    law(list(found) == expected, "who has cost enough is kept from who bills for refusals")


def _relied(ask: Ask) -> dict[str, str]:
    """Everything that the request relies on, and how its caller calls that."""
    tokens = {name: name for name in ask.parameters}
    values = {"output_format": "png", "background": "auto", **ask.parameters}
    for name, value in values.items():
        word = str(value).lower() if isinstance(value, bool) else str(value)
        tokens[f"{name}={word}"] = name
    counts: Counter[str] = Counter()
    for item in ask.inputs:
        role, name = str(item.role), item.parameter or str(item.role)
        counts[role] += 1
        tokens[f"input:{role}={counts[role]}"] = name
        firsts = [f"input:{role}", f"input:{role}@{ask.mode}", f"mode:{ask.mode}"]
        for token in firsts + [f"inline:{role}"] * (item.url is None):
            if token not in tokens:
                tokens[token] = name
    if not ask.inputs:
        tokens[f"mode:{ask.mode}"] = "prompt"
    tokens |= {name: name for name in ask.texts}
    return tokens | ({"partials": "partial_count"} if ask.partials else {})


def _risks(rng: random.Random) -> None:
    """Of each key, what it has cost since the first cost of its day."""
    caps, now = RiskCaps(), 5000.0
    days: dict[str, tuple[float, int]] = {}
    for _ in range(30):
        now += rng.choice((1.0, 1.0, 3600.0, DAY / 2, DAY))
        key = rng.choice(("a", "b", "c"))
        micros = rng.choice((1, 1_000_000, 2_500_000, CAP - 1, CAP))
        since, spent = days.get(key, (now, 0))
        if now - since >= DAY:
            since, spent = now, 0
        caps.give_back("nobody", micros)
        law(caps.is_used_up(key, now) == (spent >= CAP), "a key has had enough")
        match rng.randrange(3):
            case 0:
                caps.add(key, micros, now)
                days[key] = since, spent + micros
            case 1:
                law(caps.take(key, micros, now) == (spent + micros <= CAP), "a key may cost it")
                if spent + micros <= CAP:
                    days[key] = since, spent + micros
            case 2 if spent:
                caps.give_back(key, micros)
                days[key] = since, max(0, spent - micros)
    law(len(caps) <= len(days), "only keys that cost something are known")


def _told(rng: random.Random) -> None:
    """When it is worth asking again, and what an operator sees of a rate limit."""
    waits = {Why.FULL: 1.0, Why.CLOSED: 10.0}
    for why in Why:
        error = Unroutable(why, "x").to_error()
        law(error.retry_after == waits.get(why), "when to ask again")
        law((error.reason is Reason.OVERLOADED) == (why in waits), "why nobody is asked")
    limit, seconds, since = RateLimit(), rng.choice(SOME), rng.choice(SOME)
    limit.hear(3, seconds, 1000.0)
    same_time(limit.seconds_left(1000.0 + since), max(0.0, min(seconds, 60.0) - since))
    image = Input(Role.IMAGE, Body(b""), "image/png")
    for inputs, name in (((), "image.generate"), ((image,), "image.edit")):
        ask = Ask("m", Kind.IMAGE, Body("p"), inputs)
        law(operation_of(ask) == name, "operations have a health of their own")


def _renewed(rng: random.Random, channels: Any) -> None:
    """A channel that was read before gets the credential that stands in its place now."""
    book, old = HealthBook(), rng.choice(channels)
    law(book.renewed(old) is old, "without a new catalogue all is as it was")
    changed = {name: Secret(f"new-{name}") for name in old.credentials}
    book.use({old.name: old})
    law(book.renewed(old) is old, "what has not changed is the same")
    book.use({old.name: replace(old, credentials=changed)})
    expected = changed[old.credential_name].reveal()
    law(book.renewed(old).credential.reveal() == expected, "a new credential is used")
    book.use({old.name: replace(old, credentials={})})
    law(book.renewed(old) is old, "one that is gone is not replaced")


def _two_choices(channels: Any) -> None:
    """Of three, each two are compared as often, so that the best wins four times of six."""
    book, model = HealthBook(), channels[0]
    three = [
        replace(model, name=name, priority=0, weight=100, maximum_in_flight=10, maximum_count=1)
        for name in "abc"
    ]
    for busy, channel in enumerate(three):
        for _ in range(busy):
            book.of(channel.name, "x").admit(0.0, 1.0, channel.credential_name)
    wins: Counter[str] = Counter()
    for one in range(3):
        for other in range(2):
            draws = iter(((one + 0.5) / 3, (other + 0.5) / 2))
            found: Any = choose(three, book, "x", 0.0, lambda draws=draws: next(draws))
            wins[found.channel.name] += 1
    for closed, full, why in ((2, 1, Why.FULL), (3, 0, Why.CLOSED), (1, 2, Why.FULL)):
        book.closed = frozenset([each.name for each in three[:closed]])
        left = [replace(each, maximum_in_flight=0) for each in three[closed : closed + full]]
        for order in ([*three[:closed], *left], [*left, *three[:closed]]):
            nobody = choose(order, book, "x", 0.0, lambda: 0.5)
            law(nobody == Unroutable(why), "who is full has more room soon than who is closed")
    law(choose([], book, "x", 0.0, lambda: 0.5) == Unroutable(Why.TRIED), "nobody is left")
    law(wins == Counter(a=4, b=2), f"two are chosen evenly: {wins}")
