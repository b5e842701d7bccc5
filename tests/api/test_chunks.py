"""GET /jobs/{id}/chunks: each chunk as it stands, and a halved one before its halves."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from api import chunks
from jobs.outcomes import Outcome
from jobs.planner import halves
from jobs.queue import Decision
from jobs.records import Chunk
from tests.api.player import Player, attempt


def listed(client: TestClient, job_id: str) -> list[tuple[Any, ...]]:
    found = client.get(f"/jobs/{job_id}/chunks").raise_for_status().json()
    assert found["total"] == len(found["chunks"])
    return [(chunk["chunk"], chunk["state"], chunk["attempts"]) for chunk in found["chunks"]]


def test_they_are_listed_as_they_stand(client: TestClient, player: Player, submitted: str) -> None:
    assert listed(client, submitted) == [], "it is not opened yet"
    player.plan(submitted, rows=12, features=["a", "b"], per_chunk=4)
    player.commit(player.lease(submitted), bytes(64))
    player.lease(submitted)
    assert listed(client, submitted) == [("0-3", "done", 0), ("4-7", "leased", 0), ("8-11", "pending", 0)]
    client.delete(f"/jobs/{submitted}")
    assert listed(client, submitted) == [("0-3", "done", 0), ("4-7", "dead", 0), ("8-11", "dead", 0)]


def test_a_chunk_that_was_halved_stands_before_its_halves(client: TestClient, player: Player, submitted: str) -> None:
    player.plan(submitted, rows=8, features=["a", "b"], per_chunk=4)
    held = player.lease(submitted)
    own = [Chunk(id=f"{first}-{last}", kind="rows", first=first, last=last) for first, last in halves(0, 3)]
    follows = Decision(action="halve", counts="attempts", chunks=own)
    player.act(lambda queue: queue.settle(held, attempt("0-3", Outcome.MEMORY_CAP), follows))
    names = [name for name, _, _ in listed(client, submitted)]
    assert names == ["0-3", "0-1", "2-3", "4-7"]


def test_of_very_many_only_the_number_is_told(
    client: TestClient, player: Player, submitted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    player.plan(submitted, rows=8, features=["a", "b"], per_chunk=1)
    monkeypatch.setattr(chunks, "MOST", 5)
    found = client.get(f"/jobs/{submitted}/chunks").json()
    assert found["total"] > 5
    assert found["chunks"] == []


def test_another_job_is_unknown(client: TestClient) -> None:
    assert client.get("/jobs/nope/chunks").json()["code"] == "unknown_job"
