"""`reapi margins --days`: what a running gateway's channels brought, and cost at most."""

import json

import httpx

from gateway import cli

COSTS = """
[channels.openai-a]
model = "gpt-image-2"
dialect = "openai_images"
upstream_model = "gpt-image-2"
base_url = "https://example.com/v1"
credential = { env = "NONE" }
costs = [
    { unit = "image", usd = "0.006", conditions = { resolution = "1k", quality = "low" } },
    { unit = "image", usd = "0.1", conditions = { resolution = "1k" } },
]
"""


def test_usage_is_compared_with_what_channels_charge(gateway, tmp_path, monkeypatch, capsys):
    _, key = gateway.account("1000")
    for quality in ("low", "high"):
        body = {"model": "gpt-image-2", "prompt": "p", "size": "1024x1024", "quality": quality}
        headers = {**gateway.headers(key), "x-reapi-routing": "only=openai-a"}
        answer = httpx.post(f"{gateway.v1}/images/generations", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
    overlay = tmp_path / "costs.toml"
    overlay.write_text(COSTS)
    env = {"REAPI_HOME": str(gateway.home), "REAPI_CATALOGUE": str(overlay)}
    monkeypatch.setattr(cli, "process_environment", lambda: env)

    code = cli.run(["margins", "gpt-image-2", "--days", "1", "--json"])

    found = json.loads(capsys.readouterr().out)
    (row,) = [row for row in found["margins"] if row["channel"] == "openai-a"]
    assert row["generations"] >= 2
    assert float(row["cost_usd"]) >= 0.106
    assert row["loss"]
    assert code == 1


def test_days_are_a_few(monkeypatch, capsys):
    monkeypatch.setattr(cli, "process_environment", dict)
    for days in ("0", "31", "x"):
        try:
            cli.run(["margins", "--days", days])
        except SystemExit as stop:
            assert stop.code == cli.EXIT_USAGE
        assert "must be 1 to 30 days" in capsys.readouterr().err
