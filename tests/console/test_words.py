"""Tables as people and programs see them: an id is in one piece, to be copied, however narrow the terminal is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.console.words import show_table, visible

ID = "0198a8f2-3b51-4d83-9e7c-5f1f6f0f7a10"
HEADINGS = ("job", "queue", "what", "cause", "in doubt")
ROWS = [(ID, "default", "shop.tasks.fulfil('A-0001', 1990) " * 3, "in_doubt", "charge")]


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Give a function that shows a table on a terminal of some width, and gives its lines."""

    def show(columns, rows):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        show_table(HEADINGS, rows)
        return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()

    return show


@pytest.mark.parametrize("columns", [40, 80, 100, 120, 200])
def test_an_id_is_never_folded(terminal, columns):
    """`holdfast dead show` wants it whole."""
    assert sum(ID in line for line in terminal(columns, ROWS)) == 1


def test_a_wide_terminal_shows_a_drawn_table(terminal):
    """Long words of a description are folded there, and lines are no longer than it is wide."""
    lines = terminal(120, ROWS)
    assert any("──" in line for line in lines)
    assert all(len(line) <= 120 for line in lines)


def test_one_long_description_does_not_push_the_other_rows_away(terminal):
    """On a narrow terminal, where nothing is drawn."""
    first, second = terminal(80, [*ROWS, (ID, "high", "short", "failures", "-")])[1:]
    assert len(second) < 120 < len(first)


def test_a_program_gets_all_of_it_in_columns(capsys):
    """A pipe has no width."""
    show_table(HEADINGS, [*ROWS, (ID, "high", "short", "failures", "-")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert len({line.index(word) for line, word in zip(lines, ("cause", "in_doubt", "failures"), strict=True)}) == 1


def test_a_table_without_rows_has_its_headings(terminal, capsys):
    """No worker yet."""
    assert terminal(80, []) != []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("shop.fulfil('A-1')", "shop.fulfil('A-1')"),
        ("caf\u00e9 \u6ce8\u6587 \U0001f469\u200d\U0001f4bb", "caf\u00e9 \u6ce8\u6587 \U0001f469\u200d\U0001f4bb"),
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("\x9b2J\x7f\r\n\t", r"\x9b2J\x7f\r\n\t"),
        ("\u202egnp\u2066\u2028", r"\u202egnp\u2066\u2028"),
        ("\udcff\ud800", r"\xff\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_seen(given, shown):
    """And what people write in their own script stays as it is."""
    assert visible(given) == shown


def test_a_table_cannot_be_drawn_over(terminal, capsys):
    """Nor have rows that are none, or pictures for words."""
    row = (ID, "default", "x\x1b[1A\nfake-id", "in_doubt", ":bomb:")
    for columns in (40, 120):
        lines = terminal(columns, [row])
        assert any(r"x\x1b[1A\nfake-id" in line and ":bomb:" in line for line in lines), lines


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["--help"]], ids=" ".join)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_cannot_be_printed_is_one_line_on_stderr(server, words, unbuffered):
    """FM-056: a traceback of Python's and click's."""
    environment = os.environ | {"HOLDFAST_REDIS_URL": server.url, "PYTHONUNBUFFERED": unbuffered}
    line = [sys.executable, "-c", "from holdfast.console.cli import main; main()", *words]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(line, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    told = "Error: this cannot be printed: [Errno 28] No space left on device\n"
    assert (ended.returncode, ended.stderr) == (1, told)


def test_a_command_without_stdout_prints_nothing(server):
    """A job of cron's, started with `>&-`."""
    run = f"{sys.executable} -c 'from holdfast.console.cli import main; main()' status --redis-url {server.url} >&-"
    ended = subprocess.run(["sh", "-c", run], stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
