"""A template's children and its end, played; with real processes: see `test_pool` and `tests/supervisor`."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.options import Options
from jobs.outcomes import Outcome
from supervisor.children.fork_protocol import Warm
from supervisor.children.templates import Template, template_key

pytestmark = pytest.mark.anyio


class Played:
    """In the place of a child: notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def kill(self, outcome: Outcome) -> None:
        self.done.append(outcome)

    def close(self) -> None:
        self.done.append("closed")


class Forking:
    """In the place of the spawner."""

    def __init__(self) -> None:
        self.forked: list[Played] = []
        self.closed = False

    async def fork(self, role: str, cap_bytes: int) -> tuple[Played, None]:
        assert (role, cap_bytes) == ("child", 0)
        self.forked.append(Played())
        return self.forked[-1], None

    def close(self) -> None:
        self.closed = True


def key(**identities: str) -> str:
    parts: Any = {name: SimpleNamespace(identity=identity) for name, identity in identities.items()}
    job: Any = SimpleNamespace(options=Options())
    return template_key(job, parts)


async def test_jobs_share_a_template_whatever_their_rows_are_and_what_is_expected_of_them() -> None:
    own = key(model="m", background="b", data="d")
    assert key(model="m", background="b", data="other") == own
    assert key(model="m", background="b", data="d", expected="e") == own
    assert own not in (key(model="n", background="b", data="d"), key(model="m", background="c", data="d"))


def template(spawner: Forking, *, spare_from: int) -> Template:
    warm = Warm(pid=1, rss_bytes=0, anon_bytes=30, vm_size_bytes=0)
    base = Warm(pid=1, rss_bytes=0, anon_bytes=10, vm_size_bytes=0)
    loaded: Any = SimpleNamespace(child=Played(), spawner=spawner)
    model: Any = None
    return Template("lean", loaded, model, base=base, warm=warm, cap_bytes=100, spare_from=spare_from)


async def test_one_waits_ahead_and_is_taken_next() -> None:
    spawner = Forking()
    found = template(spawner, spare_from=1)
    first: Any = await found.take()
    second: Any = await found.take()
    assert [first, second] == spawner.forked[:2]
    assert found.growth_bytes == 20


async def test_none_waits_ahead_unless_that_is_wanted() -> None:
    spawner = Forking()
    found = template(spawner, spare_from=0)
    await found.take()
    await asyncio.sleep(0)
    assert len(spawner.forked) == 1


async def test_one_waits_ahead_as_soon_as_it_is_likely_to_be_wanted() -> None:
    spawner = Forking()
    found = template(spawner, spare_from=2)
    for forked in (1, 3):
        await found.take()
        await asyncio.sleep(0)
        assert len(spawner.forked) == forked


async def test_one_that_died_while_it_waited_is_not_taken() -> None:
    spawner = Forking()
    found = template(spawner, spare_from=1)
    await found.take()
    await asyncio.sleep(0)
    spawner.forked[1].exited.set_result(None)
    taken: Any = await found.take()
    assert taken is spawner.forked[2]


async def test_with_a_template_all_go_that_it_has_forked_and_nobody_has_taken() -> None:
    spawner = Forking()
    found = template(spawner, spare_from=1)
    released: list[int] = []
    reservation: Any = SimpleNamespace(shrink=released.append)
    found.reservation = reservation
    await found.take()
    await asyncio.sleep(0)
    found.close()
    taken, spare = spawner.forked
    own: Any = found.child
    assert own.done == spare.done == [Outcome.CANCELLED, "closed"]
    assert taken.done == []
    assert (spawner.closed, released) == (True, [0])
