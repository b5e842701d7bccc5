"""docs/performance.md, written by the command that measured."""

from collections.abc import Sequence

from bench.machine import described
from bench.table import Line, markdown

PAGE = """\
# Performance

Written by `{command}`; do not edit. Every line of a work was measured in the same run, on the same rows, taking turns.

{machine}

{explanation}

{table}"""
EXPLANATION = """\
- "compared" is how many times faster than shap's C kernel (`shap.TreeExplainer`, also for boosters, where shap itself
  would call the booster's own), or what else the goal beside it names. A goal that was missed has a cross.
- "differs by" is the largest difference from shap, relative to shap's largest value: a peer that is fast and wrong is
  seen as such.
- Results of trees are for 500 rows x 50 features. Who would take long was timed on fewer rows and scaled, and the
  remarks say on how many. The model is read and the explainer built beforehand; the remarks say how long that took.
- On one core the process is pinned to it, with one thread. On all cores the engine works in threads, boosters have
  their own threads, and the others work in joblib's processes, which keep their explainers.
- The service's side is all of it over HTTP, from upload to last byte, in chunks of 500 rows.
"""


def written(command: str, lines: Sequence[Line]) -> str:
    """The page."""
    machine = "\n".join(f"- {line}" for line in described())
    return PAGE.format(command=command, machine=machine, explanation=EXPLANATION, table=markdown(lines))
