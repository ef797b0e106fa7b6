"""A run as a picture: one page with everything in it, from a history, real or simulated."""

from __future__ import annotations

import html
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.chaos.history import History, Line
    from holdfast.chaos.verdict import Ruling, Verdict

#: The move that ends a lease -> its word on the page.
_OUTCOMES = {
    "complete": "completed",
    "postpone": "postponed",
    "bury": "buried",
    "give_back": "given back",
    "crash": "crashed",
    "reclaim": "reclaimed",
}
#: Of runs without moves: its code came to its end, failed, or was never heard of again.
_RETURNED, _RAISED, _VANISHED = "returned", "raised", "vanished"
#: A lease of whose end nothing was heard: it goes on, or the server forgot it.
_OPEN, _FORGOTTEN = "open", "forgotten"
_WORDS = (*_OUTCOMES.values(), _RETURNED, _RAISED, _VANISHED, _FORGOTTEN, _OPEN)
_OVER = {"finished", "failed", "stopped"}
_POINTS = 1_500
#: Whom a fault names that strikes more than one lane.
_EVERYBODY = {"redis", "all", "nemesis"}


@dataclass
class _Bar:
    """One execution. Times in ms from the start of the run."""

    lane: str
    who: str
    job: str
    execution: str
    fence: int
    start: int
    end: int
    outcome: str = _OPEN
    to_place: str = ""
    body: list[str] = field(default_factory=list)
    refused: int | None = None
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        about = dict(vars(self))
        about["from"], about["to"] = about.pop("start"), about.pop("end")
        # A fence has sixteen digits, and JavaScript exactly no more.
        return about | {"fence": str(self.fence or "")}


def timeline(history: History, title: str, verdict: Verdict) -> str:
    """Draw a run: a lane for each worker, leases as bars in the colour of their outcome, faults as marks.

    The page needs nothing but itself: no network, no other file. Takes the history of real processes or of a
    simulation; executions of one without moves (stock workers write none) are read from what their code noted.
    """
    bars = _from_moves(history) if history.moves else _from_lines(history)
    workers = sorted({bar.lane for bar in bars}, key=_natural)
    faults = _faults(history, workers)
    # What strikes the server strikes everybody, and is drawn over all lanes; others that were hurt have one, too.
    others = sorted({fault["lane"] for fault in faults} - {*workers, *_EVERYBODY})
    lanes = [*workers, *others]
    end = max([1, *(bar.end for bar in bars), *(line.us // 1_000 for line in history.lines)])
    seen = {bar.outcome for bar in bars}
    data = {
        "end": end,
        "lanes": lanes,
        "bars": [bar.to_json() for bar in bars],
        "faults": faults,
        "backlog": _backlog(history, bars),
        "outcomes": [word for word in _WORDS if word in seen],
    }
    page = _part("timeline.html")
    parts = {
        "TITLE": html.escape(title),
        "VERDICT": _verdict(verdict),
        "COUNTS": " · ".join(f"{html.escape(name)} <b>{count}</b>" for name, count in verdict.counts.items()),
        # The one text that would end the element it stands in.
        "DATA": json.dumps(data).replace("</", "<\\/"),
        "SCRIPT": _part("timeline.js"),
    }
    return re.sub("@([A-Z]+)@", lambda found: parts[found[1]], page)


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _verdict(verdict: Verdict) -> str:
    rulings = "".join(
        f'<span class="{each.word}" title="{html.escape(_explain(each))}">{each.invariant}</span>'
        for each in verdict.rulings
    )
    return f'<span class="word {verdict.word}">{verdict.word}</span><div class="rulings">{rulings}</div>'


def _explain(ruling: Ruling) -> str:
    shown = [f"{each.job}: {each.what}" for each in ruling.violations[:5]]
    return "\n".join([f"{ruling.word}: {ruling.sentence}", *shown, ruling.undecided]).strip()


def _lane(who: str) -> str:
    """Give a worker's place: w2 for its second life w2-2, or for its horse w2.h5."""
    return re.split(r"[-.]", who)[0]


def _natural(name: str) -> tuple[str, int]:
    digits = re.search(r"\d+", name)
    return re.sub(r"\d+", "", name), int(digits[0]) if digits else 0


def _start_ms(history: History) -> int:
    """Find the server's time at the start of the run: moves carry that, lines the run's own."""
    asked: dict[str, int] = {}
    for line in history.of("enqueue"):
        asked.setdefault(line.job, line.us // 1_000)
    # An enqueue may be long on its way, and is never there before it was sent: the quickest is nearest to the truth.
    gaps = [move.ms - asked[move.job] for move in history.moves if move.move == "enqueue" and move.job in asked]
    return min(gaps, default=history.moves[0].ms)


def _from_moves(history: History) -> list[_Bar]:
    start_ms, bars = _start_ms(history), dict[str, _Bar]()
    last = max([0, *(line.us // 1_000 for line in history.lines)])
    for move in history.moves:
        ms = max(0, move.ms - start_ms)
        if move.move == "claim":
            bars[move.execution] = _Bar(_lane(move.who), move.who, move.job, move.execution, move.fence, ms, last)
        elif move.move in _OUTCOMES and move.execution in bars:
            bar = bars[move.execution]
            bar.end, bar.outcome, bar.to_place = ms, _OUTCOMES[move.move], move.to
    _close_forgotten(list(bars.values()))
    for line in history.of("begin", "act", "asked", "raised", "end"):
        if line.execution in bars:
            bars[line.execution].body.append(f"{line.did} {line.us // 1_000}")
    for line in history.of("refused"):
        if line.execution in bars:
            bars[line.execution].refused, bars[line.execution].why = line.us // 1_000, line.detail
    return list(bars.values())


def _close_forgotten(bars: Sequence[_Bar]) -> None:
    """End a lease of whose end nothing was heard where its job, or its worker, is seen with another."""
    later: dict[str, int] = {}
    for bar in reversed(bars):
        if bar.outcome == _OPEN and (known := [later[name] for name in (bar.job, bar.who) if name in later]):
            bar.end, bar.outcome = min(known), _FORGOTTEN
        later[bar.job] = later[bar.who] = bar.start


def _from_lines(history: History) -> list[_Bar]:
    """Take a call of a job's code for an execution. It vanished when its worker went on without an end of it."""
    open_bars: dict[str, _Bar] = {}
    bars = []
    last = max([0, *(line.us // 1_000 for line in history.lines)])
    for line in history.of("begin", "raised", "end", "ended"):
        ms, bar = line.us // 1_000, open_bars.get(line.who)
        if line.did in {"end", "raised"} and bar is not None and bar.job == line.job:
            bar.end, bar.outcome = ms, _RETURNED if line.did == "end" else _RAISED
            del open_bars[line.who]
            continue
        if bar is not None:
            bar.end, bar.outcome = ms, _VANISHED
            del open_bars[line.who]
        if line.did == "begin":
            open_bars[line.who] = _Bar(_lane(line.who), line.who, line.job, line.execution, line.fence, ms, last)
            bars.append(open_bars[line.who])
    return bars


def _faults(history: History, lanes: Sequence[str]) -> list[dict[str, Any]]:
    healed = {line.execution: line.us // 1_000 for line in history.of("healed")}
    return [_fault(line, healed.get(line.execution), lanes) for line in history.of("fault", "missed")]


def _fault(line: Line, healed_ms: int | None, lanes: Sequence[str]) -> dict[str, Any]:
    ms = line.us // 1_000
    # A simulated fault names its process in its own text: "death-after('self',) w2.h1 ...".
    named = (name for name in lanes if name == line.who or re.search(rf"\b{re.escape(name)}\b", line.detail))
    whom = next(named, line.who)
    name = re.match(r"(?:FM-\d+ )?([\w-]+)", line.detail)
    return {
        "from": ms,
        "to": healed_ms if healed_ms is not None else ms,
        "lane": whom,
        "whom": line.who if line.who != "nemesis" else whom,
        "name": name[1] if name else "",
        "detail": line.detail,
        "missed": line.did == "missed",
    }


def _backlog(history: History, bars: Sequence[_Bar]) -> list[tuple[int, int]]:
    """Count the jobs that were accepted and not yet over, at no more moments than can be drawn."""
    steps: dict[int, int] = defaultdict(int)
    accepted = set()
    for line in history.of("accepted"):
        steps[line.us // 1_000] += 1
        accepted.add(line.job)
    ends = {bar.job: bar.end for bar in bars if bar.to_place in _OVER or bar.outcome == _RETURNED}
    for job, ms in ends.items():
        steps[ms] -= job in accepted
    points, count = [], 0
    for ms in sorted(steps):
        count += steps[ms]
        points.append((ms, max(0, count)))
    stride = max(1, len(points) // _POINTS)
    return points[::stride]
