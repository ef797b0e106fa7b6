"""What a person asks of a worker, by a signal or from afar: done, or said to be ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.jobs import events

if TYPE_CHECKING:
    from holdfast.workers.groom import Groom
    from holdfast.workers.mount import Mount
    from holdfast.workers.stop import Stop


class Commands:
    """What RQ's send_*_command() and signals bring."""

    def __init__(self, groom: Groom, mount: Mount, stop: Stop, tell: events.Events) -> None:
        self._groom = groom
        self._mount = mount
        self._stop = stop
        self._tell = tell
        #: How many requests to stop were told of.
        self._told = 0

    def obey(self, command: dict[str, Any]) -> None:
        """Do what is asked; ignore, as RQ does, what is asked of a job that we do not hold."""
        match command:
            case {"command": "shutdown"}:
                self._stop.ask()
            case {"command": "stop-job", "job_id": job_id}:
                if not self._groom.stop_job(job_id):
                    self._tell.tell(events.Ignored(f"stop-job of {job_id}", "it is not in hand"))
            case {"command": "kill-horse"}:
                if not self._groom.kill_horse():
                    self._tell.tell(events.Ignored("kill-horse", "no job is running"))
            case {"command": name}:
                self._tell.tell(events.Ignored(f"command {name!r}", "unknown command"))

    def tell_of_stops(self) -> None:
        """Tell that we were asked to stop, once for each time: a signal handler must not."""
        if self._told < self._stop.times:
            self._told = self._stop.times
            first = self._mount.first
            running = first.lease.job_id if first is not None and self._mount.is_begun(first) else None
            self._tell.tell(events.StopAsked(running, self._stop.left_ms()))
