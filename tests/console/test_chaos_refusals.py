"""`holdfast chaos` says by exit status 1 that something was invalid; what could not be run is 2, and a sentence."""

import errno
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from holdfast.chaos.simulation import replay as replay_module
from holdfast.console.cli import main


def chaos(*words):
    return CliRunner().invoke(main, ["chaos", *map(str, words)], terminal_width=200)


@pytest.mark.parametrize(("options", "last"), [([], "J15"), (["--crowd", "--hard"], "J39")])
def test_a_job_that_a_seed_does_not_have_is_told_from_those_it_has(options, last):
    """Before anything is run."""
    done = chaos("replay", 1, "--job", "J99", *options)
    assert done.exit_code == 2
    assert done.output == f"Error: seed 1 has no job J99; it has J0 … {last}.\n"
    assert chaos("replay", 1, "--job", last, *options).exit_code == 0


@pytest.fixture
def damaged(tmp_path):
    """Give a function that makes two folders of runs, the second with a verdict of these words."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "stock").mkdir()
    counts = dict.fromkeys(("accepted", "finished"), 0)
    (tmp_path / "ours/verdict.json").write_text(json.dumps({"run": "", "verdict": "valid", "counts": counts}), "utf-8")

    def damage(words):
        (tmp_path / "stock/verdict.json").write_bytes(words)
        return chaos("compare", tmp_path / "ours", tmp_path / "stock")

    return damage


@pytest.mark.parametrize("words", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_a_damaged_verdict_is_named(damaged, words):
    """A disk was full as it was written."""
    done = damaged(words)
    assert done.exit_code == 2
    assert "stock/verdict.json is damaged: " in done.output
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["controls", "nix"],
        ["compare", "a", "b"],
        ["processes", "--folder", "."],
    ],
    ids=" ".join,
)
def test_what_could_not_be_run_is_not_invalid(words):
    """A pipeline would hunt for a bug that nobody saw."""
    done = chaos(*words)
    assert done.exit_code == 2
    assert done.output.startswith("Error: ")


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    """It has the name of a file, of another user, or of nothing that is a disk."""
    (tmp_path / "file").touch()
    done = chaos("replay", 1, "--job", "J0", "--folder", tmp_path / "file/run")
    assert done.exit_code == 2
    assert f"{tmp_path / 'file/run'} cannot be used: Not a directory." in done.output


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), OSError(errno.EMFILE, "too many")], ids=repr)
def test_a_bug_of_the_judge_is_no_verdict(monkeypatch, error):
    """It leaves its traceback."""

    def break_down(*_, **__):
        raise error

    monkeypatch.setattr(replay_module, "run_plan", break_down)
    done = chaos("replay", 1)
    assert done.exit_code == 2
    assert "Traceback" in done.output


def test_ctrl_c_is_no_verdict(monkeypatch):
    """As a shell tells it of any command."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(replay_module, "run_plan", interrupt)
    assert chaos("replay", 1).exit_code == 130


def test_a_reader_that_leaves_early_is_no_bug():
    """`holdfast chaos list | head -1`."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-c", "from holdfast.console.cli import main; main()", "chaos", "list"],
        stdout=theirs, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(theirs)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
