"""Only a list: one plugin for each family of fixtures."""

import pytest

pytest.register_assert_rewrite("tests.books")  # a law that is broken says which

pytest_plugins = [
    "tests.fix_limits",
    "tests.fix_postgres",
    "tests.fix_s3",
    "tests.fix_embedded",
    "tests.fix_proxy",
    "tests.fix_simulator",
    "tests.fix_gateway",
    "tests.fix_bridge",
    "tests.fix_commit",
    "tests.fix_core",
    "tests.fix_fleet",
    "tests.fix_local_channel",
    "tests.fix_upstream",
    "tests.prove_options",
]
