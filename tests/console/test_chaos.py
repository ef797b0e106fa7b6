"""`holdfast chaos`: what is asked for is run, and what cannot be meant is refused with what to do."""

import json
import tempfile

import pytest
from click.testing import CliRunner

from holdfast.chaos.failure_modes import MODES
from holdfast.chaos.faults import load_all
from holdfast.chaos.simulation.batch import _Some
from holdfast.chaos.simulation.cuts import Report
from holdfast.chaos.simulation.findings import look
from holdfast.chaos.simulation.run import run_plan
from holdfast.chaos.simulation.scenarios import SCENARIOS
from holdfast.chaos.simulation.seeded_defects import DEFECTS
from holdfast.chaos.simulation.servers import RealServer, real_server_is_possible
from holdfast.chaos.verdict import Verdict
from holdfast.console import storms
from holdfast.console.cli import main

WRITTEN = ["history.jsonl", "plan.json", "timeline.html", "verdict.json"]


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Where folders go that nobody named."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def chaos(*words):
    return CliRunner().invoke(main, ["chaos", *map(str, words)], terminal_width=200)


def broken(seeds, *, hard, crowd, only, on_real, folder, on_seed, **_):
    """Run seeds here, where the code has a defect; other processes would have none."""
    some = _Some(tuple((seed, each) for seed in seeds for each in hard), crowd, only, on_real, folder)
    with DEFECTS["settle-leaves-wip"].seed():
        found = some.run(None)
    for seed in found:
        on_seed(seed)
    return found


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_fault_is_listed_with_its_mode_and_where_it_strikes():
    """Those of the simulation, and those of real processes."""
    listed = [line.split() for line in chaos("list").output.splitlines()]
    assert ["FM-012", "pause", "simulated:"] in [words[:3] for words in listed]
    assert ["FM-003", "kill-horse", "processes"] in [words[:3] for words in listed]


def test_seeds_are_run_as_usual_and_hard(scratch):
    """Nothing is left behind when nothing was wrong."""
    done = chaos("run", "--seed", 1, "--runs", 2, "--both")
    assert done.exit_code == 0, done.output
    assert "seeds from 1, std and hard · commit " in done.output
    assert "4 runs, " in done.output
    assert done.output.rstrip().endswith("0 invalid")
    assert names_in(scratch) == []


def test_a_run_of_minutes_ends_with_them():
    """No seed is begun afterwards; the first one is drawn, and said."""
    done = chaos("run", "--minutes", 0.01)
    assert done.exit_code == 0, done.output
    runs = int(done.output.splitlines()[-1].split()[0])
    assert 0 < runs < 50
    assert done.output.startswith("seeds from ")


def test_an_invalid_seed_says_how_to_see_it_again_and_can_be_looked_at(monkeypatch, tmp_path):
    """A red CI run leaves seed, commit, the command, and the picture."""
    monkeypatch.setattr(storms, "run_seeds", broken)
    done = chaos("run", "--seed", 5, "--runs", 1, "--both", "--folder", tmp_path / "found")
    assert done.exit_code == 1
    for kind, again in (("std", "holdfast chaos replay 5\n"), ("hard", "holdfast chaos replay 5 --hard\n")):
        assert f"seed 5 · {kind} · commit " in done.output
        assert again in done.output
    assert f"written down in {tmp_path / 'found'}" in done.output
    assert names_in(tmp_path / "found") == ["seed-5", "seed-5-hard"]
    assert names_in(tmp_path / "found/seed-5-hard") == WRITTEN
    assert json.loads((tmp_path / "found/seed-5/verdict.json").read_text("utf-8"))["verdict"] == "invalid"


def test_an_invalid_crowd_is_named_as_one(monkeypatch, tmp_path):
    """Its number alone is another run, whose folder may lie beside it."""
    monkeypatch.setattr(storms, "run_seeds", broken)
    done = chaos("run", "--seed", 5, "--runs", 1, "--crowd", "--folder", tmp_path / "found")
    assert "\nseed-5-crowd: " in done.output
    assert "holdfast chaos replay 5 --crowd\n" in done.output
    assert names_in(tmp_path / "found") == ["seed-5-crowd"]


def test_what_was_found_before_ctrl_c_is_told(monkeypatch, scratch):
    """Somebody has waited for hours, and has seen enough."""

    def interrupted(seeds, **told):
        if told["hard"] == (True,):
            broken([5], **told)
        raise KeyboardInterrupt

    monkeypatch.setattr(storms, "run_seeds", interrupted)
    done = chaos("run", "--minutes", 60, "--seed", 5, "--hard")
    assert done.exit_code == 1
    assert "holdfast chaos replay 5 --hard" in done.output
    assert done.output.splitlines()[-1].startswith(f"written down in {scratch}")
    assert chaos("run", "--minutes", 60).exit_code == 130


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["processes", "--prefetch", 5, "--stock"], "--prefetch is for a fleet of ours alone"),
        (["processes", "--prefetch", 5, "--mixed", "ours"], "--prefetch is for a fleet of ours alone"),
        (["processes", "--mixed", "ours", "--stock"], "leave out --stock and --lossy"),
        (["processes", "--mixed", "stock", "--lossy"], "leave out --stock and --lossy"),
        (["processes", "--only", "FM-001"], "No such option"),
        (["run", "--stock"], "No such option"),
        (["run", "--only", "FM-999"], "failure mode FM-999 is none; take one of FM-001, FM-002"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, said):
    """It would be run as something else otherwise, and believed."""
    done = chaos(*words)
    assert done.exit_code == 2
    assert said in done.output


def test_a_mode_that_is_not_simulated_is_refused():
    """Its runs would have no fault at all, and be valid."""
    modes = {kind.mode for kind in load_all().values()}
    elsewhere = next(mode.number for mode in MODES if mode.number not in modes)
    done = chaos("run", "--only", elsewhere)
    assert done.exit_code == 2
    assert f"failure mode {elsewhere} has no fault of its own in the simulation; take one of FM-001" in done.output


def test_a_real_server_that_cannot_be_started_is_named(monkeypatch, tmp_path):
    """What was looked for, what was seen, and what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    done = chaos("run", "--server", "real")
    assert done.exit_code == 2
    assert "redis-server: not on PATH, cc: not on PATH" in done.output
    assert "apt-get install redis-server gcc, or --server fake." in done.output


def test_a_run_on_real_workers_is_as_large_as_it_is_told(monkeypatch, tmp_path):
    """And what is not told is what such a run is usually like."""
    heard = []

    def run_processes(seed, **told):
        heard.append((seed, {name: told[name] for name in sorted(told) if name != "console"}))
        return Verdict(())

    monkeypatch.setattr("holdfast.chaos.processes.run.run_processes", run_processes)
    words = ["--workers", 3, "--jobs", 50, "--minutes", 0.5, "--prefetch", 6, "--lossy", "--folder", tmp_path / "run"]
    assert chaos("processes", "--seed", 7, *words).exit_code == 0
    sizes = {"jobs": 50, "minutes": 0.5, "workers": 3, "prefetch": 6}
    assert heard == [(7, sizes | {"stock": False, "lossy": True, "folder": tmp_path / "run"})]
    chaos("processes", "--seed", 7, "--stock")
    assert sorted(heard[1][1]) == ["folder", "lossy", "stock"]


def test_the_folder_of_another_run_is_not_written_over(tmp_path):
    """Two runs in one folder would be judged as one by whoever looks."""
    done = chaos("processes", "--jobs", 1, "--minutes", 0.1, "--folder", tmp_path)
    assert done.exit_code == 2
    assert f"{tmp_path} is there already: --folder must name one that is not." in done.output


def test_a_replay_tells_its_seed_and_writes_it_down(tmp_path):
    """The first line is the whole report; each line below has its columns."""
    done = chaos("replay", 3, "--hard", "--only", "FM-012", "--folder", tmp_path / "run")
    assert done.exit_code == 0, done.output
    first, _, *rest = done.output.splitlines()
    assert first.endswith("holdfast chaos replay 3 --hard --only FM-012")
    assert all(line[:7].strip().isdigit() and line[7] == " " for line in rest if line)
    assert names_in(tmp_path / "run") == WRITTEN


def test_a_crowd_is_run_and_replayed_as_one(scratch):
    """The same number without it is another run."""
    told = chaos("run", "--seed", 3, "--runs", 1, "--crowd")
    assert told.exit_code == 0, told.output
    assert told.output.startswith("seeds from 3, std, crowds · commit ")
    done = chaos("replay", 3, "--crowd", "--job", "J39")
    first, _, *rest = done.output.splitlines()
    assert first.startswith("seed 3 · std, a crowd · commit ")
    assert first.endswith("holdfast chaos replay 3 --crowd")
    assert any("complete" in line for line in rest)


def test_a_seed_is_replayed_on_the_server_it_ran_on(monkeypatch):
    """What a real server shows may be hidden by a fake one."""
    if not real_server_is_possible():
        pytest.skip("needs redis-server and a C compiler")
    servers = []

    def run_it(plan, *, real):
        servers.append(real)
        return run_plan(plan, real=real)

    monkeypatch.setattr("holdfast.chaos.simulation.replay.run_plan", run_it)
    done = chaos("replay", 3, "--server", "real", "--job", "J0")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0].endswith("redis-server · holdfast chaos replay 3 --server real")
    assert isinstance(servers[0], RealServer)
    assert chaos("replay", 3, "--server", "real", "--shrink").exit_code == 2


def test_a_part_of_the_cuts_is_run():
    """As many as it has, and no more."""
    done = chaos("cuts", "--part", "2/200", "--pairs", 1, "--at-once", 1)
    assert done.exit_code == 0, done.output
    assert "cuts 2/200 · commit " in done.output
    assert "cuts and 1 pairs in " in done.output.splitlines()[-1]


def test_a_cut_that_breaks_a_promise_can_be_looked_at(monkeypatch, tmp_path):
    """There is no seed to run again: the folder has all that happened."""

    def run_cuts(*_, **__):
        return Report(1, 0, (look(SCENARIOS["plain"].plan()),), 1.0)

    monkeypatch.setattr(storms, "run_cuts", run_cuts)
    with DEFECTS["settle-leaves-wip"].seed():
        done = chaos("cuts", "--folder", tmp_path / "found")
    assert done.exit_code == 1
    assert "no fault: INV-02" in done.output
    assert names_in(tmp_path / "found/cut-1") == WRITTEN


def test_the_controls_tell_how_many_seeds_show_a_defect():
    """A row for each kind of seed; a name that is none is refused."""
    done = chaos("controls", "settle-leaves-wip", "--seeds", 1, "--at-once", 1)
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.output.splitlines() if line.startswith("settle-leaves-wip")]
    assert [row[1:5] for row in rows] == [["std", "1", "of", "1"], ["hard", "1", "of", "1"]]
    assert done.output.splitlines()[-1] == "1 of 1 defects shown by seeds alone"
    refused = chaos("controls", "settle-well")
    assert refused.exit_code == 2
    assert "no such defect: settle-well. There are claim-in-two-trips, " in refused.output


def test_two_runs_are_compared(tmp_path):
    """Ours on the left, stock RQ on the right; what is no such run is named."""
    names = ("accepted", "finished", "lost", "stuck", "failed unrun", "failed by fault", "in doubt", "ran again")
    for folder, lost in (("ours", 0), ("stock", 2)):
        counts = dict.fromkeys((*names, "acted twice", "executions"), 0) | {"lost": lost}
        (tmp_path / folder).mkdir()
        told = {"run": f"seed 7 {folder}", "verdict": "valid", "counts": counts}
        (tmp_path / folder / "verdict.json").write_text(json.dumps(told), "utf-8")
    table = chaos("compare", tmp_path / "ours", tmp_path / "stock").output
    assert "| lost: accepted, and now nowhere | 0 | 2 |" in table
    assert "stock RQ: seed 7 stock" in table
    missing = chaos("compare", tmp_path / "ours", tmp_path / "none")
    assert missing.exit_code == 2
    assert f"{tmp_path / 'none/verdict.json'} is not there" in missing.output
    chaos("replay", 3, "--folder", tmp_path / "simulated")
    simulated = chaos("compare", tmp_path / "ours", tmp_path / "simulated")
    assert "both must be of runs of `processes`" in simulated.output


@pytest.mark.parametrize("part", ["all", "3", "3/2", "0/8", "a/b", "1/", "-1/2", "²/3"])
@pytest.mark.parametrize("command", ["cuts", "sweep"])
def test_a_part_that_is_none_is_refused_before_anybody_is_hurt(command, part):
    """In the same words by both."""
    done = chaos(command, f"--part={part}")
    assert done.exit_code == 2
    assert f"a part is spelled K/N with K from 1 to N, such as 1/3, not {part!r}." in done.output
