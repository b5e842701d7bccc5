"""What a seed draws."""

from itertools import islice

from chaos.faults import DRAWS, Kind, sequence


def test_a_seed_gives_the_same_faults_and_every_kind():
    first, again, other = (list(islice(sequence(seed), 1000)) for seed in (5, 5, 6))
    assert first == again != other
    assert {fault.kind for fault in first} == set(Kind) == set(DRAWS)
    assert all(DRAWS[fault.kind].shortest_s <= fault.seconds <= DRAWS[fault.kind].longest_s + 1e-9 for fault in first)
