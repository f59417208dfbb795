"""`reapi retention`: the rules shown and applied, by a command of its own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from accounts.retention import RULES
from core.settings import Settings
from gateway.cli import run
from gateway.retention_command import report_retention, run_retention


def settings(home: Path, database_url: str) -> Settings:
    return Settings.from_env({"REAPI_HOME": str(home), "REAPI_DATABASE_URL": database_url})


def test_the_report_names_every_rule_and_what_is_due(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO stripe_event VALUES ('evt_1', now(), '', '')")
    ours = settings(tmp_path, database_url)
    later = datetime.now(UTC) + timedelta(days=31)

    assert report_retention(ours, None) == 0
    before = capsys.readouterr().out
    assert report_retention(ours, later) == 0
    after = capsys.readouterr().out

    assert len(before.splitlines()) == len(RULES) + 1
    assert [line.split()[3] for line in before.splitlines() if "stripe_event" in line] == ["0"]
    assert [line.split()[3] for line in after.splitlines() if "stripe_event" in line] == ["1"]


def test_a_run_does_what_is_due_at_that_time(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO stripe_event VALUES ('evt_1', now(), '', '')")
    ours = settings(tmp_path, database_url)

    assert run_retention(ours, datetime.now(UTC) + timedelta(days=29)) == 0
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM stripe_event").fetchone() == (1,)
    assert run_retention(ours, datetime.now(UTC) + timedelta(days=31)) == 0
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM stripe_event").fetchone() == (0,)
        log = "SELECT actor, action, (changes ->> 'count')::int > 0 FROM audit_log ORDER BY at"
        assert connection.execute(log).fetchall()[1:] == [("operator", "retention.run", True)]
    assert "stripe_event" in capsys.readouterr().out


def test_a_run_of_which_a_rule_failed_says_so(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE taken_down RENAME COLUMN created_at TO other")

    assert run_retention(settings(tmp_path, database_url), None) == 1
    lines = capsys.readouterr().out.splitlines()
    assert ["taken_down", "failed", "delete"] in [line.split() for line in lines]


def test_a_run_says_that_it_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["retention", "run"])

    assert "--now" in capsys.readouterr().err
