"""What is odd about a job: bounded, said once, and read from records that know nothing of it."""

import msgspec
import pytest

from jobs import protocol, warnings
from jobs.protocol import BadFrame, Ready
from jobs.records import Job, job_from_hash, json_text
from jobs.warnings import MOST, MOST_CHARACTERS, JobWarning, warning
from tests.jobs.conftest import Bench
from tests.jobs.steps import LAYOUT, MODEL, finish, found, lease, span
from tests.jobs.test_records import FIELDS

A, B, C = (warning(code, f"It is {code}.") for code in "abc")


def job(**parts: object) -> Job:
    found = job_from_hash(FIELDS | {name.encode(): json_text(part).encode() for name, part in parts.items()})
    assert found
    return found


@pytest.mark.anyio
async def test_a_job_has_those_of_its_model_and_its_data_once_and_its_summarys_when_it_ends(bench: Bench) -> None:
    model, layout = (msgspec.structs.replace(part, warnings=own) for part, own in ((MODEL, [A, B]), (LAYOUT, [B, C])))
    job_id = await bench.submit()
    held = await lease(bench, job_id)
    whole = [span(0, 1)]
    await bench.queue.plan(held, found(*whole, model=model, layout=layout), None)
    assert (await bench.store.job(job_id)).warnings == [A, B, C]
    await finish(bench, held, b"aaaaaaaa")
    await finish(bench, await lease(bench, job_id), b"", {"warnings": [msgspec.to_builtins(C)]})
    assert (await bench.store.job(job_id)).warnings == [C]


def test_records_of_older_versions_have_none() -> None:
    old = {name: value for name, value in msgspec.to_builtins(MODEL).items() if name != "warnings"}
    assert job(model=old, summary={"rows": 1}).warnings == job().warnings == []


@pytest.mark.parametrize("written", [7, [7], [{"code": "a"}], [{"code": "a", "message": "x" * 501}], [A] * 21])
def test_a_summary_with_others_than_ours_has_none(written: object) -> None:
    assert warnings.of_summary({"warnings": msgspec.to_builtins(written)}) == []


def test_a_summary_of_ours_has_its_own() -> None:
    assert warnings.of_summary({"warnings": [msgspec.to_builtins(A)]}) == [A]
    assert warnings.of_summary({}) == warnings.of_summary(None) == []


def test_they_are_few_and_short() -> None:
    many = [warning(str(number), "x" * 9_999) for number in range(MOST + 5)]
    assert len(warnings.merged(many, many)) == MOST
    assert len(many[0].message) == MOST_CHARACTERS
    assert many[0].message.endswith("…")
    assert warning("a", "x" * MOST_CHARACTERS).message == "x" * MOST_CHARACTERS


@pytest.mark.parametrize(
    "said",
    [
        [A] * (MOST + 1),
        [JobWarning(code="a", message="x" * (MOST_CHARACTERS + 1))],
        [JobWarning(code="c" * 65, message="")],
    ],
)
def test_a_child_that_says_more_is_not_understood(said: list[JobWarning]) -> None:
    frame = protocol.encode(Ready(msgspec.structs.replace(MODEL, warnings=said)))
    with pytest.raises(BadFrame):
        protocol.decode_from_child(frame[protocol.LENGTH.size :])
