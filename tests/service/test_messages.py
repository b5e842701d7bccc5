"""Every message that a newcomer's mistakes, the cases, and children killed for memory end with: it says what to do."""

from jobs.outcomes import MEMORY_OUTCOMES
from tests.jobs.test_errors import WAYS_OUT
from tests.service.conftest import Service
from tests.service.test_cases import OLD, ask
from tests.service.test_newcomers import MISTAKES
from tests.supervisor.chunks.test_last_words import said as killed

REFUSED = {
    "04": OLD,
    "04, no background": OLD[:2],
    "05, no background": ("05/model.cbm", "05/rows.npy"),
    "08, no background": ("08/log.skops", "08/rows.csv"),
    "08, a row that a step refuses": ("08/onehot_1to4.skops", b"k,a\n7,0.5\n", "08/background.csv"),
    "13, a coefficient": ("13/nan_intercept.skops", "13/rows.csv", "13/rows.csv"),
    "13, neighbours": ("13/x_knn1e308.skops", "13/rows.csv", "13/rows.csv"),
    "15, no background": ("15/l335_lin.txt", "15/old.csv"),
}


def by_mistake(service: Service) -> dict[str, str]:
    headers = {"Prefer": "wait=50"}
    answers = {name: service.http.post("/analyze", files=row[0](), headers=headers) for name, row in MISTAKES.items()}
    return {name: answer.json()["detail"] for name, answer in answers.items()}


def test_every_message_says_what_to_do(service: Service) -> None:
    said = by_mistake(service) | {name: ask(service, *parts).json()["detail"] for name, parts in REFUSED.items()}
    said |= {outcome.value: killed(outcome) for outcome in MEMORY_OUTCOMES}
    assert {name: text for name, text in said.items() if not WAYS_OUT.search(text)} == {}
