"""What a caller may ask of a job: defaults and bounds, which are said here and nowhere else."""

from typing import Any

import msgspec
import pytest

from jobs.options import Options

DEFAULTS = {
    "explainer": "auto",
    "interactions": False,
    "model_output": "auto",
    "features": "auto",
    "batch_size": None,
    "check_additivity": True,
    "seed": 0,
    "max_evals": None,
    "may_shrink": False,
    "unknown_columns": "ignore",
    "id_column": None,
    "dry_run": False,
    "nsamples": None,
    "groups": None,
    "columns": None,
    "top_k": None,
    "by": None,
    "reduce": None,
}


def test_every_default() -> None:
    assert msgspec.structs.asdict(msgspec.convert({}, Options)) == DEFAULTS


def test_what_was_not_asked_for_is_not_written() -> None:
    assert msgspec.json.encode(Options(seed=0, dry_run=True)) == b'{"dry_run":true}'


@pytest.mark.parametrize(
    "asked",
    [
        {"seed": 0},
        {"seed": 2**32 - 1},
        {"batch_size": 1},
        {"batch_size": 2**31 - 1},
        {"batch_size": "auto"},
        {"max_evals": 1, "nsamples": 1},
        {"explainer": "permutation", "model_output": "raw"},
        {"features": "transformed"},
        {"groups": {"g": ["a", "b"]}, "top_k": 1, "by": "a"},
        {"columns": ["a"], "reduce": "summary", "interactions": True},
    ],
)
def test_what_is_taken(asked: dict[str, Any]) -> None:
    assert msgspec.structs.asdict(msgspec.convert(asked, Options)) == DEFAULTS | asked


@pytest.mark.parametrize(
    "asked",
    [
        {"seed": -1},
        {"seed": 2**32},
        {"batch_size": 0},
        {"batch_size": 2**31},
        {"batch_size": "all"},
        {"max_evals": 0},
        {"nsamples": 0},
        {"explainer": "deep"},
        {"model_output": "log"},
        {"features": "all"},
        {"interaction": True},
        {"reduce": "all"},
        {"columns": []},
        {"groups": {"g": []}},
    ],
)
def test_what_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(asked, Options)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"top_k": 1, "interactions": True}, "top_k"),
        ({"top_k": 1, "columns": ["a"]}, "top_k"),
        ({"reduce": "summary", "top_k": 1}, "top_k"),
        ({"reduce": "summary", "id_column": "a"}, "id_column"),
        ({"columns": ["a", "b", "a"]}, "columns"),
        ({"groups": {"g": ["a"], "h": ["a"]}}, "groups"),
    ],
)
def test_what_contradicts_itself_is_refused_by_field(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=rf"at `\$\.{field}`$"):
        msgspec.convert(asked, Options)


def test_defaults_that_depend_on_the_model() -> None:
    assert [Options().evaluations(least) for least in (21, 500, 501)] == [500, 500, 501]
    assert Options(max_evals=7).evaluations(21) == 7
    assert Options().coalitions(10) == 2068
    assert Options(nsamples=7).coalitions(10) == 7
