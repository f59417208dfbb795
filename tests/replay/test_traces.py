"""Traces: what is written is read again, and what is none is refused by its line."""

import json

import pytest

from core.errors import Fault, Phase
from core.model import Deadlines, Resubmit
from core.replay.synthetic import Scene, SyntheticChannel, Trouble, synthetic
from core.replay.trace import (
    Call,
    Request,
    Trace,
    TracedChannel,
    TraceError,
    lines_of,
    read_trace,
)

HEAD = '{"reapi_trace":1,"source":"recorded"}'
CHANNEL = '{"channel":"a","models":["m"]}'
REQUEST = '{"at":1,"model":"m","kind":"image","calls":[{"channel":"a","seconds":2}]}'
SCENE = Scene(7, 300, 20.0, [SyntheticChannel("a"), SyntheticChannel("b", 3.0, 9.0, 1)])


def lines(*texts: str) -> list[str]:
    return [HEAD, CHANNEL, *texts]


def test_a_trace_is_read_as_it_was_written():
    channel = TracedChannel(
        "a", ("m", "n"), 2, 50, 9, Resubmit.RECONCILE_FIRST, Deadlines(1, 2, 3, 4, 5), True, 700
    )
    call = Call("a", 1.5, 0.25, 1.0, Fault.RATE_LIMITED, Phase.FIRST_BYTE, 2.0, False, True)
    cut = Call("a", 0.5, is_cut=True)
    trace = Trace(
        (
            Request(0.5, "m", "video", (call, cut), 3.0, "UPSTREAM_ERROR"),
            Request(0.5, "n", "x", ()),
        ),
        (channel,),
        "recorded",
        {"seed": 3},
    )

    assert read_trace(lines_of(trace)) == trace


def test_the_same_seed_makes_the_same_trace_and_another_one_another():
    made = list(lines_of(synthetic(SCENE)))

    assert made == list(lines_of(synthetic(SCENE)))
    assert made[3:] != list(lines_of(synthetic(Scene(8, 300, 20.0, SCENE.channels))))[3:]
    assert read_trace(made) == synthetic(SCENE)


def test_delays_have_the_percentiles_that_were_asked_for():
    scene = Scene(1, 20_000, 100.0, [SyntheticChannel("a", 2.0, 8.0)])

    taken = sorted(request.calls[0].seconds for request in synthetic(scene).requests)

    assert taken[len(taken) // 2] == pytest.approx(2.0, rel=0.03)
    assert taken[len(taken) * 99 // 100] == pytest.approx(8.0, rel=0.08)
    assert synthetic(scene).requests[-1].at == pytest.approx(200, rel=0.03)


def test_a_trouble_holds_for_its_channel_its_share_and_its_time():
    troubles = (Trouble("a", Fault.AUTH, 0.5, 5, 10), Trouble("b", None, 10.0))
    scene = Scene(1, 2_000, 100.0, SCENE.channels, troubles)
    plain = synthetic(Scene(1, 2_000, 100.0, SCENE.channels))
    failed = [0, 0]
    for request, before in zip(synthetic(scene).requests, plain.requests, strict=True):
        first, second = request.calls
        is_time = 5 <= request.at < 10
        assert first.fault in ({None, Fault.AUTH} if is_time else {None})
        assert second.seconds == pytest.approx(before.calls[1].seconds * 10, rel=1e-3)
        failed[is_time] += first.fault is not None

    assert failed[0] == 0
    assert 200 < failed[1] < 300


@pytest.mark.parametrize(
    ("texts", "line", "why"),
    [
        ([], 1, "not a JSON object"),
        (["{"], 1, "not a JSON object"),
        (['{"source":"x"}'], 1, "no trace begins so"),
        (['{"reapi_trace":2,"source":"x"}'], 1, "no trace begins so"),
        ([HEAD, CHANNEL], 2, "there is no request"),
        ([HEAD, REQUEST], 2, "no line above describes channel `a`"),
        (lines(REQUEST, "[1]"), 4, "not a JSON object"),
        (lines(REQUEST, '{"at": 2'), 4, "not a JSON object"),
        (lines("[" * 5_000), 3, "not a JSON object"),
        (lines(REQUEST, "x" * (1 << 21)), 4, "longer than"),
        (lines(REQUEST, REQUEST.replace('"at":1', '"at":0.5')), 4, "`at` is before"),
        (lines(REQUEST.replace('"at":1', '"at":-1')), 3, "`at` must be"),
        (lines(REQUEST.replace('"at":1', '"at":true')), 3, "`at` must be"),
        (lines(REQUEST.replace('"at":1', '"at":NaN')), 3, "`at` must be"),
        (lines(REQUEST.replace('"model":"m"', '"model":""')), 3, "`model` must be"),
        (lines(REQUEST.replace('"seconds":2', '"seconds":"2"')), 3, "`seconds` must be"),
        (lines(REQUEST.replace('"seconds":2', '"secs":2')), 3, "`seconds` must be"),
        (lines(REQUEST.replace('"seconds":2', '"seconds":2,"prompt":"x"')), 3, "`prompt` means"),
        (lines(REQUEST.replace('"seconds":2', '"seconds":2,"fault":"x"')), 3, "`fault` must be"),
        (lines(REQUEST.replace('"seconds":2', '"seconds":2,"phase":"x"')), 3, "`phase` must be"),
        (lines(REQUEST.replace('"kind"', '"user":"x","kind"')), 3, "`user` means nothing"),
        (lines(REQUEST.replace('[{"channel"', '[1,{"channel"')), 3, "`calls` must be"),
        ([HEAD, CHANNEL, CHANNEL], 3, "came already"),
        ([HEAD, '{"channel":"a","models":[]}'], 2, "`models` must be"),
        ([HEAD, '{"channel":"a","models":["m"],"weight":0}'], 2, "`weight` must be"),
        ([HEAD, '{"channel":"a","models":["m"],"resubmit":"x"}'], 2, "`resubmit` must be"),
        ([HEAD, '{"channel":"a","models":["m"],"deadlines":{"x":1}}'], 2, "`x` means nothing"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong_with_it(texts, line, why):
    with pytest.raises(TraceError) as caught:
        read_trace(texts)

    assert caught.value.line == line
    assert str(caught.value).startswith(f"line {line}: ")
    assert why in str(caught.value)


def test_empty_lines_are_passed_over_and_every_line_is_counted():
    counted: list[int] = []

    trace = read_trace(lines("", REQUEST, "\n"), counted.append)

    assert len(trace.requests) == 1
    assert counted == [2, 3, 4, 5]


def test_a_line_holds_no_more_than_it_must():
    *_, line = lines_of(synthetic(Scene(1, 1, 1.0, SCENE.channels[:1])))

    assert json.loads(line).keys() == {"at", "model", "kind", "calls"}
    assert json.loads(line)["calls"][0].keys() == {"channel", "seconds", "first_byte"}
