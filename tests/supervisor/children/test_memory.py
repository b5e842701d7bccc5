"""The arithmetic from a limit to budget, slots and cap."""

from typing import Any

import pytest

from jobs.settings import MIB, Settings
from supervisor.children.limits import Limit, cores, find_limit
from supervisor.children.memory import NoRoom, share_out


def share(limit_mb: int, *, cores: int = 2, forkserver_mb: int = 240, **settings: Any) -> Any:
    return share_out(
        Settings(**settings),
        Limit(limit_mb * MIB, "test"),
        supervisor_bytes=50 * MIB,
        forkserver_bytes=forkserver_mb * MIB,
        cores=cores,
    )


def test_a_512_mb_machine_has_one_slot_and_gives_it_nearly_all_there_is() -> None:
    plan = share(512)
    assert plan.budget_bytes == (512 - 50 - 240 - 32) * MIB
    assert (plan.slots, plan.cap_bytes) == (1, plan.budget_bytes * 15 // 16)


def test_what_others_use_under_the_same_limit_is_not_shared_out() -> None:
    plan = share_out(
        Settings(),
        Limit(512 * MIB, "cgroup v2"),
        supervisor_bytes=50 * MIB,
        forkserver_bytes=40 * MIB,
        in_use_bytes=150 * MIB,
        cores=1,
    )
    assert plan.others_bytes == 60 * MIB
    assert plan.budget_bytes == (512 - 150 - 32) * MIB
    assert "others 60 MB" in plan.arithmetic


def test_slots_are_bounded_by_cores_and_by_room() -> None:
    assert share(4096, cores=2).slots == 2
    assert share(1024, cores=16, child_memory_mb=200).slots == 3
    assert share(65536, cores=4).cap_bytes == 1024 * MIB


def test_what_the_operator_set_is_taken_as_it_is() -> None:
    plan = share(2048, worker_slots=3, child_memory_mb=150)
    assert (plan.slots, plan.cap_bytes) == (3, 150 * MIB)
    assert share(400, child_memory_mb=16).cap_bytes == 16 * MIB


@pytest.mark.parametrize(
    ("limit_mb", "settings"),
    [(256, {}), (400, {}), (512, {"child_memory_mb": 400}), (1024, {"worker_slots": 4, "child_memory_mb": 300})],
)
def test_a_start_without_room_is_refused_with_the_arithmetic(limit_mb: int, settings: dict[str, int]) -> None:
    with pytest.raises(NoRoom) as caught:
        share(limit_mb, **settings)
    for words in (f"limit {limit_mb} MB", "supervisor 50 MB", "forkserver 240 MB", "budget"):
        assert words in str(caught.value)


def test_the_limit_is_the_smallest_that_is_known() -> None:
    assert find_limit(Settings(memory_limit_mb=300)) == Limit(300 * MIB, "MEMORY_LIMIT_MB")
    assert find_limit(Settings()).limit_bytes > 300 * MIB
    assert cores() >= 1


def test_slots_share_alike_what_is_not_kept_for_idle_children() -> None:
    plan = share(1024)
    assert (plan.slots, plan.cap_bytes) == (2, plan.budget_bytes * 15 // 16 // 2)


def test_where_nobody_counts_there_are_no_others() -> None:
    plan = share_out(Settings(), Limit(512 * MIB, "test"), supervisor_bytes=0, forkserver_bytes=0, cores=1)
    assert plan.others_bytes == 0
    assert "others" not in plan.arithmetic
