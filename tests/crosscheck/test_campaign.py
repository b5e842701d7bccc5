"""A short campaign, with the libraries that are installed: models are written, explained over HTTP, and compared."""

import sys
from collections import Counter

import pytest

from crosscheck import campaign, report
from crosscheck.author.__main__ import FAMILIES
from crosscheck.version_sets import OWN

MODELS = 12


@pytest.mark.timeout(300)
def test_random_models_are_explained_as_their_libraries_say(tmp_path):
    assert campaign.write_specimens({OWN: sys.executable}, tmp_path, seed=11, count=MODELS) == []
    directories = campaign.specimens(tmp_path, MODELS)
    verdicts = list(campaign.examined(directories, lambda _: None))
    assert [verdict for verdict in verdicts if not verdict.ok] == []
    assert Counter(verdict.family for verdict in verdicts) == dict.fromkeys(FAMILIES, MODELS // len(FAMILIES))
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    assert outcomes["same"] + outcomes["adds up"] > outcomes["refused"]
    assert outcomes["same"] >= MODELS // 4
    page = report.written("make models", verdicts)
    assert f"| all |  | {MODELS} | {outcomes['same']} | {outcomes['adds up']} |" in page
