"""Every message between parent and horse: its word, its fields in their order, and what it says.

Plain tuples, the word first: marshal packs no NamedTuple, and nothing is made sooner. Which of them wake the parent,
and why each is said when it is, stands in docs/design/worker.md.
"""

from __future__ import annotations

from typing import Any, Final, Literal

RUN: Final = "run"
SPEAK: Final = "speak"
SETTLED: Final = "settled"
REFUSED: Final = "refused"
GO: Final = "go"
#: Of both: a parent orders it once, and its horse says it before each claim that follows from that.
LOOK: Final = "look"
TURN: Final = "turn"
TOOK: Final = "took"
KEPT: Final = "kept"
ENDED: Final = "ended"
FREE: Final = "free"

#: Where `turn`, `took` and the horse's `look` have their operation, and `run`, `kept` and `ended` a job's number.
OP: Final = 1
NUMBER: Final = 1
#: Where `turn` has the numbers of the jobs that it ends.
ENDS: Final = 5

#: How a job ended: `End.said()`, read by `End.heard()`.
Said = tuple[
    str,  # complete, postpone, bury or lapsed
    dict[str, Any],  # what that move takes besides lease, operation and stint
    tuple[float, ...],  # its stint: when it began, and when it ended
    bool,  # whether its horse waits for `settled` or `refused`
]

# -- from the parent

#: Do this job.
Run = tuple[
    Literal["run"],
    int,  # its number
    tuple[Any, ...],  # its lease
    dict[bytes, bytes],  # its record
]
#: Tell what is left to tell of a job that died without a word: an `Aftermath`.
Speak = tuple[
    Literal["speak"],
    str,  # its queue
    str,  # its id
    str,  # its status
    str,  # names this telling: told again, it has another
    dict[bytes, bytes],  # its record
]
#: The settle that the horse waits to hear of went through.
Settled = tuple[Literal["settled"]]
#: It did not: nobody outside is to be told.
Refused = tuple[Literal["refused"]]
#: Look for a job, and wait for one.
LookForOne = tuple[
    Literal["look"],
    int,  # the horse's last operation: if there was another since, the horse has been called off
    int,  # the number of the last job: the next follow on it
]
#: There is nothing more to do: leave.
Go = tuple[Literal["go"]]

FromParent = Run | Speak | Settled | Refused | LookForOne | Go

# -- from the horse

#: A turn is about to be sent. With this it can be sent once more under its number.
Turn = tuple[
    Literal["turn"],
    int,  # its operation
    int,  # the highest fence that the horse was given
    int,  # the last operation that it may use: a claim of several uses one for each
    int,  # when it is sent, on the boot clock in ms
    list[int],  # the numbers of the jobs that it ends
    list[tuple[int, Said]],  # how they ended, where that is not said yet
    int,  # its lane
]
#: The answer to a turn or a look is there. Said before anything that it gave is begun.
Took = tuple[
    Literal["took"],
    int,  # its operation
    int,  # the number of the first job that it gave
    int,  # how many it gave
    bytes,  # what the claim was answered, packed: most of it is over when it is heard
]
#: This job has succeeded, and the horse's next turn settles it.
Kept = tuple[
    Literal["kept"],
    int,  # its number
    Said,
]
#: This job has ended: settle it.
Ended = tuple[
    Literal["ended"],
    int,  # its number
    Said,
    bool,  # whether the horse leaves
]
#: The outside has been told of a job, or the horse must leave.
Free = tuple[
    Literal["free"],
    bool,  # whether the horse leaves
]
#: A claim is about to be sent. The parent withdraws it by the next operation.
Looks = tuple[
    Literal["look"],
    int,  # its operation
    int,  # the highest fence that the horse was given
    int,  # when it is sent, on the boot clock in ms
]

FromHorse = Turn | Took | Kept | Ended | Free | Looks
