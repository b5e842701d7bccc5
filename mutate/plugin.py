"""A plugin of pytest: records what each test covers and how long it takes, or runs tests in a given order.

Runs within the pytest of a copied tree. Does not see the processes that a test starts.
"""

import json
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import coverage
import pytest

SLOW_S = 120.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutate-record", help="write a recording of this room to this file", nargs=2)
    parser.addoption("--mutate-plan", help="the tests in order, as a file; names of failed ones go beside it")


def pytest_configure(config: pytest.Config) -> None:
    if record := config.getoption("--mutate-record"):
        config.pluginmanager.register(Recorder(record[0], Path(record[1])))
    if plan := config.getoption("--mutate-plan"):
        config.pluginmanager.register(Planned(Path(plan)))


class Recorder:
    """Seconds and covered lines, test by test."""

    def __init__(self, room: str, file: Path) -> None:
        self._file = file
        self._began = time.monotonic()
        self._seconds: dict[str, float] = defaultdict(float)
        self._failed: set[str] = set()
        self._coverage = coverage.Coverage(data_file=None, config_file=False, source=[room])
        self._coverage.start()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Slow ones would take very long while they are measured; they come last of all in a trial."""
        slow = [item.nodeid for item in items if item.get_closest_marker("slow")]
        self._seconds.update(dict.fromkeys(slow, SLOW_S))
        items[:] = [item for item in items if item.nodeid not in slow]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._coverage.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {
            Path(file).relative_to(Path.cwd()).as_posix(): data.contexts_by_lineno(file)
            for file in data.measured_files()
        }
        slow = sum(seconds for seconds in self._seconds.values() if seconds == SLOW_S)
        start_s = time.monotonic() - self._began - sum(self._seconds.values()) + slow
        self._file.write_text(
            json.dumps({"seconds": self._seconds, "lines": lines, "failed": sorted(self._failed), "start_s": start_s})
        )


class Planned:
    """The order of a plan, and its limits. Tests that it does not know are new: they come first."""

    def __init__(self, file: Path) -> None:
        self._failed = file.with_suffix(".failed")
        self._failed.unlink(missing_ok=True)
        self._plan: dict[str, Any] = json.loads(file.read_text())

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        limits = self._plan["limits"]
        places = {test: place for place, test in enumerate(limits)}
        without = set(self._plan["without"])
        items[:] = [item for item in items if item.nodeid not in without]
        items.sort(key=lambda item: places.get(item.nodeid, -1))
        for item in items:
            if item.nodeid in limits:
                item.add_marker(pytest.mark.timeout(limits[item.nodeid]), append=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.write_text(json.dumps({"test": report.nodeid, "text": report.longreprtext}))
