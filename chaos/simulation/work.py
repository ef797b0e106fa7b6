"""What simulated jobs do: work for a while, act on the world once, fail, or take their process down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.jobs.effects import DidNotHappen, Effect, Happened, effect
from holdfast.jobs.running import current

if TYPE_CHECKING:
    from holdfast.chaos.simulation.actors import Stage

_stage: Stage | None = None


def set_stage(stage: Stage | None) -> None:
    """Say in which run bodies act. A run has the thread to itself."""
    global _stage  # noqa: PLW0603 - a job function gets nothing but its arguments
    _stage = stage


def body(job_id: str, wishes: dict[str, Any]) -> str:
    """Do what a job was told to do. Written down: begin, act, end."""
    assert _stage is not None
    stage = _stage
    process = stage.world.running
    assert process is not None
    lease = current("a simulated job").lease
    about: dict[str, Any] = {"execution": lease.execution, "fence": lease.fence}
    stage.history.note(stage.world.now_us, process.name, "begin", job_id, **about)
    stage.goodbyes_s[process.name] = wishes.get("leaves_s", 0.0)
    for pause_s in wishes.get("works_s", ()):
        stage.clock.sleep(pause_s)
    if wishes.get("poison"):
        stage.world.kill(process)
    if wishes.get("fails", 0) > _attempts_before(stage, job_id):
        raise RuntimeError("simulated failure")
    if "effect" in wishes:
        with effect("act", on_doubt=_ask if wishes["effect"] == "probe" else wishes["effect"]) as act:
            if act.first:
                stage.history.note(stage.world.now_us, process.name, "act", job_id, detail=act.key, **about)
                act.value = act.key
                stage.clock.sleep(wishes.get("lingers_s", 0.0))
    stage.history.note(stage.world.now_us, process.name, "end", job_id, **about)
    return job_id


def _ask(doubtful: Effect) -> Happened | DidNotHappen:
    """Ask the outside, which remembers every act."""
    assert _stage is not None
    lease = current("a probe").lease
    _stage.history.note(
        _stage.world.now_us, "probe", "asked", lease.job_id, execution=lease.execution, fence=lease.fence
    )
    if any(line.detail == doubtful.key for line in _stage.history.of("act")):
        return Happened(doubtful.key)
    return DidNotHappen()


def _attempts_before(stage: Stage, job_id: str) -> int:
    return sum(line.job == job_id for line in stage.history.of("begin")) - 1
