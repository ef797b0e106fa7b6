"""What a worker of ours adds to its entry in RQ's registry, for itself and for who looks at the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.jobs.rq_surface import list_worker

if TYPE_CHECKING:
    from holdfast.jobs.rq_surface import RQWorker
from holdfast.jobs.store.answers import server_ms
from holdfast.jobs.store.oddities import number_of

#: This life of the worker.
INSTANCE = "hf_instance"
#: When it last said that it lives, in whole seconds by the server's clock.
BEAT = "hf_beat"
#: When its process began, in ticks since its machine did.
BORN = "hf_born"
#: How many horses in a row ended before they began a job, and when the next may be started, in seconds.
FALSE_STARTS = "hf_false_starts"
NEXT_TRY = "hf_next_try"


def silence_ms(beat: bytes | str, now_ms: int) -> int:
    """Count for how long a worker has been silent, at the least, that last said so."""
    # Whole seconds leave out when in that one it was. Who counted from its beginning took the living for dead whose
    # lease is short. And a fraction, which the versions before could not read, would be for nobody else.
    return max(0, now_ms - number_of(beat) * 1_000 - 999)


@dataclass(frozen=True, kw_only=True)
class Namesake:
    """Who has entered under a worker's name, and has not signed off."""

    host: str
    pid: int
    #: Empty where it does not say, as a stock worker.
    born: str
    #: None where it does not say.
    silent_ms: int | None


class Entry:
    """The entry of one worker."""

    def __init__(self, worker: RQWorker) -> None:
        #: RQ's, of which we ask no more than RQ's own functions do.
        self._worker = worker

    @property
    def _server(self) -> Any:  # redis-py's types know nothing of decode_responses
        return self._worker.connection

    def namesake(self) -> Namesake | None:
        """Read who has our name now; None if nobody has."""
        said = self._server.hgetall(self._worker.key)
        if not said or b"death" in said:
            return None
        beat = said.get(BEAT.encode())
        return Namesake(
            host=said.get(b"hostname", b"").decode(),
            pid=int(said.get(b"pid") or 0),
            born=said.get(BORN.encode(), b"").decode(),
            silent_ms=None if beat is None else silence_ms(beat, server_ms(self._server.time())),
        )

    def remove(self) -> None:
        """Free the name."""
        self._server.delete(self._worker.key)

    def sign(self, instance: str, born: str) -> None:
        """Add to what RQ wrote what tells this life of the worker from another under the same name."""
        self._say({INSTANCE: instance, BEAT: self._server.time()[0], BORN: born})

    def keep(self) -> int:
        """Keep the entry for as long as RQ does, and give the server's clock, in seconds."""
        worker = self._worker
        with self._server.pipeline(transaction=False) as pipeline:
            worker.heartbeat(pipeline=pipeline)
            pipeline.time()
            is_new, _, (now_s, _) = pipeline.execute()
        if is_new:  # the entry had gone: Redis lost it, or we were away for longer than it lives
            self._say(worker.serialize())
            list_worker(worker, self._server)
        return int(now_s)

    def beat(self, instance: str, now_s: int, *, false_starts: int, next_try_s: int) -> None:
        """Say that the worker lives, and how its horses are."""
        self._say({INSTANCE: instance, BEAT: now_s, FALSE_STARTS: false_starts, NEXT_TRY: next_try_s})

    def _say(self, fields: dict[str, Any]) -> None:
        self._server.hset(self._worker.key, mapping=fields)
