"""The transition tables are whole, and the scripts carry them."""

import re
from pathlib import Path

import pytest

from jobs.states import CHUNK_TRANSITIONS, ENDED, JOB_TRANSITIONS, ChunkState, JobState


def test_every_state_has_a_row() -> None:
    assert set(JOB_TRANSITIONS) == set(JobState)
    assert set(CHUNK_TRANSITIONS) == set(ChunkState)


def test_every_state_can_be_reached_and_left_for_an_end() -> None:
    for table, start in ((JOB_TRANSITIONS, JobState.QUEUED), (CHUNK_TRANSITIONS, ChunkState.PENDING)):
        reached, todo = set(), [start]
        while todo:
            state = todo.pop()
            if state not in reached:
                reached.add(state)
                todo += table[state]
        assert reached == set(table)
    assert {JobState.FINISHED, JobState.FAILED, JobState.CANCELLED} == ENDED


@pytest.mark.parametrize(("title", "table"), [("## Job", JOB_TRANSITIONS), ("## Chunk", CHUNK_TRANSITIONS)])
def test_the_pictures_show_the_tables(title: str, table: dict[str, frozenset[str]]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "states.md").read_text()
    picture = text.split(title)[1].split("```")[1]
    drawn = {tuple(arrow) for arrow in re.findall(r"^ +(\w+) --> (\w+)", picture, re.MULTILINE)}
    assert drawn == {(str(before), str(after)) for before, allowed in table.items() for after in allowed}
