"""What every test run of this repository has: a watch that no secret gets into a log."""

pytest_plugins = ["pytester", "tests.support.secret_watch"]
