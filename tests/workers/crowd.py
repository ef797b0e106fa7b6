"""Crowds of jobs in one line: put there, waited for, and counted."""

from collections import Counter

import rq

ENDED = {"finished", "failed", "stopped"}


class Crowd:
    """So many jobs, most of them quick."""

    def __init__(self, redis, notes, ledger, wait_until):
        self._queue = rq.Queue(connection=redis)
        self._notes = notes
        self._ledger = ledger
        self._wait_until = wait_until

    def line(self, deed=None, before=24, after=24):
        """Put so many quick ones in line, eight of which one does something once, and some quick ones behind."""
        calls = ["quick"] * before + (["once"] * 8 if deed else []) + ["quick"] * after
        entries = []
        for number, name in enumerate(calls):
            given = (self._notes.path, deed) if name == "once" else (self._notes.path,)
            entries.append(rq.Queue.prepare_data(f"company.{name}", given, job_id=f"{number:03}"))
        return self._queue.enqueue_many(entries)

    def quick(self, count):
        """Put so many quick ones in line, under ids of their own."""
        return [self._queue.enqueue("company.quick", self._notes.path) for _ in range(count)]

    def all_over(self, jobs, within=15):
        """Wait until all of these have ended, and give how: ids by status."""
        status = self._ledger.status
        self._wait_until(lambda: all(status(job) in ENDED for job in jobs), within=within, every=0.05)
        found = {}
        for job in jobs:
            found.setdefault(status(job), []).append(job.id)
        return found

    def ran(self):
        """Count how often each quick one ran, by what it left behind."""
        return Counter(line.split()[1] for line in self._notes("quick"))

    def deed(self):
        """Tell which job did its deed, and who waited behind it."""
        [line] = self._notes("deed")
        _, job_id, *behind = line.split()
        assert behind
        return job_id, behind

    def most_in_hand(self):
        """Tell how many leases were held at a time, at the most."""
        held, most = set(), 0
        for move in self._ledger.moves():
            if move["move"] == "claim":
                held.add(move["execution"])
            elif move["move"] not in {"renew", "enqueue"}:
                held.discard(move["execution"])
            most = max(most, len(held))
        return most
