"""A pytest hook that puts the logs of the running servers into each failure's report.

A conftest.py that imports the hook has it.
"""

import pytest

from .base import running


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in running():
            report.sections.append((f"log of {server.kind}", server.log()))
