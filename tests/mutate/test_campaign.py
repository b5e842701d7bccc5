"""A campaign on a small tree: real copies, a real pytest in each, mutants that are caught, hang and survive."""

import asyncio
from pathlib import Path

import pytest

from mutate.campaign import Campaign, Verdict, copy_tree, digest, record, trial
from mutate.mutations import Mutant, Place, mutant
from mutate.order import Recording, load
from mutate.plugin import SLOW_S

SOURCE = "SIZE = 7\n\n\ndef count(n):\n    while n > 0:\n        n = n - 1\n    return n\n"
TESTS = "from jobs.counting import count\n\n\ndef test_count():\n    assert count(3) == 0\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with one module, its tests and what the plugin needs. Its pytest starts with no more than it needs."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_timeout")
    tree = tmp_path / "tree"
    (tree / "tests" / "jobs").mkdir(parents=True)
    (tree / "jobs").mkdir()
    (tree / "jobs" / "counting.py").write_text(SOURCE)
    (tree / "tests" / "jobs" / "test_counting.py").write_text(TESTS)
    (tree / "mutate").symlink_to(Path(__file__).parents[2] / "mutate")
    return tree


def changed(old: str, new: str) -> Mutant:
    line = SOURCE[: SOURCE.index(old)].count("\n") + 1
    return mutant(Place("jobs/counting.py", line, 0, ()), f"{old} {new}", SOURCE, SOURCE.replace(old, new))


def campaign(root: Path, tmp_path: Path, *mutants: Mutant, spared: bool = False) -> tuple[Campaign, list[Verdict]]:
    found = Campaign(root, ["jobs"], "1")
    copies = [copy_tree(root, tmp_path / "copy")]
    tried: list[Verdict] = []

    async def both() -> None:
        await found.record(copies, ["jobs"], lambda text: None)
        await found.run(copies, mutants, lambda mutant, verdict: tried.append(verdict), spared=lambda _: spared)

    asyncio.run(both())
    assert (copies[0] / "jobs" / "counting.py").read_text() == SOURCE == (root / "jobs" / "counting.py").read_text()
    return found, tried


def test_a_campaign(root: Path, tmp_path: Path):
    mutants = changed("n - 1", "n - 2"), changed("= 7", "= 8"), changed("def count(n)", "def count(n)(")
    found, tried = campaign(root, tmp_path, *mutants)
    assert [(verdict.outcome, verdict.by.split("::")[-1]) for verdict in tried] == [
        ("caught", "test_count"),
        ("suspected", ""),
        ("caught", "before any test"),
        ("survived", ""),
    ]
    assert found.recordings["jobs"].lines["jobs/counting.py"]["6"] == ["tests/jobs/test_counting.py::test_count"]
    assert found.verdicts() == {verdict.key: verdict for verdict in tried}
    found.forget_survivors()
    assert set(found.verdicts()) == {mutants[0].key, mutants[2].key}


def test_an_equivalent_is_spared_the_rest(root: Path, tmp_path: Path):
    """Which would have caught this one."""
    rest = "from jobs.counting import SIZE\n\n\ndef test_size():\n    assert SIZE == 7\n"
    (root / "tests" / "jobs" / "test_rest.py").write_text(rest)
    _, tried = campaign(root, tmp_path, changed("= 7", "= 8"), spared=True)
    assert [verdict.outcome for verdict in tried] == ["suspected", "survived"]


def test_one_that_hangs(root: Path, tmp_path: Path):
    copy = copy_tree(root, tmp_path / "copy")
    recording = Recording({"tests/jobs/test_counting.py::test_count": -2.8}, {}, failed=[])  # leaves it a second
    verdict = asyncio.run(trial(copy, changed("n - 1", "n - 0"), recording, suspected=False))
    assert verdict.outcome == "timed_out"


def test_a_test_that_fails_now_and_then_catches_nothing(root: Path, tmp_path: Path):
    copy = copy_tree(root, tmp_path / "copy")
    (copy / "tests" / "jobs" / "test_counting.py").write_text(
        "from pathlib import Path\n\n\ndef test_once():\n"
        "    known = Path('seen').exists()\n    Path('seen').touch()\n    assert known\n"
    )
    recording = Recording({"tests/jobs/test_counting.py::test_once": 0.6}, {}, failed=[])
    assert asyncio.run(trial(copy, changed("= 7", "= 8"), recording, suspected=False)).outcome == "suspected"


def test_of_tests_that_fail_in_the_recording_those_that_fail_alone_too_are_left_out(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-m 'not slow'")  # of whoever runs the campaign: no business of a recording
    copy = copy_tree(root, tmp_path / "copy")
    (copy / "tests" / "jobs" / "test_counting.py").write_text(
        "import sys, pytest\n\n\ndef test_measured():\n    assert not sys.gettrace()\n\n\n"
        "def test_ever():\n    assert False\n\n\n@pytest.mark.slow\ndef test_slow():\n    assert False\n"
    )
    asyncio.run(record(copy, "jobs", tmp_path / "recording"))
    found = load(tmp_path / "recording")
    assert found.failed == ["tests/jobs/test_counting.py::test_ever"]
    assert found.seconds["tests/jobs/test_counting.py::test_slow"] == SLOW_S, "not run"


def test_other_sources_are_another_campaign(root: Path):
    before = digest(root, ["jobs"])
    (root / "tests" / "jobs" / "test_counting.py").write_text("")
    assert digest(root, ["jobs"]) == before
    (root / "jobs" / "counting.py").write_text("SIZE = 8\n")
    assert digest(root, ["jobs"]) != before
