"""Every way in which a child can end, played by scripted children in real processes."""

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs import keys
from jobs.outcomes import Outcome
from jobs.states import JobState
from supervisor.children.claims import MOST_SENTENCE
from tests.processes import gone
from tests.supervisor.conftest import Service

pytestmark = pytest.mark.anyio


async def play(service: Service, acts: dict[str, list[str]], tmp_path: Path, **script: Any) -> Any:
    """Run a job whose chunks do as told; returns its record and its attempts."""
    async with service.supervisor(chunk_timeout_s=script.pop("timeout", 30.0)):
        job_id = await service.submit({"acts": acts, "scratch": str(tmp_path), **script})
        return await service.ended(job_id), await service.store.attempts(job_id)


async def test_a_job_of_several_chunks_gives_every_row_once_in_order(service: Service) -> None:
    async with service.supervisor():
        job = await service.ended(await service.submit({"rows": 11, "per_chunk": 2}))
        assert job.state is JobState.FINISHED
        assert (job.rows, job.rows_done, job.chunks, job.chunks_done) == (11, 11, 6, 6)
        assert await service.values(job) == list(range(11))
        assert job.attempts == 8  # open, six chunks, close
        assert job.summary
        assert job.summary["closed"]
        assert job.peak_bytes >= 1234


async def test_a_small_job_takes_one_child(service: Service) -> None:
    async with service.supervisor():
        job = await service.ended(await service.submit({"rows": 2, "per_chunk": 2}))
        assert job.state is JobState.FINISHED
        assert job.attempts == 1
        assert await service.values(job) == [0, 1]


@pytest.mark.parametrize(
    ("act", "outcome", "code"),
    [
        ("fail", Outcome.RAISED, "raised"),
        ("sigkill", Outcome.CRASHED, "crashed"),
        ("sigsegv", Outcome.CRASHED, "crashed"),
        ("leave:3", Outcome.CRASHED, "crashed"),
        ("leave:0", Outcome.CRASHED, "crashed"),
        ("garbage", Outcome.CRASHED, "crashed"),
        ("no_text", Outcome.CRASHED, "crashed"),
        ("real_time_signal", Outcome.CRASHED, "crashed"),
        ("flood", Outcome.CRASHED, "crashed"),
        ("plan", Outcome.CRASHED, "crashed"),
        ("ready", Outcome.CRASHED, "crashed"),
        ("converted", Outcome.CRASHED, "crashed"),
        ("no_document", Outcome.CRASHED, "crashed"),
        ("long_words", Outcome.RAISED, "raised"),
        ("short", Outcome.CRASHED, "incomplete"),
    ],
)
async def test_a_chunk_that_fails_once_is_tried_again(
    service: Service, tmp_path: Path, act: str, outcome: Outcome, code: str
) -> None:
    job, attempts = await play(service, {"0-1": [act, "ok"]}, tmp_path)
    assert job.state is JobState.FINISHED
    assert await service.values(job) == [0, 1, 2, 3]
    (failed,) = [attempt for attempt in attempts if attempt.outcome is not Outcome.SUCCEEDED]
    assert (failed.chunk, failed.outcome, failed.code, failed.attempt) == ("0-1", outcome, code, 1)


@pytest.mark.parametrize(("act", "code"), [("fail", "raised"), ("sigsegv", "crashed"), ("leave:3", "crashed")])
async def test_a_chunk_that_always_fails_ends_its_job_by_name(
    service: Service, tmp_path: Path, act: str, code: str
) -> None:
    job, attempts = await play(service, {"2-3": [act]}, tmp_path)
    assert job.state is JobState.FAILED
    assert job.error.code == code
    assert job.error.detail["attempts"] == 3
    assert len([attempt for attempt in attempts if attempt.chunk == "2-3"]) == 3
    assert [cause["code"] for cause in job.error.detail["causes"]] == [code] * 3


async def test_a_poison_chunk_lists_every_cause(service: Service, tmp_path: Path) -> None:
    job, _ = await play(service, {"2-3": ["fail", "sigsegv", "leave:3"]}, tmp_path)
    assert (job.state, job.error.code) == (JobState.FAILED, "crashed")
    causes = [(cause["attempt"], cause["outcome"]) for cause in job.error.detail["causes"]]
    assert causes == [(1, "raised"), (2, "crashed"), (3, "crashed")]
    assert "as told" in job.error.detail["causes"][0]["message"]


async def test_a_refusal_ends_the_job_at_once(service: Service, tmp_path: Path) -> None:
    job, attempts = await play(service, {"open": ["refuse"]}, tmp_path)
    assert (job.state, job.error.code, job.error.detail) == (JobState.FAILED, "not_numeric", {"row": 3})
    assert len(attempts) == 1


@pytest.mark.parametrize("act", ["report_memory", "bad_alloc"])
async def test_a_chunk_that_runs_out_of_memory_is_halved(service: Service, tmp_path: Path, act: str) -> None:
    job, attempts = await play(service, {"0-7": [act], "0-3": [act]}, tmp_path, rows=8, per_chunk=8)
    assert job.state is JobState.FINISHED
    assert await service.values(job) == list(range(8))
    failed = [(attempt.chunk, attempt.outcome) for attempt in attempts if attempt.outcome is not Outcome.SUCCEEDED]
    assert failed == [("0-7", Outcome.MEMORY_CAP), ("0-3", Outcome.MEMORY_CAP)]
    assert job.chunks == job.chunks_done == 3


async def test_a_row_that_fits_no_cap_fails_its_job_with_the_evidence(service: Service, tmp_path: Path) -> None:
    acts = {name: ["report_memory"] for name in ("0-3", "0-1", "0-0")}
    async with service.supervisor():
        greedy = await service.submit({"acts": acts, "scratch": str(tmp_path), "per_chunk": 4})
        honest = await service.submit({"rows": 6})
        job, other = await service.ended(greedy), await service.ended(honest)
    assert job.state is JobState.FAILED
    assert job.error
    assert job.error.code == "memory_cap"
    evidence = job.error.detail["evidence"]
    assert evidence["cap_bytes"] == 128 * 1024 * 1024
    assert evidence["vm_limit_bytes"] > evidence["cap_bytes"]
    assert other.state is JobState.FINISHED


async def test_the_watch_kills_what_grows_past_the_cap(service: Service, tmp_path: Path) -> None:
    job, attempts = await play(service, {"0-1": ["grow:129"], "2-3": ["ok"]}, tmp_path)
    assert job.state is JobState.FINISHED
    (failed,) = [attempt for attempt in attempts if attempt.outcome is not Outcome.SUCCEEDED]
    assert failed.outcome is Outcome.MEMORY_WATCH
    assert failed.evidence.signal == "SIGKILL"
    assert failed.evidence.peak_bytes > failed.evidence.cap_bytes


async def test_a_hanging_chunk_is_killed_and_halved(service: Service, tmp_path: Path) -> None:
    job, attempts = await play(service, {"0-3": ["hang"]}, tmp_path, per_chunk=4, timeout=0.5)
    assert job.state is JobState.FINISHED
    assert next(attempt.outcome for attempt in attempts) is Outcome.TIMED_OUT


async def test_a_chunk_that_always_hangs_ends_its_job(service: Service, tmp_path: Path) -> None:
    acts = {name: ["hang"] for name in ("0-3", "0-1", "0-0", "1-1")}
    job, _ = await play(service, acts, tmp_path, per_chunk=4, timeout=0.5)
    assert (job.state, job.error.code) == (JobState.FAILED, "timed_out")


@pytest.mark.parametrize(
    ("act", "state", "code"),
    [
        ("refuse", JobState.FAILED, "not_numeric"),
        ("report_memory", JobState.FAILED, "memory_cap"),
        ("bad_alloc", JobState.FAILED, "memory_cap"),
        ("sigsegv", JobState.FAILED, "crashed"),
        ("hang", JobState.FAILED, "timed_out"),
    ],
)
async def test_a_model_that_does_not_load_ends_its_job_by_name(
    service: Service, act: str, state: JobState, code: str
) -> None:
    async with service.supervisor(chunk_timeout_s=1.0):
        job_id = await service.submit({}, model={"acts": {"load": [act]}})
        job = await service.ended(job_id)
        attempts = await service.store.attempts(job_id)
    assert job.state is state
    assert job.error
    assert job.error.code == code
    assert len(attempts) == (3 if code in ("crashed", "timed_out") else 1)


async def test_grandchildren_do_not_outlive_their_child(service: Service, tmp_path: Path) -> None:
    pid_file = tmp_path / "grandchild"
    job, _ = await play(service, {"0-1": [f"grandchild:{pid_file}", "ok"]}, tmp_path)
    assert job.state is JobState.FINISHED
    pid = int(pid_file.read_text())
    assert gone(pid)


async def test_a_child_sees_nothing_but_its_pipe(service: Service, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("REDIS_URL", service.url)
    monkeypatch.setenv("API_TOKEN", "secret")
    monkeypatch.setenv("ADMIN_TOKEN", "secret")
    seen_file = tmp_path / "seen"
    await play(service, {"open": [f"look_around:{seen_file}"]}, tmp_path)
    seen = json.loads(seen_file.read_text())
    assert not {"REDIS_URL", "API_TOKEN", "ADMIN_TOKEN"} & set(seen["environment"])
    others = {name: target for name, target in seen["descriptors"].items() if int(name) > 2}
    sockets = [target for target in others.values() if target.startswith("socket:")]
    assert len(sockets) == 1
    assert all(target.startswith(("socket:", "/proc/")) for target in others.values()), others
    assert seen["process_group"] == seen["pid"]
    assert seen["oom_score_adj"] == 1000
    assert seen["niceness"] == max(10, os.getpriority(os.PRIO_PROCESS, 0)), "never before whoever started us"
    soft, hard = seen["limit"]
    assert 0 < soft < hard
    assert "redis" not in seen["modules"]


async def test_what_a_child_says_at_length_is_cut(service: Service, tmp_path: Path) -> None:
    _, attempts = await play(service, {"0-1": ["long_words", "ok"]}, tmp_path)
    (failed,) = [attempt for attempt in attempts if attempt.outcome is Outcome.RAISED]
    assert failed.message
    assert len(failed.message) == MOST_SENTENCE
    assert failed.detail == {}


async def test_a_small_job_is_told_and_written_at_once(service: Service, tmp_path: Path) -> None:
    async with service.supervisor():
        job = await service.ended(await service.submit({"acts": {"open": ["whole"]}, "scratch": str(tmp_path)}))
        assert (job.state, job.rows, job.chunks, job.rows_done) == (JobState.FINISHED, 2, 1, 2)
        assert await service.values(job) == [0, 1]
        (attempt,) = await service.store.attempts(job.job_id)
        assert (attempt.chunk, attempt.outcome, attempt.evidence.peak_bytes >= 1234) == ("0-1", "succeeded", True)


@pytest.mark.parametrize(
    ("chunk", "act"), [("open", "whole_with_too_little"), ("open", "whole_of_two_chunks"), ("0-1", "whole")]
)
async def test_what_is_told_at_once_is_not_believed_for_that(
    service: Service, tmp_path: Path, chunk: str, act: str
) -> None:
    """Whoever says too little, too much, or what is not its business is no honest child; the next one may be."""
    job, attempts = await play(service, {chunk: [act, "ok"]}, tmp_path)
    assert (job.state, job.rows_done) == (JobState.FINISHED, 4)
    assert [one.outcome for one in attempts if one.chunk == chunk] == [Outcome.CRASHED, Outcome.SUCCEEDED]


async def test_no_more_values_are_kept_than_there_are_rows(service: Service, tmp_path: Path) -> None:
    async with service.supervisor(chunk_max_attempts=1):
        job_id = await service.submit({"acts": {"0-1": ["flood"]}, "scratch": str(tmp_path)})
        assert (await service.ended(job_id)).state is JobState.FAILED
        assert await service.redis.hlen(keys.values(job_id)) < 3, "of the other chunk"


@pytest.mark.parametrize("act", ["plan_for_many", "plan_outside", "ready"])
async def test_a_plan_that_cannot_be_is_none(service: Service, tmp_path: Path, act: str) -> None:
    job, attempts = await play(service, {"open": [act, "ok"]}, tmp_path)
    assert job.state is JobState.FINISHED
    assert attempts[0].outcome is Outcome.CRASHED


async def test_bytes_that_are_not_there_are_none(service: Service, tmp_path: Path) -> None:
    job, attempts = await play(service, {"0-1": ["read_afar"]}, tmp_path)
    assert job.state is JobState.FINISHED
    assert {attempt.outcome for attempt in attempts} == {Outcome.SUCCEEDED}


async def test_what_orphans_leave_goes_too(service: Service, tmp_path: Path) -> None:
    async with service.supervisor(worker_slots=1):
        acts = {"0-1": [f"lineage:{tmp_path / 'pid'}", "ok"]}
        await service.ended(await service.submit({"acts": acts, "scratch": str(tmp_path)}))
        left = int((tmp_path / "pid").read_text())
        await service.until(lambda: not psutil.pid_exists(left))
