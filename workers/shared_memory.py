"""What parent and horse both see: a few numbers on a page they share.

Each is one aligned 8-byte word, so none is ever seen half written. Jobs are numbered as a horse gets them, from its
parent or by itself, so that the one word `begun` says how far it has come, at any moment, even when it was just killed.
"""

from __future__ import annotations

import mmap

(
    _STOP_BY,
    _KNOWN_TO,
    _OWN_STOP_BY,
    _BEGUN,
    _ENDED,
    _OP,
    _SEEN_FENCE,
    _RECALLED_TO,
    _RECALL_BUT,
    _TAKE_TO,
    _VOID_TO,
    _VOID_BUT,
    _SETTLED_TO,
    _CAME_UP,
    _UNTOLD,
    _OUTAGE,
    _HORSES_OUTAGE,
) = range(17)


class Board:
    """The shared page of one worker's life."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 8 * (_HORSES_OUTAGE + 1))
        self._words = memoryview(self._page).cast("q")

    @property
    def stop_by_ms(self) -> int:
        """When, on the boot clock, a holder that could not renew stops: by then someone else may hold the job.

        Of the job that began last. For one that its parent has not heard of yet, the horse's own word holds.
        """
        words = self._words
        # Read in this order, and written in the other.
        is_known = words[_BEGUN] <= words[_KNOWN_TO]
        return words[_STOP_BY] if is_known else words[_OWN_STOP_BY]

    # -- the horse's words

    def come_up(self) -> None:
        """Say that this horse begins with something: a job, or what is left to tell of the dead."""
        self._words[_CAME_UP] = 1

    def begin(self, number: int, stop_by_ms: int = 0) -> bool:
        """Say that the code of the job with that number may start now; False: it was recalled and must not.

        Written first, and looked at after that: a parent that recalls a job freezes the horse, and sees if it began.
        `stop_by_ms` holds for a job that its parent did not hand over.
        """
        words = self._words
        self.come_up()
        if stop_by_ms:
            words[_OWN_STOP_BY] = stop_by_ms
        words[_BEGUN] = number
        if number > words[_RECALLED_TO] or number == words[_RECALL_BUT]:
            return True
        words[_ENDED] = number
        return False

    def end(self, number: int) -> None:
        """Say that what became of it has been told to the parent."""
        self._words[_ENDED] = number

    @property
    def is_at_work(self) -> bool:
        """Whether the code of a job may be running."""
        return self._words[_BEGUN] > self._words[_ENDED]

    @property
    def op(self) -> int:
        """The number of the last operation that a horse may have sent. Written before that is said."""
        return self._words[_OP]

    @op.setter
    def op(self, number: int) -> None:
        self._words[_OP] = number

    @property
    def seen_fence(self) -> int:
        """The highest fence in an answer to such an operation, or to one of its parent's."""
        return self._words[_SEEN_FENCE]

    def see(self, *fences: int) -> None:
        """Note the fences in an answer that was heard."""
        self._words[_SEEN_FENCE] = max(self._words[_SEEN_FENCE], *fences)

    @property
    def untold(self) -> int:
        """How many plain jobs have no line in the log: their horse counts them, its parent says how many they were."""
        return self._words[_UNTOLD]

    @untold.setter
    def untold(self, count: int) -> None:
        self._words[_UNTOLD] = count

    # -- words of both, each in a place of its own

    def note_outage(self, depth: int, *, of_horse: bool) -> bool:
        """Note that Redis is away: 1, or 2 if it is there and refuses us. Tells whether that is news to both."""
        words, own = self._words, _HORSES_OUTAGE if of_horse else _OUTAGE
        is_news = depth > max(words[_OUTAGE], words[_HORSES_OUTAGE])
        words[own] = max(words[own], depth)
        return is_news

    def note_return(self) -> bool:
        """Note that Redis is back. Tells whether the other has not noted it before."""
        is_news = max(self._words[_OUTAGE], self._words[_HORSES_OUTAGE]) > 0
        self._words[_OUTAGE] = self._words[_HORSES_OUTAGE] = 0
        return is_news

    # -- the parent's words

    def await_a_horse(self) -> None:
        """Look for what the next horse says, from now on."""
        # Of an outage, too: a horse that died during it never heard of its end.
        self._words[_CAME_UP] = self._words[_HORSES_OUTAGE] = 0

    @property
    def has_come_up(self) -> bool:
        """Whether our horse has begun with something, or had before it died."""
        return bool(self._words[_CAME_UP])

    @property
    def begun(self) -> int:
        """The number of the last job whose code may have started."""
        return self._words[_BEGUN]

    def publish(self, stop_by_ms: int, *, known_to: int) -> None:
        """Say until when all jobs up to that number may be worked on."""
        self._words[_STOP_BY] = stop_by_ms
        self._words[_KNOWN_TO] = known_to

    @property
    def take_to(self) -> int:
        """Up to which number the horse may take jobs by itself."""
        return self._words[_TAKE_TO]

    @take_to.setter
    def take_to(self, number: int) -> None:
        self._words[_TAKE_TO] = number

    def recall(self, last: int, *, but: int = 0) -> None:
        """Let no job up to that number begin, `but` one. The horse must not be running at this moment.

        Nor any that was recalled before: it may still be on its way, unread.
        """
        self._words[_RECALLED_TO] = last
        self._words[_RECALL_BUT] = but

    def void(self, op: int, *, but: int) -> None:
        """Let the horse drop what operations up to that give: its parent finishes them. The horse must not be running.

        Except `but`, the last whose answer its parent has heard of: the horse may be about to look whether it is void.
        """
        self._words[_VOID_BUT] = but
        self._words[_VOID_TO] = op

    def is_void(self, op: int) -> bool:
        """Tell whether its answer is the parent's."""
        return op <= self._words[_VOID_TO] and op != self._words[_VOID_BUT]

    @property
    def settled_to(self) -> int:
        """Up to which number the parent has taken it on itself to settle what the horse had kept."""
        return self._words[_SETTLED_TO]

    @settled_to.setter
    def settled_to(self, number: int) -> None:
        """Take on what is kept up to that number. The horse must not be running."""
        self._words[_SETTLED_TO] = number
