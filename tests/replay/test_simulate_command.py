"""`reapi simulate`: traces are made, and replayed under policies; mistakes are told by place."""

import io
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import Fault
from core.replay.synthetic import SyntheticChannel, Trouble
from gateway import cli
from gateway.simulate_options import channel, span, trouble
from tests.fix_fleet import ROOT


@pytest.fixture(autouse=True)
def environment(monkeypatch) -> None:
    monkeypatch.setattr(cli, "process_environment", lambda: {"REAPI_HOME": "/nowhere"})


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = cli.run(["simulate", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def trace(tmp_path: Path, capsys) -> Path:
    code, out, err = run(
        capsys, "synthetic", "--seed", 3, "--requests", 400, "--fault", "a:server_error@5-15"
    )
    assert (code, err) == (0, "")
    path = tmp_path / "trace.jsonl"
    path.write_text(out, "utf-8")
    return path


def test_a_replay_prints_its_figures(capsys, trace) -> None:
    code, out, err = run(capsys, "run", trace)

    assert (code, err) == (0, "")
    first, head, *rows = out.splitlines()
    assert first.startswith("synthetic trace: 400 requests in ")
    assert head.split() == ["policy"]
    assert rows[1].split() == ["availability", "100.000%"]


def test_a_policy_is_compared_with_the_gateways_own(capsys, trace, tmp_path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[rules]\nhedging = true\n[channels.a]\ndisabled = true\n", "utf-8")
    code, out, err = run(capsys, "run", trace, "--policy", policy, "--baseline")

    assert (code, err) == (0, "")
    rows = {line[:26].strip(): line[26:].split() for line in out.splitlines()[1:]}
    assert rows[""] == ["baseline", "policy", "difference"]
    assert rows["calls to a"][1] == "0"
    assert rows["hedges"][0] == "0"


def test_json_has_both_and_is_the_same_twice(capsys, trace, tmp_path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[rules]\nmaximum_attempts = 1\n", "utf-8")
    arguments = ("run", trace, "--baseline", other, "--json", "--seed", 9)
    code, out, _ = run(capsys, *arguments)
    facts = json.loads(out)

    assert code == 0
    assert facts["trace"] == {"source": "synthetic", "requests": 400, "channels": ["a", "b", "c"]}
    assert facts["policy"]["delivered"] == 400
    assert facts["baseline"]["delivered"] < 400
    assert run(capsys, *arguments)[1] == out


def test_a_trace_is_read_from_standard_input(capsys, trace, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(trace.read_text("utf-8")))

    assert run(capsys, "run", "-")[0] == 0


def test_progress_is_told_to_a_terminal_only(capsys, trace, monkeypatch) -> None:
    monkeypatch.setattr("gateway.progress._EVERY_SECONDS", 0.0)
    monkeypatch.setattr("gateway.progress._LOOK_EVERY", 100)
    assert run(capsys, "run", trace)[2] == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    _, _, err = run(capsys, "run", trace)

    assert "\rread 400" in err
    assert "\rreplayed 400 of 400\n" in err


def test_a_bad_line_is_told_by_file_and_number(capsys, trace) -> None:
    with trace.open("a", encoding="utf-8") as file:
        file.write('{"at": 1e9, "model": "m", "kind": "image", "calls": [], "prompt": "x"}\n')
    code, out, err = run(capsys, "run", trace)

    assert (code, out) == (2, "")
    assert err == f"reapi: {trace}, line 405: `prompt` means nothing here\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[rules]\nejct = 1", "rules.ejct: is not known; there are `eject_after`"),
        ("[channels.z]\nweight = 1", "channels.z: the trace has `a`, `b`, `c`"),
        ("[rules", "Expected ']'"),
    ],
)
def test_a_bad_policy_is_told_by_file_and_key(capsys, trace, tmp_path, text, why) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(text, "utf-8")
    for option in ("--policy", "--baseline"):
        code, out, err = run(capsys, "run", trace, option, policy)

        assert (code, out) == (2, "")
        assert err.startswith(f"reapi: {policy}")
        assert why in err


def test_files_that_are_not_there_are_told(capsys, trace, tmp_path) -> None:
    gone = tmp_path / "gone"

    assert run(capsys, "run", gone)[2] == f"reapi: {gone}: No such file or directory\n"
    assert run(capsys, "run", trace, "--policy", gone)[0] == 2
    gone.write_bytes(b"\xff\xfe\n")
    assert "is not UTF-8" in run(capsys, "run", gone)[2]


def test_channels_that_are_never_seen_are_named(capsys, trace) -> None:
    lines = trace.read_text("utf-8").splitlines()
    lines.insert(1, lines[1].replace('"a"', '"z"').replace('"priority":0', '"priority":-1'))
    trace.write_text("\n".join(lines), "utf-8")
    code, _, err = run(capsys, "run", trace)

    assert (code, err) == (
        0,
        "reapi: the trace shows no call to z: it was taken to answer as the others do\n",
    )


def test_recording_without_a_database_says_what_is_missing(capsys) -> None:
    code, out, err = run(capsys, "record")

    assert (code, out) == (1, "")
    assert err == "reapi: /nowhere holds no database, and REAPI_DATABASE_URL is unset\n"


def test_faults_of_unknown_channels_are_refused(capsys) -> None:
    code, out, err = run(capsys, "synthetic", "--fault", "z:auth")

    assert (code, out, err) == (2, "", "reapi: there is no channel z: the channels are a, b, c\n")
    assert run(capsys, "synthetic", "--channel", "a", "--channel", "a")[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("record", "--since", "24"),
        ("record", "--since", "31d"),
        ("record", "--since", "0s"),
        ("synthetic", "--requests", "0"),
        ("synthetic", "--rate", "-1"),
        ("synthetic", "--rate", "nan"),
        ("synthetic", "--fault", "a:unknown"),
        ("synthetic", "--fault", "a:auth=2"),
        ("synthetic", "--fault", "a:auth@9-3"),
        ("synthetic", "--fault", ":auth"),
        ("synthetic", "--channel", "a:p50=9,p99=8"),
        ("synthetic", "--channel", "a:speed=9"),
        ("synthetic", "--channel", ":p50=1"),
        ("synthetic", "--channel", "a:weight=0"),
        ("run",),
        (),
    ],
)
def test_what_the_command_line_does_not_know_is_a_usage_error(capsys, arguments) -> None:
    with pytest.raises(SystemExit) as caught:
        run(capsys, *arguments)

    assert caught.value.code == 2
    assert "usage: reapi simulate" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "gateway", "simulate", "synthetic", "--requests", "100000"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        said = running.stderr.read()

    assert (running.returncode, said) == (1, b"")


def test_words_of_the_command_line() -> None:
    assert span("90m") == timedelta(minutes=90)
    assert channel("a:p50=1,p99=2,weight=3,priority=4,cost_micros=5") == SyntheticChannel(
        "a", 1.0, 2.0, 4, 3, 5
    )
    assert channel("a:resubmit=reconcile_first").resubmit == "reconcile_first"
    assert trouble("a:slow=5@60-120") == Trouble("a", None, 5.0, 60.0, 120.0)
    assert trouble("a:timeout") == Trouble("a", Fault.TIMEOUT, 1.0)
