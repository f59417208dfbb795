"""What holds for every dialect of jobs, on every tape, wherever an answer is cut."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from core.body import Body, Secret
from core.errors import Fault, UpstreamError
from core.model import Channel, Resubmit
from core.providers import DIALECTS, JOB_DIALECTS
from core.providers.jobs import Broken, Elsewhere, Found, JobState, Made, Stopped, Working
from core.providers.wire import Reply
from tests.providers.every_tape import tapes
from tests.providers.job_tape import JobTape

pytestmark = pytest.mark.prove

TAPES = tapes(JobTape)
CREDENTIAL = "key-never-shown"
CALLBACK = "https://gateway.example/callbacks/unguessable"
OTHER_MARK = UUID("0d4cbe7e-58f1-4d2f-a5ab-9b1c2d3e4f50")

every_tape = pytest.mark.parametrize("tape", TAPES, ids=lambda tape: tape.name)
every_look = pytest.mark.parametrize(
    ("tape", "case"),
    [(tape, case) for tape in TAPES for case in tape.looks],
    ids=[f"{tape.name}: {case}" for tape in TAPES for case in tape.looks],
)


def channel(tape: JobTape) -> Channel:
    return Channel(
        "a",
        tape.dialect,
        tape.upstream_model,
        "http://provider/v1",
        Secret(CREDENTIAL),
        resubmit=Resubmit.RECONCILE_FIRST,
        fields=tape.fields,
        variants=tape.variants,
        options=tape.options,
        side_url="http://provider/side",
    )


def reply(status: int, body: bytes) -> Reply:
    return Reply(status, CIMultiDict(), Body(body), 0.0)


def readers(tape: JobTape) -> Mapping[str, Callable[[Reply], object]]:
    """Everything that reads an answer, of what the provider has."""
    dialect, target = JOB_DIALECTS[tape.dialect], channel(tape)
    found: dict[str, Callable[[Reply], object]] = {
        "submitted": lambda answer: dialect.submitted(answer, tape.ask),
        "state": lambda answer: dialect.state(answer, target),
    }
    if tape.outcomes:
        found["outcome"] = lambda answer: dialect.outcome(answer, target)
    if tape.cancelled:
        found["cancelled"] = dialect.cancelled
    if tape.page:
        found["found"] = lambda answer: dialect.found(answer, tape.mark)
    return found


def bodies(tape: JobTape) -> list[bytes]:
    told = [body for body, _ in (*tape.looks.values(), *tape.outcomes.values())]
    return [body for body in (tape.created, *told, tape.cancelled, tape.page) if body]


def means(state: JobState, expected: JobState) -> bool:
    if isinstance(state, Broken) and isinstance(expected, Broken):
        return state.error.fault is expected.error.fault
    return state == expected


def is_verdict(found: object) -> bool:
    """Whether it says anything that would be acted upon; False of `cancelled` says nothing."""
    return found is not False


def test_a_name_is_in_one_table_only() -> None:
    assert DIALECTS.keys().isdisjoint(JOB_DIALECTS)


def test_every_dialect_of_jobs_has_a_tape() -> None:
    assert {tape.dialect for tape in TAPES} == set(JOB_DIALECTS)


@every_tape
def test_a_submission_is_authorized_repeatable_and_told_apart_by_its_mark(tape: JobTape) -> None:
    dialect, target = JOB_DIALECTS[tape.dialect], channel(tape)
    call = dialect.submit(tape.ask, target, tape.mark)

    assert call.method == "POST"
    assert call.path.startswith("/")
    assert not call.streams
    assert any(CREDENTIAL in value for value in call.headers.values())
    assert call == dialect.submit(tape.ask, target, tape.mark)
    assert (call != dialect.submit(tape.ask, target, OTHER_MARK)) == tape.is_marked
    if tape.ask.prompt:  # a tool takes none
        other = replace(tape.ask, prompt=Body("another"))
        assert call != dialect.submit(other, target, tape.mark)


@every_tape
def test_a_callback_is_asked_for_only_where_it_can_reach_us(tape: JobTape) -> None:
    dialect, target = JOB_DIALECTS[tape.dialect], channel(tape)

    for url in "", CALLBACK:
        call = dialect.submit(tape.ask, target, tape.mark, url)
        assert isinstance(call.body, Body)
        assert b"callback" not in call.body.reveal() or url
        assert CALLBACK not in call.path or url


@every_tape
def test_no_call_shows_content_or_credential(tape: JobTape) -> None:
    dialect, target = JOB_DIALECTS[tape.dialect], channel(tape)
    calls = [
        dialect.submit(tape.ask, target, tape.mark, CALLBACK),
        dialect.look(tape.job_id, target),
        dialect.cancel(tape.job_id, target, Working(is_queued=True)),
        dialect.find(target, 1),
    ]

    prompt = tape.ask.prompt.reveal() or "the film's bytes"
    assert not re.search(f"{CREDENTIAL}|{re.escape(prompt)}", repr(calls))


@every_tape
def test_an_id_stays_one_segment_of_the_path_or_one_value_of_its_query(tape: JobTape) -> None:
    dialect, target = JOB_DIALECTS[tape.dialect], channel(tape)
    there, hostile = (dialect.look(job_id, target).path for job_id in ("id", "a/../b?c#d&e=f"))

    for mark in "/?#&":
        assert hostile.count(mark) == there.count(mark)


@every_tape
def test_the_model_is_encoded_where_it_stands_in_a_query(tape: JobTape) -> None:
    call = JOB_DIALECTS[tape.dialect].find(channel(tape), 2)

    assert call is None or "&id=1" not in call.path


@every_tape
def test_what_is_made_of_a_submission_is_the_id(tape: JobTape) -> None:
    assert JOB_DIALECTS[tape.dialect].submitted(reply(200, tape.created), tape.ask) == tape.job_id


@every_tape
@pytest.mark.parametrize(
    "hostile",
    ["", ".", "..", "../x", "a b", "a?b", "a#b", "a%2Fb", "a\\nb", "é", "x" * 201, "-" * 201],
)
def test_an_id_that_is_none_is_refused(tape: JobTape, hostile: str) -> None:
    created = tape.created.replace(tape.job_id.encode(), hostile.encode())

    with pytest.raises(UpstreamError) as caught:
        JOB_DIALECTS[tape.dialect].submitted(reply(200, created), tape.ask)
    # Not a refusal: a job may have been made.
    assert caught.value.fault is Fault.INVALID_RESPONSE


@every_look
def test_a_look_tells_the_state(tape: JobTape, case: str) -> None:
    body, expected = tape.looks[case]

    assert means(JOB_DIALECTS[tape.dialect].state(reply(200, body), channel(tape)), expected)


@every_look
def test_what_is_made_is_numbered_from_zero(tape: JobTape, case: str) -> None:
    state = JOB_DIALECTS[tape.dialect].state(reply(200, tape.looks[case][0]), channel(tape))

    if isinstance(state, Made):
        assert state.outputs
        assert [each.output_index for each in state.outputs] == list(range(len(state.outputs)))


@every_tape
def test_an_answer_that_is_cut_says_nothing(tape: JobTape) -> None:
    for read in readers(tape).values():
        for body in bodies(tape):
            for at in range(len(body)):
                with pytest.raises(UpstreamError) as caught:
                    read(reply(200, body[:at]))
                assert caught.value.fault is Fault.INVALID_RESPONSE


@every_tape
@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (302, Fault.INVALID_RESPONSE),
        (400, Fault.INVALID_RESPONSE),
        (401, Fault.AUTH),
        (403, Fault.AUTH),
        (404, Fault.NOT_FOUND),
        (408, Fault.SERVER_ERROR),
        (429, Fault.RATE_LIMITED),
        (500, Fault.SERVER_ERROR),
        (502, Fault.SERVER_ERROR),
        (503, Fault.OVERLOADED),
        (504, Fault.TIMEOUT),
        (529, Fault.OVERLOADED),
    ],
)
def test_a_call_that_failed_says_nothing_of_the_job(
    tape: JobTape, status: int, fault: Fault
) -> None:
    for name, read in readers(tape).items():
        if name == "outcome":  # that is the job's own failure
            continue
        for body in (b"", b"<html>", *bodies(tape)):
            try:
                found = read(reply(status, body))
            except UpstreamError as error:
                if body in {b"", b"<html>"}:
                    assert (error.fault, error.http_status) == (fault, status)
                continue
            assert not is_verdict(found)


@every_tape
@pytest.mark.parametrize(
    "body", [b"", b"<html>Welcome</html>", b"null", b"[]", b'"text"', b'{"hello": "world"}']
)
def test_a_200_of_something_else_says_nothing_of_the_job(tape: JobTape, body: bytes) -> None:
    for name, read in readers(tape).items():
        if name == "cancelled":  # what is said to it is another test's
            continue
        with pytest.raises(UpstreamError) as caught:
            read(reply(200, body))
        assert caught.value.fault is Fault.INVALID_RESPONSE


@every_tape
def test_a_cancellation_is_believed_only_from_the_provider_itself(tape: JobTape) -> None:
    dialect = JOB_DIALECTS[tape.dialect]
    if not tape.cancelled:
        assert dialect.cancel(tape.job_id, channel(tape), Working(is_queued=True)) is None
        return

    assert dialect.cancelled(reply(200, tape.cancelled)) == tape.is_cancelled
    for body in b"", b"<html>Welcome</html>", b'{"error": {"message": "no"}}':
        with pytest.raises(UpstreamError):
            dialect.cancelled(reply(200, body))


@every_tape
def test_a_job_is_found_by_its_mark_and_by_no_other(tape: JobTape) -> None:
    dialect = JOB_DIALECTS[tape.dialect]
    if not tape.page:
        assert dialect.find(channel(tape), 1) is None
        return

    assert dialect.found(reply(200, tape.page), tape.mark) == tape.found
    assert dialect.found(reply(200, tape.page), OTHER_MARK) == replace(tape.found, job_id="")


@every_tape
@pytest.mark.parametrize("queued", [True, False])
def test_a_cancellation_names_the_job_or_is_not_sent(tape: JobTape, queued: bool) -> None:
    call = JOB_DIALECTS[tape.dialect].cancel(tape.job_id, channel(tape), Working(is_queued=queued))

    assert call is None or (call.method != "GET" and tape.job_id in call.path)


def words_of(tape: JobTape) -> st.SearchStrategy[object]:
    """Any JSON made of the words that stand in a tape, among others."""
    keys: set[str] = set()
    leaves: list[object] = []

    def gather(value: object) -> None:
        if isinstance(value, dict):
            keys.update(value)
            for each in value.values():
                gather(each)
        elif isinstance(value, list):
            for each in value:
                gather(each)
        else:
            leaves.append(value)

    for body in bodies(tape):
        gather(json.loads(body or b"{}"))
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    return st.recursive(
        plain | st.sampled_from(leaves),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(sorted(keys)) | st.text(), inner, max_size=6)
        ),
        max_leaves=12,
    )


def changed(tape: JobTape) -> st.SearchStrategy[object]:
    """Bodies of a tape with one field replaced by anything."""
    documents = [json.loads(body) for body in bodies(tape) if body]
    return st.builds(
        lambda document, key, value: {**document, key: value},
        st.sampled_from(documents),
        st.sampled_from(sorted({key for document in documents for key in document})),
        words_of(tape),
    )


def said_of(tape: JobTape, status: int, body: bytes) -> list[object]:
    """What the readers make of one answer; those that raise UpstreamError are left out."""
    said: list[object] = []
    for name, read in readers(tape).items():
        if name == "outcome" and not 200 <= status < 300:  # that is the job's own failure
            continue
        with suppress(UpstreamError):
            said.append(read(reply(status, body)))
    return said


@every_tape
@given(data=st.data(), status=st.sampled_from([200, 200, 200, 201, 302, 400, 404, 409, 500]))
def test_whatever_is_answered_is_an_answer_or_a_failure(
    tape: JobTape, data: st.DataObject, status: int
) -> None:
    document = data.draw(words_of(tape) | changed(tape))
    body = json.dumps(document).encode()

    for said in said_of(tape, status, body):
        if not 200 <= status < 300:
            assert not is_verdict(said)
        match said:
            case str():
                assert re.fullmatch(r"[A-Za-z0-9._/:-]{1,200}", said)
            case Made(outputs, report):
                assert outputs
                assert report.seconds >= 0
            case Found(job_id, _, oldest):
                assert re.fullmatch(r"[A-Za-z0-9._/:-]{0,200}", job_id)
                assert oldest >= 0
            case _:
                assert isinstance(said, bool | Working | Broken | Stopped | Elsewhere)
