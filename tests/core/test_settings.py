"""A wrong variable is an error at start that names it."""

import pytest

from core.settings import Settings, SettingsError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REAPI_HTTP_PORT", "eighty"),
        ("REAPI_HTTP_PORT", "65536"),
        ("REAPI_GRPC_PORT", "-1"),
        ("REAPI_BIND", "localhost"),
        ("REAPI_PUBLIC_URL", "ftp://x"),
        ("REAPI_PUBLIC_URL", "http://[x"),
        ("REAPI_CATALOGUE", "/no/such/file.toml"),
        ("REAPI_BUCKET_URL", "s3://bucket"),
        ("REAPI_LOG_LEVEL", "loud"),
        ("REAPI_WORKERS", "2"),
        ("REAPI_TRUSTED_PROXIES", "10.0.0.0/99"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: value})


def test_defaults_are_those_of_the_readme(tmp_path):
    settings = Settings.from_env({"REAPI_HOME": str(tmp_path)})

    assert (settings.http_port, settings.grpc_port, settings.bind) == (8080, 50051, "127.0.0.1")
    assert settings.secret_file == tmp_path / "secrets.json"


def test_settings_never_show_the_environment():
    settings = Settings.from_env(
        {"OPENAI_API_KEY": "sk-canary", "REAPI_DATABASE_URL": "pg://canary"}
    )

    assert "canary" not in repr(settings)
