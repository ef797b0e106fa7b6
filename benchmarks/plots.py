"""Draws the pictures: bars for rates, spans for waits, lines for growth, the machine in each caption."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from benchmarks.cast import BASE
from benchmarks.report import number, times

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.figures import Results

mpl.use("Agg")
import matplotlib.pyplot as plt

OURS, STOCK, PEERS, FLOOR = "#1b7f6b", "#c0504d", "#8a94a6", "#d8dce4"
plt.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.axisbelow": True,
        "axes.grid.axis": "x",
        "grid.color": "#e6e8ec",
        "savefig.dpi": 150,
    }
)


def draw(results: Results, folder: Path) -> list[Path]:
    """Write every picture there are numbers for, and give where they are."""
    pictures = {"drain": drained, "latency": waited, "recovery": recovered, "growth": grown}
    written = []
    for name, picture in pictures.items():
        if (figure := picture(results)) is not None:
            _caption(figure, results)
            written.append(folder / f"{name}.png")
            figure.savefig(written[-1], bbox_inches="tight")
            plt.close(figure)
    return written


def drained(results: Results) -> Any:
    """Draw jobs per second with one worker and, paler, with two; on a log scale, the fastest on top."""
    found = {name: figures.median("drain 1") for name, figures in results.figures.items()}
    rows = sorted((rate, name) for name, rate in found.items() if rate)
    if not rows:
        return None
    figure, axes = _canvas(1.5 * len(rows))
    for place, (_, name) in enumerate(rows):
        for workers, offset in ((1, 0.2), (2, -0.2)):
            rate = results.of(name).median(f"drain {workers}")
            bar = axes.barh(place + offset, rate or 0, 0.38, color=_colour(name), alpha=1 / workers)
            label = f" {number(rate)}   {times(results.ratio(name, f'drain {workers}'))}" if rate else " not run"
            axes.bar_label(bar, labels=[label], fontsize=8)
    axes.set_yticks(range(len(rows)), [name for _, name in rows])
    axes.set_xscale("log")
    axes.set_xlim(left=rows[0][0] / 2, right=rows[-1][0] * 8)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_title(f"No-op jobs per second, server as it comes: one worker process; paler, two (× {BASE} with as many)")
    axes.set_xlabel("jobs per second, log scale")
    return figure


def waited(results: Results) -> Any:
    """Draw the wait for an idle worker, from its median to its 99th percentile."""
    waits = [(figures.wait(50), figures.wait(99), name) for name, figures in results.figures.items()]
    rows = sorted((row for row in waits if row[0]), key=lambda row: -float(row[0] or 0))
    if not rows:
        return None
    figure, axes = _canvas(len(rows))
    for place, (middle, tail, name) in enumerate(rows):
        axes.plot([middle, tail], [place, place], color=_colour(name), linewidth=3, solid_capstyle="round")
        axes.scatter([middle], [place], color=_colour(name), s=45, zorder=3)
        axes.annotate(
            f"{number(middle, 2)} / {number(tail, 2)}",
            (tail, place),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(range(len(rows)), [name for _, _, name in rows])
    axes.set_xscale("log")
    axes.set_xlim(right=max(float(tail or 0) for _, tail, _ in rows) * 3)
    axes.set_title("From the enqueue to the first line of the job, worker idle: p50 to p99")
    axes.set_xlabel("milliseconds, log scale")
    return figure


def recovered(results: Results) -> Any:
    """Draw how soon a killed worker's job is begun again; one that was not reaches the bound, and is hollow."""
    bound = results.recovery_bound_s
    rows = sorted(
        ((seconds, name) for name, seconds in results.recovery.items()), key=lambda row: -(row[0] or bound + 1)
    )
    if not rows:
        return None
    figure, axes = _canvas(len(rows))
    for seconds, name in rows:
        never = seconds is None
        bar = axes.barh(name, bound if never else seconds, color="none" if never else _colour(name))
        if never:
            bar[0].set(edgecolor=_colour(name), linestyle="--")
        axes.bar_label(bar, labels=[f"not within {bound:.0f} s" if never else f"{number(seconds)} s"], padding=4)
    axes.set_xlim(right=bound * 1.2)
    axes.set_title("Worker killed in mid-job: until another begins the job again")
    axes.set_xlabel("seconds")
    return figure


def grown(results: Results) -> Any:
    """Draw the drain rate against the length of the line."""
    if not results.growth:
        return None
    figure, axes = _canvas(11)
    for name, rates in results.growth.items():
        axes.plot(list(rates), list(map(median, rates.values())), marker="o", label=name)
        axes.fill_between(list(rates), list(map(min, rates.values())), list(map(max, rates.values())), alpha=0.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    found = [rate for rates in results.growth.values() for each in rates.values() for rate in each]
    axes.set_ylim(min(found) / 3, max(found) * 3)
    axes.grid(axis="both")
    axes.legend(frameon=False)
    axes.set_title("Holdfast: jobs per second as the queue grows")
    axes.set_xlabel("jobs in line, log scale")
    axes.set_ylabel("jobs per second, log scale")
    return figure


def _canvas(rows: float) -> tuple[Any, Any]:
    figure, axes = plt.subplots(figsize=(8.5, 1.2 + 0.3 * rows), layout="constrained")
    axes.grid(axis="x")
    return figure, axes


def _colour(name: str) -> str:
    if name.startswith("floor"):
        return FLOOR
    if name.startswith("rq."):
        return OURS if "holdfast" in name else STOCK
    return OURS if name.startswith("holdfast") else PEERS


def _caption(figure: Any, results: Results) -> None:
    told = ("cpu", "cores", "kernel", "server", "python", "commit")
    words = " · ".join(f"{name} {results.head[name]}" for name in told if name in results.head)
    figure.supxlabel(words, fontsize=7, color="#606876", x=0.01, ha="left")
