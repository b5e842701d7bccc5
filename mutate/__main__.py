"""`python -m mutate`: draw mutants, try them, print what survived. Exit code 1 where something did."""

import asyncio
import sys
import tempfile
from collections import Counter
from itertools import count, islice
from pathlib import Path

import click

from mutate.campaign import FOLDER, SUSPECTED, Campaign, Verdict, copy_tree
from mutate.equivalents import equivalents, reason
from mutate.mutations import Mutant, draw, places
from mutate.report import difference, report

ROOT = Path(__file__).parent.parent
SURVIVING = 0.05  # of the mutants, in the estimate: each of these runs all the tests of its room


@click.command()
@click.option("--mutants", "number", default=200, show_default=True)
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same mutants of the same sources.")
@click.option("--room", "rooms", multiple=True, default=["jobs", "supervisor", "api"], show_default=True)
@click.option("--jobs", default=2, show_default=True, help="Trials side by side.")
@click.option("--again", is_flag=True, help="Only those that survived last time, with the tests as they are now.")
def main(number: int, seed: int, rooms: list[str], jobs: int, again: bool) -> None:
    """Mutate at random, and see whether the tests of the room notice."""
    rooms = list(rooms)
    drawn = list(islice(draw(ROOT, places(ROOT, rooms), seed), number))
    campaign = Campaign(ROOT, rooms, str(seed))
    if again:
        campaign.forget_survivors()
    with tempfile.TemporaryDirectory(prefix="mutate-") as temporary:
        asyncio.run(_try(campaign, drawn, [copy_tree(ROOT, Path(temporary) / str(index)) for index in range(jobs)]))
    _tell(drawn, campaign.verdicts())


async def _try(campaign: Campaign, drawn: list[Mutant], copies: list[Path]) -> None:
    known = campaign.verdicts()
    waiting = [mutant for mutant in drawn if mutant.key not in known or known[mutant.key].outcome == SUSPECTED]
    await campaign.record(copies, sorted({mutant.room for mutant in waiting}), click.echo)
    for room, recording in campaign.recordings.items():
        if recording.failed:
            click.echo(f"{room}: fail without any mutation, and are left out: {', '.join(recording.failed)}")
    minutes = _estimate_s(campaign, waiting, len(copies)) / 60
    click.echo(f"{len(waiting)} of {len(drawn)} mutants to try: about {minutes:.0f} min")
    done = count(1)

    def tried(mutant: Mutant, verdict: Verdict) -> None:
        place = f"{mutant.file}:{mutant.line}"
        click.echo(
            f"{next(done):>4}  {verdict.outcome:9} {verdict.seconds:>6.1f} s  {place}  {mutant.name}  {verdict.by}"
        )
        if verdict.outcome == SUSPECTED:
            click.echo(difference(mutant))

    listed = equivalents(ROOT)
    await campaign.run(copies, waiting, tried, spared=lambda mutant: reason(mutant, listed) is not None)


def _estimate_s(campaign: Campaign, waiting: list[Mutant], copies: int) -> float:
    """Two starts of pytest and a few tests for most, all tests of the room for the few that survive."""
    rooms = Counter(mutant.room for mutant in waiting)
    recordings = campaign.recordings
    each = {room: 2 * (recordings[room].start_s + 1) + SURVIVING * recordings[room].tests_s for room in rooms}
    return sum(count * each[room] for room, count in rooms.items()) / copies


def _tell(drawn: list[Mutant], verdicts: dict[str, Verdict]) -> None:
    known = equivalents(ROOT)
    tried = [(mutant, verdicts[mutant.key]) for mutant in drawn]
    text = report(tried, known)
    (ROOT / FOLDER / "report.txt").write_text(text)
    click.echo(f"\n{text}\nalso in {FOLDER}/report.txt")
    if any(verdict.outcome == "survived" and not reason(mutant, known) for mutant, verdict in tried):
        sys.exit(1)


if __name__ == "__main__":
    main()
