"""What jobs do that share a horse with others: they leave things behind, and look at what they find."""

import asyncio
import decimal
import os
import signal
import subprocess
import threading
import time
from contextvars import ContextVar
from pathlib import Path

#: As a module does that reads its keys from a file.
os.environ.setdefault("NEIGHBOURS_KEY", "k")
_kept = []
_tenant = ContextVar("tenant", default=None)
#: As one does that pushes an app's context for all who use it.
_app = ContextVar("app", default=None)
_app.set("shop")
decimal.getcontext().prec = 4


def look():
    """Give which process it is, and what a neighbour may have changed in it."""
    alarm = signal.getitimer(signal.ITIMER_REAL)[0] > 600
    found = [os.environ.get("TENANT"), _tenant.get(), os.environ.get("NEIGHBOURS_KEY"), str(Path.cwd()), alarm]
    return os.getpid(), [*found, str(signal.getsignal(signal.SIGUSR1)), _app.get(), str(decimal.Decimal(1) / 3)]


def leave_a_mess():
    _tenant.set("a")
    _app.set("another")
    decimal.getcontext().prec = 2
    os.environ["TENANT"] = "a"
    del os.environ["NEIGHBOURS_KEY"]
    os.chdir("/")
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.alarm(900)
    return os.getpid()


def leave_a_thread():
    threading.Thread(target=time.sleep, args=(60,), name="uploader", daemon=True).start()
    return os.getpid()


def become_two():
    """Fork, as a script does that forgets to end the other one: both come back to whoever called."""
    os.fork()
    return os.getpid()


def leave_a_child():
    subprocess.Popen(["/bin/sleep", "1"])
    return os.getpid()


def close_files(path):
    """Close all there are, as one does that makes a daemon of itself, and keep others under their numbers."""
    os.closerange(3, 256)
    while (number := os.open(path, os.O_WRONLY | os.O_CREAT)) < 60:
        _kept.append(number)
    return os.getpid()


def leave_signals_blocked():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    return os.getpid()


def eat(megabytes):
    _kept.append(bytearray(b"x") * (megabytes << 20))
    return os.getpid()


def die_once(path):
    """Segfault at the first attempt."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    return os.getpid()


async def say():
    await asyncio.to_thread(time.sleep, 0)
    return os.getpid()
