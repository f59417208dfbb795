import ast
from pathlib import Path

import pytest

from scripts import house_rules


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.lock", "uv==1 \\\n    --hash=sha256:00\n"),
        ("package-lock.json", '{"funding": {"url": "https://example.com"}}'),
        ("notes.md", "see https://example.com/home/page"),
    ],
)
def test_what_keeps_the_rules_is_not_complained_about(name: str, text: str) -> None:
    assert list(house_rules.lock_breaches(Path(name), text)) == []
    assert list(house_rules.machine_breaches(text)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.lock", "uv @ https://example.com/uv.whl"),
        ("requirements.lock", "--index-url somewhere"),
        ("package-lock.json", '{"resolved": "https://example.com/a.tgz"}'),
        (".npmrc", "registry=https://example.com"),
    ],
)
def test_an_address_in_a_lock_file_is_a_breach(name: str, text: str) -> None:
    assert len(list(house_rules.lock_breaches(Path(name), text))) == 1


@pytest.mark.parametrize(
    "text", [f"{house_rules.ROOT}/x", "/" + "root/.cache", "/" + "home/ann/x", "at py" + "pi.org"]
)
def test_a_trace_of_one_machine_is_a_breach(text: str) -> None:
    assert len(list(house_rules.machine_breaches(f"fine\n{text}\n"))) == 1


def test_sizes_and_names_have_limits() -> None:
    body = "\n".join("    x = 1" for _ in range(51))
    long_function = ast.parse(f'def f():\n    """Say what."""\n{body}\n')

    assert list(house_rules.body_breaches(long_function)) == ["f has 51 lines, 50 allowed"]
    assert len(list(house_rules.size_breaches(Path("core/utils.py"), "x = 1\n" * 401))) == 2
    assert list(house_rules.size_breaches(Path("core/routing.py"), "x = 1\n" * 400)) == []
