"""What the demo does to its workers: each fault is a script that the scene steps through between two looks."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeAlias

from holdfast.chaos.demo.judge import Farewell, Harm, short

if TYPE_CHECKING:
    from holdfast.chaos.demo.scene import Scene
    from holdfast.chaos.history import Move

Script: TypeAlias = Iterator[None]

#: Between a death and its replacement: a supervisor's pause, and time to see it.
_VACANT_MS = 1_000
#: How long a sleeper's job may wait in line before the sleeper is woken although nobody has taken it yet.
_SLEEP_ON_MS = 5_000


@dataclass(frozen=True)
class Plan:
    """Whom to hurt, by place, and after how many finished orders.

    The first two come while the hurried third of the orders is in line: what is reclaimed goes to the end of its own
    queue, so someone takes it soon, and the sleeper wakes to find its job in other hands.
    """

    kill: tuple[int, int]
    sleep: tuple[int, int]
    stop: tuple[int, int]

    @classmethod
    def draw(cls, seed: int, orders: int) -> Self:
        """Draw three different workers, and a moment in each of three parts of the work."""
        rng = random.Random(seed)
        first, second, third = rng.sample(range(3), 3)
        shares = [rng.uniform(0.03, 0.08), rng.uniform(0.17, 0.23), rng.uniform(0.5, 0.6)]
        kill, sleep, stop = (int(share * orders) for share in shares)
        return cls((first, kill), (second, sleep), (third, stop))

    def scripts(self, scene: Scene) -> list[Script]:
        """Give the three, ready to be stepped."""
        return [kill(scene, *self.kill), put_to_sleep(scene, *self.sleep), stop(scene, *self.stop)]


def _catch(scene: Scene, place: int, after: int) -> Generator[None, None, tuple[Move, int]]:
    """Freeze the worker of a place while it holds a job; give what it holds, and the moment before.

    It is looked at again once it stands still: it may have settled on the way.
    """
    yield from scene.until(lambda: len(scene.story.finished) >= after)
    worker = scene.fleet.places[place]
    while True:
        held = scene.story.packed_by(worker.name)
        if held is not None:
            at_ms = scene.server_ms()
            worker.freeze()
            # What it sent before it stood still may wait at the server beside our question, and be read after it.
            scene.server_ms()
            deadline_ms = scene.deadline_of(held)
            if deadline_ms is not None:
                scene.scars.lease_ends_ms[held.job] = deadline_ms
                return held, at_ms
            worker.thaw()
        yield


def kill(scene: Scene, place: int, after: int) -> Script:
    """Kill a worker with its horse while it holds a job, and put another in its place."""
    held, at_ms = yield from _catch(scene, place, after)
    worker = scene.fleet.places[place]
    worker.kill()
    worker.state = "killed"
    scene.scars.killed = Harm(worker.name, held.job, held.execution, at_ms)
    scene.tell(worker, "KILLED", held, note="kill -9, horse too", mark="fault")
    scene.now = f"{short(worker.name)} was killed; the order it held comes back once its lease has ended"
    yield from scene.until(scene.for_ms(_VACANT_MS))
    scene.fleet.replace(place, f"for {short(worker.name)}, killed")
    yield from scene.until(lambda: scene.story.of_execution(held.execution, "reclaim") is not None)
    scene.now = f"{held.job} was taken back from the dead {short(worker.name)}"


def put_to_sleep(scene: Scene, place: int, after: int) -> Script:
    """Stop a worker with its horse while it holds a job, and wake it once the job is somebody else's."""
    held, at_ms = yield from _catch(scene, place, after)
    worker = scene.fleet.places[place]
    worker.state = "asleep"
    scene.scars.slept = asleep = Harm(worker.name, held.job, held.execution, at_ms)
    scene.tell(worker, "FROZEN", held, note="SIGSTOP, horse too", mark="fault")
    scene.now = f"{short(worker.name)} sleeps past its lease, and does not know"
    yield from scene.until(lambda: scene.story.of_execution(held.execution, "reclaim") is not None)
    is_enough = scene.for_ms(_SLEEP_ON_MS)
    yield from scene.until(lambda: scene.story.claim_after(held) is not None or is_enough())
    scene.scars.slept = replace(asleep, woken_ms=scene.server_ms())
    scene.tell(worker, "WOKEN", held, note="SIGCONT, too late", mark="fault")
    worker.state = "alive"
    worker.thaw()
    scene.now = f"{short(worker.name)} woke up; what it still holds is no longer its own"


def stop(scene: Scene, place: int, after: int) -> Script:
    """Ask a worker to stop while it holds a job, as a deploy does, and put another in its place."""
    worker = scene.fleet.places[place]
    yield from scene.until(lambda: len(scene.story.finished) >= after)
    yield from scene.until(lambda: scene.story.packed_by(worker.name) is not None)
    worker.state = "stopping"
    worker.ask_to_stop()
    scene.tell(worker, "SIGTERM", scene.story.held_by(worker.name), note="finish it, then go", mark="fault")
    scene.now = f"{short(worker.name)} was asked to stop"
    yield from scene.until(lambda: worker.exit_code is not None)
    worker.state = "gone"
    scene.hear_the_rest()
    left = scene.leased_by(worker)
    scene.scars.stopped = Farewell(worker.name, worker.exit_code or 0, left)
    scene.tell(worker, f"exit {worker.exit_code}", note=f"left {len(left)} leases", mark="repair")
    scene.fleet.replace(place, f"for {short(worker.name)}, stopped")
