"""Problems: every one has its own code, a status and a message that can be filled in."""

import re
import string

import pytest

from jobs.errors import Problem, all_problems

STATUSES = {
    400: {
        "bad_compression",
        "empty_body",
        "invalid_parameter",
        "malformed_json",
        "malformed_request",
        "missing_part",
        "model_choice",
        "unexpected_part",
    },
    401: {"unauthorized"},
    403: {"forbidden", "forbidden_url", "foreign_host", "foreign_origin"},
    404: {"no_ids", "no_sample", "not_found", "not_in_job", "unknown_job", "unknown_model", "unknown_plot"},
    405: {"method_not_allowed"},
    406: {"not_acceptable"},
    408: {"slow_head", "too_slow"},
    409: {"model_name_taken", "no_result", "not_ready", "unreadable_record"},
    410: {"input_lost", "result_expired"},
    413: {"too_large"},
    414: {"url_too_long"},
    415: {"pickle_refused", "unsupported_media_type"},
    422: {
        "additivity",
        "background_required",
        "bad_expected",
        "bad_tensors",
        "not_fetched",
        "bad_header",
        "bad_names",
        "bad_npy",
        "bad_id_column",
        "bad_cohorts",
        "bad_result_option",
        "bad_table",
        "bad_record",
        "version_mismatch",
        "conversion",
        "expected_differs",
        "feature_count",
        "feature_names",
        "nothing_to_plot",
        "idempotency_mismatch",
        "infinite_value",
        "invalid_options",
        "missing_extra",
        "missing_value",
        "no_header",
        "no_rows",
        "no_table",
        "name_too_long",
        "names_too_large",
        "not_finite",
        "not_numeric",
        "not_text",
        "not_utf8",
        "ragged_row",
        "row_refused",
        "too_many_chunks",
        "unreadable_model",
        "unsupported_combination",
        "unsupported_model",
        "too_many_values",
        "untrusted_types",
    },
    429: {"too_many_bytes", "too_many_jobs", "too_many_requests"},
    431: {"head_too_large"},
    500: {"storage_denied"},
    501: {"no_columnar", "no_drawing"},
    503: {
        "busy",
        "storage_full",
        "storage_unavailable",
        "too_many_columnar",
        "too_many_connections",
        "too_many_drawings",
    },
    504: {"still_running"},
    507: {"drawing_failed", "memory_cap", "no_room"},
}
"""What clients match on: a code keeps its status."""


@pytest.mark.parametrize("problem", all_problems(), ids=lambda problem: problem.code)
def test_a_problem_names_itself(problem: type[Problem]) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(problem.__doc__ or "") if name}
    made = problem(**dict.fromkeys(names, 0.5))
    assert not re.search(r"{\w+}", made.message)
    assert len(made.message) > 10
    assert 400 <= problem.status < 600


WAYS_OUT = re.compile(
    r"\b(send|save|use|encode|rename|fill|ask|raise|try|submit|choose|set|put|install|installs|let|leave|is the way out"
    r"|wait|cancel|place|delete|doctor|name it|name that|look for|train|give)\b|{(way_out|hint)}",
    re.IGNORECASE,
)
EXPLAINED_ELSEWHERE = {"no_result", "internal"}
"""What they say is another problem's message, or nobody's to mend but ours."""


@pytest.mark.parametrize("problem", all_problems(), ids=lambda problem: problem.code)
def test_a_problem_names_the_way_out(problem: type[Problem]) -> None:
    assert WAYS_OUT.search(problem.__doc__ or "") or problem.code in EXPLAINED_ELSEWHERE


def test_codes_are_unique() -> None:
    codes = [problem.code for problem in all_problems()]
    assert len(codes) == len(set(codes))


def test_every_code_has_its_status() -> None:
    found: dict[int, set[str]] = {}
    for problem in all_problems():
        found.setdefault(problem.status, set()).add(problem.code)
    assert found == STATUSES


def test_a_problem_of_ours_says_that_it_is_ours() -> None:
    assert (Problem.code, Problem.status) == ("internal", 500)
    assert "our side" in Problem().message
