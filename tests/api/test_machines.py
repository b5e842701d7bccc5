"""GET /admin/events: every second, for all who follow at the price of one."""

import asyncio
import json

import httpx2
import pytest

from api.machines import Shared
from tests.api.conftest import Web
from tests.api.player import Player
from tests.api.test_events import read_events


def test_it_tells_of_every_supervisor(web: Web, player: Player) -> None:
    player.heartbeat(rss_bytes=5, limit_bytes=9, budget_bytes=7, children=[])
    player.remember(in_use_bytes=3)
    with httpx2.stream("GET", f"http://127.0.0.1:{web.port}/admin/events", trust_env=False, timeout=20) as answer:
        assert answer.headers["cache-control"] == "no-store"
        name, told = next(read_events(answer.iter_lines()))
    assert (name, told["waiting_jobs"], told["leased_chunks"]) == ("machines", 0, 0)
    assert [supervisor["name"] for supervisor in told["memory"]["supervisors"]] == ["played"]
    assert told["memory"]["history"] == [], "which takes long to read"
    assert json.loads(web.get("/admin/memory").read())["history"] != []


@pytest.mark.parametrize(("every_s", "looks"), [(60.0, 1), (0.0, 3)])
def test_all_together_look_no_more_often_than_one(every_s: float, looks: int) -> None:
    looked = []

    async def look() -> bytes:
        looked.append(1)
        return b"seen"

    async def follow() -> list[bytes]:
        shared = Shared(look, every_s=every_s)
        return list(await asyncio.gather(*(shared.latest() for _ in range(3))))

    assert asyncio.run(follow()) == [b"seen"] * 3
    assert len(looked) == looks
