"""Names that would write on a terminal by themselves, wherever a command prints them."""

import io

import pytest

from cli.failures import JobFailed
from cli.memory import _failures
from cli.printable import TerminalSink, printable
from cli.tables import facts, job_facts, top_features
from tests.cli.test_tables import printed

EVIL = "\x1b]0;owned\x07\x1b[31m\x9b2J\r\x08\u202e"
SHOWN = r"\x1b]0;owned\x07\x1b[31m\x9b2J\r\x08\u202e"
JOB = {"job_id": "1", "status": EVIL, "reason": EVIL, "error": {"code": "raised", "message": EVIL}}
TABLES = [
    top_features({"top_features": [{"feature": EVIL, "mean_abs_shap": 1.0}]}),
    job_facts(JOB),
    facts([("address", EVIL)]),
    *_failures([{"job_id": "1", "chunk": "open", "outcome": "raised", "message": EVIL}]),
]


@pytest.mark.parametrize("table", TABLES)
def test_tables_print_no_control_characters(table):
    text = printed(table)
    assert SHOWN in text.replace("\n", "")
    assert [char for char in text if not char.isprintable()] == ["\n"] * text.count("\n")


def test_neither_do_messages():
    assert JobFailed(f"first\n{EVIL}", "raised").message == f"first\n{SHOWN} [raised]"


def test_what_people_write_stays():
    for name in ("größe (cm)", "年齢", "a b", "\U0001f600", ""):
        assert printable(name) == name


def test_values_on_a_terminal_come_in_pieces():
    terminal = io.BytesIO()
    sink, content = TerminalSink(terminal), f"row,{EVIL},größe\n0,1,2\n".encode()
    for byte in content:
        assert sink.write(bytes([byte])) == 1
    assert terminal.getvalue().decode() == f"row,{SHOWN},größe\n0,1,2\n"
