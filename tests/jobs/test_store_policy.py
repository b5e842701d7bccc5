"""Under which eviction policies jobs may be lost."""

import pytest

from jobs.store_policy import ADVICE, SAFE_POLICY, evicts


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("noeviction", False), (None, False), ("allkeys-lru", True), ("volatile-ttl", True), ("unknown", True)],
)
def test_only_one_policy_is_safe(policy: str | None, expected: bool) -> None:
    assert evicts(policy) is expected


def test_the_advice_names_it() -> None:
    assert f"maxmemory-policy to {SAFE_POLICY}" in ADVICE
