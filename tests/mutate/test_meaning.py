"""Which changes of a module change nothing that runs."""

import pytest

from mutate.meaning import meaning

PLAIN = """
def f(x):
    return x + 1
"""


@pytest.mark.parametrize(
    "source",
    [
        "def f(x: int | None) -> int:\n    return x + 1",
        "def f(x):\n    '''Adds 1.'''\n    return x + 1",
        "def f(x):\n    log.info('added', number=round(x, 3))\n    return x + 1",
        "def f(x):\n    return x + 1\nif __name__ == '__main__':\n    f(2)",
        "def f(x):\n    return x + 1\nif TYPE_CHECKING:\n    import numpy",
    ],
)
def test_what_does_not_run(source):
    assert meaning(source) == meaning(PLAIN)


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    return x + 2",
        "def f(x=1):\n    return x + 1",
        "@cache\ndef f(x):\n    return x + 1",
        "def f(x):\n    x.info('added')\n    return x + 1",
        "def f(x):\n    if x:\n        return x + 1",
    ],
)
def test_what_runs(source):
    assert meaning(source) != meaning(PLAIN)


def test_of_a_field_its_default_runs_and_its_type_does_not():
    assert meaning("class A:\n    x: int | str = 1") == meaning("class A:\n    x: int & str = 1")
    assert meaning("class A:\n    x: int = 1") != meaning("class A:\n    x: int = 2")


def test_promises_do_not_run():
    frozen, thawed, free = (f"@dataclass({kept})\nclass A: ..." for kept in ("frozen=True", "frozen=False", "eq=False"))
    assert meaning(frozen) == meaning(thawed) != meaning(free)


def test_how_arguments_are_passed_is_a_promise():
    assert meaning("def f(x, *, y=1): ...") == meaning("def f(x, /, y=1): ...") != meaning("def f(x, *, y=2): ...")
