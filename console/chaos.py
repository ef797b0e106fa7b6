"""`holdfast chaos`: break it on purpose, and judge the result."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import click
from rich.console import Console

#: What a shell calls a command that Ctrl-C ended.
ENDED_BY_HAND = 130
_FOLDER = click.Path(path_type=Path, file_okay=False)


class _NotRun(click.ClickException):
    """A command that could not be run: 1 is for what was run, and was invalid."""

    exit_code = 2


class _Judge(click.Group):
    """Says by 1 that something was invalid, and by nothing else: whatever could not be run is 2, also by a bug."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        # Click itself ends quietly where nobody reads any more.
        except (click.exceptions.Exit, click.Abort, click.UsageError, BrokenPipeError):
            raise
        except click.ClickException as refused:
            raise _NotRun(refused.message) from refused
        except KeyboardInterrupt:
            ctx.exit(ENDED_BY_HAND)
        except Exception as error:
            if isinstance(error, OSError) and error.filename:
                raise _NotRun(f"{error.filename} cannot be used: {error.strerror}.") from error
            traceback.print_exc()
            ctx.exit(_NotRun.exit_code)


@click.group(cls=_Judge)
def chaos() -> None:
    """Break it on purpose, reproducibly from a seed, and judge the result.

    Needs `pip install rq-holdfast[chaos]`. Touches only servers it started itself.
    """
    try:
        import fakeredis  # noqa: F401, PLC0415 - asked for only here
        import greenlet  # noqa: F401, PLC0415
    except ImportError as missing:
        raise click.ClickException(f"{missing.name} is missing: pip install 'rq-holdfast[chaos]'") from missing


def _simulated(_context: click.Context, _option: click.Parameter, mode: str | None) -> str | None:
    """Let only a failure mode pass that some simulated fault belongs to."""
    from holdfast.chaos.failure_modes import MODES  # noqa: PLC0415 - read for this option only
    from holdfast.chaos.faults import load_all  # noqa: PLC0415 - needs the extra

    known = sorted({kind.mode for kind in load_all().values()})
    if mode is None or mode in known:
        return mode
    why = "has no fault of its own in the simulation" if mode in {each.number for each in MODES} else "is none"
    raise click.BadParameter(f"failure mode {mode} {why}; take one of {', '.join(known)} (holdfast chaos list).")


def _startable(_context: click.Context, _option: click.Parameter, server: str) -> str:
    """Let `real` pass only where a simulated run can have a real server: its clock is ours by a shim."""
    places = {name: shutil.which(name) for name in ("redis-server", "cc", "gcc")}
    if server == "real" and not (places["redis-server"] and (places["cc"] or places["gcc"])):
        seen = ", ".join(f"{name}: {where or 'not on PATH'}" for name, where in places.items())
        raise click.BadParameter(
            f"a simulated run on a real server needs redis-server and a C compiler; seen here: {seen}. "
            "apt-get install redis-server gcc, or --server fake."
        )
    return server


def _part(_context: click.Context, _option: click.Parameter, part: str | None) -> tuple[int, int] | None:
    if part is None:
        return None
    number, _, of = part.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise click.BadParameter(f"a part is spelled K/N with K from 1 to N, such as 1/3, not {part!r}.")
    return int(number), int(of)


_SEED = click.option(
    "--seed",
    type=click.IntRange(0),
    default=lambda: random.SystemRandom().randrange(1_000_000),
    help="The first, or only, seed; drawn, and said, unless told.",
)
_ONLY = click.option("--only", callback=_simulated, help="One failure mode, such as FM-012.")
_SERVER = click.option(
    "--server", type=click.Choice(["fake", "real"]), default="fake", show_default=True, callback=_startable
)
_PART = click.option("--part", callback=_part, help="Only the K-th of N parts, as K/N.")
_CORES = click.option(
    "--at-once", type=click.IntRange(1), default=2, show_default=True, help="How many processes at a time."
)


@chaos.command("list")
def list_faults() -> None:
    """Say which faults there are, and which failure mode each belongs to."""
    from holdfast.chaos.faults import load_all  # noqa: PLC0415 - needs the extra
    from holdfast.chaos.processes import hurt_server, hurt_wire, hurt_workers  # noqa: F401, PLC0415 - each registers its faults
    from holdfast.chaos.processes.nemesis import FAULTS  # noqa: PLC0415 - as the above

    rows = []
    for name, kind in load_all().items():
        how = f"{kind.rate:.1%} of calls" if hasattr(kind, "rate") else f"{kind.count:g} a run"
        rows.append((kind.mode, name, kind.sentence, f"simulated: {how}"))
    rows += [(kind.mode, name, kind.sentence, "processes") for name, kind in FAULTS.items()]
    for mode, name, sentence, comes in sorted(rows):
        click.echo(f"{mode}  {name:16}  {comes:24}  {sentence}")


@chaos.command()
@_SEED
@click.option("--runs", type=click.IntRange(1), help="How many seeds: 100, unless --minutes are given.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="For how long.")
@click.option("--hard", is_flag=True, help="Faults come two and a half times as often.")
@click.option("--both", is_flag=True, help="Each seed twice, as usual and hard.")
@click.option("--crowd", is_flag=True, help="More jobs, most of them small, and more of them in hand at a time.")
@_ONLY
@_SERVER
@click.option("--folder", type=_FOLDER, help="Where each that is invalid is written down.")
def run(
    seed: int,
    runs: int | None,
    minutes: float | None,
    hard: bool,
    both: bool,
    crowd: bool,
    only: str | None,
    server: str,
    folder: Path | None,
) -> None:
    """Run seeds in a simulation and judge each. The exit status is 1 if any run is invalid."""
    from holdfast.console.storms import storm  # noqa: PLC0415 - needs the extra

    kinds = (False, True) if both else (hard,)
    most = runs if runs or minutes else 100
    on_real = server == "real"
    where = folder or Path(tempfile.mkdtemp(prefix="holdfast-run-"))
    sys.exit(storm(seed, most, minutes, hard=kinds, crowd=crowd, only=only, on_real=on_real, folder=where))


@chaos.command()
@_SEED
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="For how long: 5 unless told.")
@click.option("--jobs", type=click.IntRange(1), help="How many jobs: 2,000 unless told.")
@click.option("--workers", type=click.IntRange(2), help="How many workers: 4 unless told.")
@click.option("--prefetch", type=click.IntRange(1), help="How many jobs a worker may have in hand: 1 unless told.")
@click.option("--stock", is_flag=True, help="Stock RQ in our place, for comparison.")
@click.option("--lossy", is_flag=True, help="Now and then the server forgets its last seconds.")
@click.option(
    "--mixed",
    type=click.Choice(["ours", "stock"]),
    help="Half of the workers are stock, and halfway these take the places of the others.",
)
@click.option("--folder", type=_FOLDER, help="Where the run is written down; must not be there yet.")
def processes(
    seed: int, stock: bool, lossy: bool, mixed: str | None, folder: Path | None, **size: float | None
) -> None:
    """Run one seed on real workers, with real faults, in real time. The exit status is 1 if it is invalid."""
    if mixed and (stock or lossy):
        raise click.UsageError("--mixed has faults of its own, and both kinds: leave out --stock and --lossy.")
    if size["prefetch"] and (mixed or stock):
        raise click.UsageError("--prefetch is for a fleet of ours alone: leave out --mixed and --stock.")
    from holdfast.chaos.processes.run import run_processes  # noqa: PLC0415 - needs the extra
    from holdfast.chaos.server import NoServer, NotStarted  # noqa: PLC0415 - as the above

    given: dict[str, Any] = {name: value for name, value in size.items() if value is not None}
    how = given | {"stock": stock, "lossy": lossy} | ({"goal": mixed} if mixed else {})
    where = folder or Path(tempfile.mkdtemp(prefix="holdfast-run-")) / f"seed-{seed}"
    try:
        verdict = run_processes(seed, **how, folder=where, console=Console())
    except FileExistsError as taken:
        raise click.ClickException(f"{where} is there already: --folder must name one that is not.") from taken
    except (NoServer, NotStarted) as missing:
        raise click.ClickException(str(missing)) from missing
    sys.exit(verdict.exit_code)


@chaos.command()
@click.argument("seed", type=int)
@click.option("--hard", is_flag=True, help="As the run was.")
@click.option("--crowd", is_flag=True, help="As the run was.")
@_ONLY
@_SERVER
@click.option("--job", help="Only this job's lines, and the faults.")
@click.option("--shrink", is_flag=True, help="Leave out what the violation does not need.")
@click.option("--folder", type=_FOLDER, help="Write plan, history, verdict and timeline there.")
def replay(
    seed: int,
    hard: bool,
    crowd: bool,
    only: str | None,
    server: str,
    job: str | None,
    shrink: bool,
    folder: Path | None,
) -> None:
    """Run one seed again, with the options it had, and print what happened, one line an event."""
    from holdfast.chaos.simulation.replay import NoSuchJob  # noqa: PLC0415 - needs the extra
    from holdfast.chaos.simulation.replay import replay as run_again  # noqa: PLC0415 - as the above

    if shrink and server == "real":
        raise click.UsageError("--shrink tries hundreds of smaller runs, on the fake server: leave out --server real.")
    on_real = server == "real"
    how: dict[str, Any] = {"hard": hard, "crowd": crowd, "only": only, "on_real": on_real}
    try:
        sys.exit(run_again(seed, **how, job=job, smaller=shrink, folder=folder))
    except NoSuchJob as missing:
        raise click.ClickException(str(missing)) from missing


@chaos.command()
@_PART
@click.option("--pairs", type=click.IntRange(0), default=0, show_default=True, help="And as many pairs of cuts.")
@click.option("--seed", type=int, default=0, show_default=True, help="What pairs are drawn from.")
@_CORES
@click.option("--folder", type=_FOLDER, help="Where what went wrong is written down.")
def cuts(part: tuple[int, int] | None, pairs: int, seed: int, at_once: int, folder: Path | None) -> None:
    """Cut every call of small simulated runs, in every way, and judge each. Exit status 1 if any is invalid."""
    from holdfast.console.storms import cut  # noqa: PLC0415 - needs the extra

    sys.exit(
        cut(part, pairs, seed=seed, jobs=at_once, folder=folder or Path(tempfile.mkdtemp(prefix="holdfast-cuts-")))
    )


@chaos.command()
@click.argument("defects", nargs=-1)
@click.option("--seeds", type=click.IntRange(1), default=40, show_default=True, help="How many, usual and hard.")
@_CORES
def controls(defects: tuple[str, ...], seeds: int, at_once: int) -> None:
    """Put known DEFECTS into the code, all unless named, and count the seeds that show each."""
    from holdfast.console.storms import control  # noqa: PLC0415 - needs the extra

    control(defects, seeds=seeds, jobs=at_once)


@chaos.command()
@_PART
@click.option("--only", help="One case, as the report names it.")
@click.option("--stock", is_flag=True, help="Stock RQ's worker in place of ours.")
@click.option(
    "--mode",
    type=click.Choice(["fork", "many-jobs", "prefetch"]),
    default="many-jobs",
    show_default=True,
    help="How our workers run jobs.",
)
@click.option(
    "--at-once", type=click.IntRange(1), default=16, show_default=True, help="How many cases at a time; most wait."
)
@click.option("--report", type=click.Path(path_type=Path), help="Write the table to this file.")
def sweep(
    part: tuple[int, int] | None, only: str | None, stock: bool, mode: str, at_once: int, report: Path | None
) -> None:
    """Kill a real worker at every request it makes, each way, and see that its job ends well."""
    from holdfast.chaos.sweep import sweep as run_sweep  # noqa: PLC0415 - only this command needs it

    sys.exit(run_sweep(part=part, only=only, stock=stock, jobs=at_once, report=report, mode=mode))


@chaos.command()
@click.argument("ours", type=_FOLDER)
@click.argument("stock", type=_FOLDER)
def compare(ours: Path, stock: Path) -> None:
    """Print two runs' results side by side: folders of `processes`, and of the same with --stock."""
    from holdfast.chaos.processes.report import compare as table_of  # noqa: PLC0415 - needs the extra

    try:
        click.echo(table_of(ours, stock), nl=False)
    except FileNotFoundError as missing:
        raise click.ClickException(
            f"{missing.filename} is not there: a folder of a finished `holdfast chaos processes` has it."
        ) from missing
    except KeyError as missing:
        raise click.ClickException(
            f"a verdict.json of {ours} and {stock} says nothing of {missing}: both must be of runs of `processes`."
        ) from missing
    except ValueError as damaged:
        raise click.ClickException(f"{damaged}.") from damaged
