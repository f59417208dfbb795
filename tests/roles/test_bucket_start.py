"""A core opens its bucket at start: a wrong one is an error, one that is away is not."""

from dataclasses import replace

import pytest

from tests.fix_s3 import environment_of
from tests.role_processes import launch, running_role

pytestmark = pytest.mark.prove

SECONDS = 60


def settings(folder, database_url, bucket):
    return {
        "REAPI_HOME": str(folder),
        "REAPI_DATABASE_URL": database_url,
        "REAPI_PUBLIC_URL": "http://127.0.0.1:1",
        "REAPI_GRPC_PORT": "0",
        **environment_of(bucket),
    }


def test_a_core_with_a_bucket_starts_without_a_complaint(tmp_path, database_url, bucket):
    env = settings(tmp_path, database_url, bucket)
    with running_role("core", tmp_path / "logs", **env) as core:
        assert core.events("BucketProblem") == []
        assert core.stop() == 0


def test_a_core_starts_while_its_bucket_is_away(tmp_path, database_url, bucket):
    away = replace(bucket, endpoint="http://127.0.0.1:9")
    env = settings(tmp_path, database_url, away)
    with running_role("core", tmp_path / "logs", **env) as core:
        (problem,) = core.events("BucketProblem")
        assert core.stop() == 0

    assert (problem["operation"], problem["status"]) == ("put_object", 0)


@pytest.mark.parametrize("change", [{"secret_access_key": "canary"}, {"name": "no-such-bucket"}])
def test_a_wrong_bucket_is_an_error_at_start_that_names_the_variable(
    tmp_path, database_url, bucket, change
):
    env = settings(tmp_path, database_url, replace(bucket, **change))
    core = launch("core", tmp_path / "logs", env)
    try:
        assert core.process.wait(SECONDS) != 0
    finally:
        core.process.kill()

    assert "REAPI_BUCKET_URL" in core.log
    assert "Traceback" not in core.log
    assert "canary" not in core.log
