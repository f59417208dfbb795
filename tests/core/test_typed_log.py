"""Log lines hold numbers, booleans and labels of our own; nothing else gets through."""

import json
import logging

import pytest

from core import log
from core.log import CallEnded, SilentHandler, defect, emitter, render

CANARY = "canary with spaces and 'quotes'"


def test_an_event_is_one_line_of_json_with_its_fields():
    line = render(CallEnded("/reapi.v1.X/Y", "OK", "", "req_1", 1.23456), 10.0)

    assert json.loads(line) == {
        "time": 10.0,
        "event": "CallEnded",
        "method": "/reapi.v1.X/Y",
        "code": "OK",
        "reason": "",
        "request_id": "req_1",
        "milliseconds": 1.235,
    }


@pytest.mark.parametrize("text", [CANARY, "a" * 97, "line\nbreak", "ünïcode", "a=b"])
def test_text_that_is_not_a_label_is_not_shown(text):
    line = render(CallEnded("m", "OK", text, "", 0.0), 0.0)

    assert json.loads(line)["reason"] == "?"


def test_a_defect_tells_type_and_frames_and_never_the_message():
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        event = defect("here", error)

    assert event.exception == "ValueError"
    assert CANARY not in render(event, 0.0)


def test_records_of_libraries_lose_message_and_arguments(capsys):
    record_logger = logging.getLogger("some.library")
    record_logger.addHandler(SilentHandler())
    record_logger.propagate = False  # another test may have set up the root's handler
    try:
        raise KeyError(CANARY)
    except KeyError:
        record_logger.exception("failed for %s", CANARY)

    line = capsys.readouterr().err
    assert CANARY not in line
    assert json.loads(line)["exception"] == "KeyError"
    assert json.loads(line)["logger"] == "some.library"


def test_events_below_the_level_are_not_written(capsys):
    emit = emitter("info")
    emit(CallEnded("m", "OK", "", "", 0.0))
    emit(log.Adopted(3))

    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == [
        "Adopted"
    ]
