"""A wrong variable is an error at start that names it."""

from pathlib import Path

import pytest

from core.settings import Settings
from core.settings_values import SettingsError


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
        ("REAPI_BUCKET_URL", "bucket"),
        ("REAPI_BUCKET_URL", "file://folder"),
        ("REAPI_BUCKET_URL", "s3://"),
        ("REAPI_BUCKET_URL", "s3://Bucket"),
        ("REAPI_BUCKET_URL", "s3://user:secret@bucket"),
        ("REAPI_BUCKET_URL", "s3://bucket/a b"),
        ("REAPI_BUCKET_URL", "s3://bucket/../x"),
        ("REAPI_BUCKET_URL", "s3://bucket?colour=red"),
        ("REAPI_BUCKET_URL", "s3://bucket?endpoint"),
        ("REAPI_BUCKET_URL", "s3://bucket?region=a/b"),
        ("REAPI_BUCKET_URL", "s3://bucket?endpoint=http://s3.example.com"),
        ("REAPI_BUCKET_URL", "s3://bucket?endpoint=https://s3.example.com/path"),
        ("REAPI_BUCKET_URL", "s3://bucket?endpoint=https://[x"),
        ("REAPI_LOG_LEVEL", "loud"),
        ("REAPI_WORKERS", "2"),
        ("REAPI_TRUSTED_PROXIES", "10.0.0.0/99"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: value})


AWS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK-canary"}


@pytest.mark.parametrize("missing", list(AWS))
def test_a_bucket_without_a_credential_is_refused_by_its_name(missing):
    env = {**AWS, missing: "", "REAPI_BUCKET_URL": "s3://bucket"}
    with pytest.raises(SettingsError, match=missing):
        Settings.from_env(env)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket", ("bucket", "", "", "us-east-1")),
        ("s3://bucket?region=eu-central-1", ("bucket", "", "", "eu-central-1")),
        (
            "s3://bucket/a/b/?endpoint=https://x.r2.cloudflarestorage.com/",
            ("bucket", "a/b/", "https://x.r2.cloudflarestorage.com", "auto"),
        ),
        (
            "s3://bucket/a?endpoint=http://127.0.0.1:8333&region=us-east-1",
            ("bucket", "a/", "http://127.0.0.1:8333", "us-east-1"),
        ),
        (
            "s3://my.bucket-1?endpoint=http://localhost",
            ("my.bucket-1", "", "http://localhost", "auto"),
        ),
    ],
)
def test_a_bucket_is_read_from_its_url(url, expected):
    bucket = Settings.from_env({**AWS, "REAPI_BUCKET_URL": url}).outputs

    assert (bucket.name, bucket.prefix, bucket.endpoint, bucket.region) == expected
    assert (bucket.access_key_id, bucket.secret_access_key) == ("AK", "SK-canary")
    assert "canary" not in repr(bucket)


def test_outputs_lie_in_the_home_unless_a_folder_is_named(tmp_path):
    home = {"REAPI_HOME": str(tmp_path)}

    assert Settings.from_env(home).outputs == tmp_path / "outputs"
    named = Settings.from_env({**home, "REAPI_BUCKET_URL": "file:///srv/outputs"})
    assert named.outputs == Path("/srv/outputs")


def test_defaults_are_those_of_the_readme(tmp_path):
    settings = Settings.from_env({"REAPI_HOME": str(tmp_path)})

    assert (settings.http_port, settings.grpc_port, settings.bind) == (8080, 50051, "127.0.0.1")
    assert settings.secret_file == tmp_path / "secrets.json"


def test_settings_never_show_the_environment():
    settings = Settings.from_env(
        {"OPENAI_API_KEY": "sk-canary", "REAPI_DATABASE_URL": "pg://canary"}
    )

    assert "canary" not in repr(settings)
