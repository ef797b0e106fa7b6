"""Waiting for what comes in the end, on a machine that may be busy with other tests."""

import time


def wait_until(condition, *, within=10.0, every=0.005):
    """Wait until the condition holds, and give what it gave."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still not so after {within} s"
        time.sleep(every)
    return found
