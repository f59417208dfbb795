"""A published text never changes, and a new one is announced before it holds."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.legal.texts import Operator, documents
from core.legal.versions import (
    NOTICE,
    Document,
    PolicyError,
    Published,
    coming,
    current,
    unpublished,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIRST = Document("privacy", date(2026, 1, 1), "Privacy", "one\n")
SECOND = Document("privacy", date(2026, 12, 1), "Privacy", "two\n")
PUBLISHED = [Published(FIRST, FIRST.sha256, NOW - timedelta(days=300))]


def test_the_first_version_holds_at_once() -> None:
    (published,) = unpublished([FIRST], [], NOW)

    assert published.effective_at == NOW
    assert current([published], NOW) == {"privacy": published}


def test_what_is_published_is_not_published_again() -> None:
    assert unpublished([FIRST], PUBLISHED, NOW) == []


@pytest.mark.parametrize("changed", [{"markdown": "one!\n"}, {"title": "Secrecy"}])
def test_a_published_text_that_changed_is_refused(changed) -> None:
    with pytest.raises(PolicyError, match=r"privacy@2026-01-01 .* never changes"):
        unpublished([replace(FIRST, **changed)], PUBLISHED, NOW)


def test_a_new_version_holds_after_the_notice() -> None:
    (published,) = unpublished([FIRST, SECOND], PUBLISHED, NOW)
    every = [*PUBLISHED, published]

    assert published.effective_at == NOW + NOTICE
    assert current(every, NOW)["privacy"].document == FIRST
    assert coming(every, NOW) == [published]
    assert current(every, NOW + NOTICE)["privacy"].document == SECOND
    assert coming(every, NOW + NOTICE) == []


def test_a_new_version_with_too_little_notice_is_refused_with_the_first_day_that_is_good() -> None:
    with pytest.raises(PolicyError, match="2026-12-07 or later"):
        unpublished([replace(SECOND, effective=date(2026, 12, 6))], PUBLISHED, NOW)
    (good,) = unpublished([replace(SECOND, effective=date(2026, 12, 7))], PUBLISHED, NOW)

    assert good.effective_at == datetime(2026, 12, 7, tzinfo=UTC)


def test_a_new_version_is_dated_after_what_is_published() -> None:
    with pytest.raises(PolicyError, match="date it later"):
        unpublished([replace(SECOND, version=date(2025, 1, 1))], PUBLISHED, NOW)


@given(st.lists(st.integers(1, 60), unique=True), st.integers(-100, 100))
def test_at_any_time_the_latest_that_holds_is_current_and_nothing_is_lost(days, later) -> None:
    every = [
        Published(
            replace(FIRST, version=FIRST.version + timedelta(days=day)),
            FIRST.sha256,
            NOW + timedelta(days=day),
        )
        for day in days
    ]
    now = NOW + timedelta(days=later)
    holding = [each for each in every if each.effective_at <= now]

    assert len(holding) + len(coming(every, now)) == len(every)
    assert current(every, now).get("privacy") == max(
        holding, key=lambda each: each.effective_at, default=None
    )


def test_the_shipped_documents_can_be_published_and_filled_in() -> None:
    found = {document.policy_id: document for document in documents(None)}
    text = Operator("Example Ltd", "help@example.com", "https://example.com").fill(
        found["privacy"].markdown
    )

    assert {"privacy", "terms", "cookies", "acceptable-use", "refunds"} <= set(found)
    assert len(unpublished(found.values(), [], NOW)) == len(found)
    assert "Example Ltd" in text
    assert "help@example.com" in text
    for document in found.values():
        filled = Operator("", "", "https://example.com").fill(document.markdown)
        assert "{" not in filled, document.name


@pytest.mark.parametrize(
    "promise",
    [
        "e-mail address",
        "GitHub or Google",
        "salted hash",
        "Metadata of requests",
        "| 30 days |",
        "| 30 days, or until you delete them |",
        "7 years",
        "never written to a disk",
        "export",
        "delete the account",
        "newsletter",
        "session cookie",
        "CSRF cookie",
        "chat for support",
        "check against bots",
        "only where we have enabled them",
        "no tracking",
        "under 16",
        "list of companies",
        "14 days before it takes effect",
    ],
)
def test_the_privacy_policy_promises_what_the_product_keeps(promise) -> None:
    (privacy,) = (each for each in documents(None) if each.policy_id == "privacy")

    assert promise in privacy.markdown


def test_an_operators_own_replace_the_shipped_ones_of_the_same_ids(tmp_path: Path) -> None:
    (tmp_path / "privacy@2026-03-01.md").write_text("---\ntitle: Ours\n---\nText of {operator}.\n")
    (tmp_path / "imprint@2026-03-01.md").write_text(
        "---\ntitle: Imprint\neffective: 2027-01-01\n---\nUs.\n"
    )
    found = {document.name: document for document in documents(tmp_path)}

    assert found["privacy@2026-03-01"].title == "Ours"
    assert found["imprint@2026-03-01"].effective == date(2027, 1, 1)
    assert [name for name in found if name.startswith("privacy")] == ["privacy@2026-03-01"]
    assert any(name.startswith("terms@") for name in found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("privacy.md", "---\ntitle: a\n---\nb\n"),
        ("privacy@2026-13-01.md", "---\ntitle: a\n---\nb\n"),
        ("privacy@2026-01-01.md", "b\n"),
        ("privacy@2026-01-01.md", "---\ntitle: a\nowner: x\n---\nb\n"),
        ("privacy@2026-01-01.md", "---\ntitle: a\neffective: soon\n---\nb\n"),
        ("privacy@2026-01-01.md", "---\ntitle: a\n---\n" + "x" * 300_000),
    ],
)
def test_a_file_that_is_not_a_policy_is_named(tmp_path: Path, name, text) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(PolicyError, match=name.split("@", maxsplit=1)[0]):
        documents(tmp_path)
