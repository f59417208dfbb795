"""Only a list: one plugin for each family of fixtures."""

pytest_plugins = ["tests.fix_postgres", "tests.fix_simulator"]
