"""What operators see: memory of every process, kills, failures, the queue."""

import os

from starlette.testclient import TestClient

from jobs.outcomes import Evidence, Outcome
from jobs.queue import Decision
from jobs.records import JobError
from tests.api.conftest import MakeClient
from tests.api.player import Player, attempt

SNAPSHOT = {
    "pid": 7,
    "limit_bytes": 1000,
    "budget_bytes": 600,
    "aggressive_memory_management": True,
    "children": [{"pid": 8, "rss_bytes": 5}],
}


def test_memory_without_supervisors(make_client: MakeClient) -> None:
    document = make_client(shap_batch_size=123).get("/admin/memory").json()
    rss = document["web"].pop("rss_bytes")
    redis = document.pop("redis")
    assert rss > 10e6
    assert abs(document.pop("memory_usage_mb") - rss / 2**20) < 20
    assert redis["used_memory_bytes"] > 0
    assert redis["policy"] == "noeviction"
    assert redis["maxmemory_bytes"] == 0
    assert len(document.pop("gc_counts")) == 3
    assert document == {
        "success": True,
        "optimized_worker_applied": False,
        "gc_enabled": True,
        "max_rows_per_batch": 123,
        "limit_bytes": None,
        "budget_bytes": None,
        "web": {"pid": os.getpid()},
        "supervisors": [],
        "kills": {"crashed": 0, "memory_cap": 0, "memory_watch": 0, "oom_killed": 0, "timed_out": 0},
        "last_failures": [],
        "history": [],
    }


def test_memory_with_a_supervisor(client: TestClient, player: Player) -> None:
    player.heartbeat(**SNAPSHOT)
    document = client.get("/admin/memory").json()
    assert document["optimized_worker_applied"] is True
    assert (document["limit_bytes"], document["budget_bytes"]) == (1000, 600)
    assert document["supervisors"] == [{"name": "played", "draining": False, **SNAPSHOT}]


def test_kills_and_failures(client: TestClient, submitted: str, player: Player) -> None:
    lease = player.lease(submitted)
    evidence = Evidence(signal="SIGKILL", stderr='Traceback (most recent call last):\n  File "x.py", line 1, in f\nbad')
    killed = attempt("open", Outcome.OOM_KILLED, evidence=evidence)
    follows = Decision(action="fail", counts="attempts", error=JobError(code="oom_killed", message="Killed."))
    player.act(lambda queue: queue.settle(lease, killed, follows))
    document = client.get("/admin/memory").json()
    assert document["kills"]["oom_killed"] == 1
    (failure,) = document["last_failures"]
    assert (failure["job_id"], failure["outcome"]) == (submitted, "oom_killed")
    assert failure["evidence"] == {"signal": "SIGKILL", "stderr": "bad"}


def test_queue(client: TestClient, submitted: str, player: Player) -> None:
    waiting = client.get("/admin/queue").json()
    assert (waiting["jobs_total"], waiting["leases"], waiting["leases_total"]) == (1, [], 0)
    assert waiting["supervisors"] == []
    (job,) = waiting["jobs"]
    assert job.pop("age_s") == job.pop("waiting_s") < 60
    assert job == {"job_id": submitted, "caller": "", "status": "queued", "pending": 1, "leased": False}
    player.heartbeat()
    player.lease(submitted)
    leased = client.get("/admin/queue").json()
    (lease,) = leased["leases"]
    assert 10 < lease.pop("seconds_left") <= 15
    assert lease == {"job_id": submitted, "chunk": "open", "owner": "played", "attempts": 0, "crashes": 0}
    (supervisor,) = leased["supervisors"]
    assert supervisor.pop("heard_s_ago") < 5
    assert supervisor == {"name": "played", "leased": 1}


def test_the_history_is_that_of_every_supervisor(client: TestClient, player: Player) -> None:
    player.heartbeat(**SNAPSHOT)
    player.remember(in_use_bytes=5, children=1)
    (point,) = client.get("/admin/memory").json()["history"]
    assert point.pop("at_ms") > 1e12
    assert point == {"supervisor": "played", "in_use_bytes": 5, "children": 1}


def test_charts_for_operators(client: TestClient, submitted: str, player: Player) -> None:
    """What a supervisor says that is no child and no point is left out."""
    assert client.get("/admin/plots/memory").json()["code"] == "nothing_to_plot"
    assert "durations" in client.get("/admin/plots/pie").json()["detail"]
    player.heartbeat(**{**SNAPSHOT, "children": [{"pid": 8, "growth_bytes": 5, "cap_bytes": 9}, {"pid": "x"}, 7]})
    player.remember(in_use_bytes=2**21)
    assert "at most 2 MiB" in client.get("/admin/plots/memory").json()["description"]
    assert "process 8" in client.get("/admin/plots/children").json()["description"]
    player.fail(submitted, JobError(code="no_rows", message="It is empty."))
    for kind in ("outcomes", "durations"):
        assert "refused" in str(client.get(f"/admin/plots/{kind}").json()["data"])
