"""What a child says is held to its bounds, and what is just within them is let through."""

import msgspec
import pytest

from jobs.protocol import BadFrame, Ready
from supervisor.children.claims import MOST_FEATURES, bounded
from tests.supervisor.scripted import MODEL


def ready(features: int) -> Ready:
    return Ready(msgspec.structs.replace(MODEL, n_features=features, features=None))


def test_a_model_has_no_more_features_than_any_honest_one() -> None:
    for count in (0, MOST_FEATURES):
        assert bounded(ready(count)) == ready(count)
    for count in (-1, MOST_FEATURES + 1):
        with pytest.raises(BadFrame, match="go together"):
            bounded(ready(count))
