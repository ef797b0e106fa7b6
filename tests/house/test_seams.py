"""Time, chance, processes and connections come as arguments, so that a simulation can bring its own."""

import ast

from redis import Redis
from redis.client import Pipeline

#: What acts on the world, or asks it, as a whole: module -> names of it that do neither. Nor do constants.
SEAMS = {
    "asyncio": set(),
    "multiprocessing": set(),
    "os": {"PathLike", "fsdecode", "fsencode", "fspath", "path"},
    "random": {"Random"},
    "secrets": set(),
    "select": set(),
    "selectors": set(),
    "signal": {"Signals"},
    "socket": set(),
    "subprocess": set(),
    "threading": set(),
    "time": set(),
    "uuid": {"UUID"},
}
#: Single names that do, of modules that do not.
ACTS = {
    "ctypes.CDLL",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "holdfast.jobs.rq_surface.now",
}

#: Who may, and why. A permission that is not used is withdrawn.
PERMITTED = {
    "jobs/clock.py": ("it is the clock", {"time"}),
    "jobs/mould.py": ("a job from it is born as RQ's are", {"holdfast.jobs.rq_surface.now"}),
    "jobs/queue.py": (
        "app code makes a Queue as it makes RQ's, and has neither dice nor settings to hand over",
        {"os", "random"},
    ),
    "workers/runtime.py": (
        "it is the operating system: a simulation has a runtime of its own",
        {"ctypes.CDLL", "os", "threading", "time"},
    ),
    "workers/horse_signals.py": (
        "it is the operating system: a simulated horse has no signals",
        {"os", "signal", "threading"},
    ),
    "workers/reins.py": (
        "its pipes tie two real processes: a simulated horse has reins of its own",
        {"os", "select"},
    ),
    "workers/alarm.py": (
        "it is RQ's guard of a job's time; a simulated body has none",
        {"signal"},
    ),
    "workers/fenced_job.py": (
        "two threads of a job may look at it at once",
        {"threading"},
    ),
    "workers/interpreter.py": (
        "it is about the process it runs in, and what chance its jobs have; a simulated horse has none",
        {"os", "random", "threading"},
    ),
    "workers/output.py": (
        "it is about what the process it runs in prints; a simulated horse has no streams",
        {"os"},
    ),
    "workers/job_variable.py": (
        "it is about the process it runs in; a simulated horse has no variables",
        {"os"},
    ),
    "workers/process_state.py": (
        "it is about the process it runs in; a simulated horse runs one job and has none",
        {"os", "signal", "socket", "time"},
    ),
    "workers/current_loop.py": (
        "it is about asyncio in the process it runs in; a simulated horse has none",
        {"asyncio"},
    ),
    "workers/tidy.py": (
        "it is about the process it runs in; a simulated horse runs one job and has none",
        {"asyncio", "os", "threading"},
    ),
    "workers/calls.py": (
        "a job may be a coroutine, and is run as RQ runs one",
        {"asyncio"},
    ),
    "workers/watch.py": (
        "it waits on real sockets: a simulated horse has a watch of its own",
        {"select"},
    ),
    "workers/ears.py": (
        "it waits on real sockets: a simulation has ears of its own",
        {"os", "select", "signal"},
    ),
    "jobs/store/transport.py": (
        "a real line is looked at before it is waited on, which no simulated horse does",
        {"select"},
    ),
    "workers/at_start.py": (
        "it runs before there is a worker, within RQ's command line",
        {"os", "random", "signal"},
    ),
    "workers/worker.py": (
        "started by RQ's command line, it puts the real clock, dice and processes together",
        {"os", "random", "signal"},
    ),
}

#: Who may import redis at run time, beside jobs/store, and why.
SPEAKERS = {
    "console/server.py": "it makes the client of an address that a person typed, and tells what redis-py says of it",
    "jobs/errors.py": "an app that catches redis-py's errors catches ours of a Redis that is away",
}
#: The rooms in which jobs/store alone speaks. Chaos has servers of its own, and looks at them past the store.
QUIET = ("jobs", "recovery", "workers", "console")
#: How a client is called here, and what is asked of one that sends nothing.
CLIENTS = {"client", "connection", "pipe", "pipeline", "redis", "server"}
NO_COMMANDS = {"close", "reset"}
COMMANDS = {name for kind in (Redis, Pipeline) for name in dir(kind) if not name.startswith("_")} - NO_COMMANDS


def names_in(source):
    """Tell what the imported names of a file stand for: local name -> dotted name."""
    names = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                names[each.asname or each.name.split(".")[0]] = each.name if each.asname else each.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                names[each.asname or each.name] = f"{node.module}.{each.name}"
    return names


def dotted(node, names):
    match node:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(value=value, attr=attr):
            before = dotted(value, names)
            return before and f"{before}.{attr}"
    return None


def reaches(source):
    """Give each place where a file reaches through a seam by itself: (seam, where and what)."""
    names = names_in(source)
    called = {node.func for node in ast.walk(source.tree) if isinstance(node, ast.Call)}
    for node in ast.walk(source.tree):
        spelled = dotted(node, names) or ""
        module, _, name = spelled.rpartition(".")
        makes_dice = spelled == "random.Random" and node in called
        if spelled in ACTS:
            yield spelled, f"{source.at(node)}: {spelled}"
        elif module in SEAMS and (makes_dice or not (name.isupper() or name in SEAMS[module])):
            yield module, f"{source.at(node)}: {spelled}"


def runtime_imports(source):
    """Name the modules that a file imports when it runs, not only for its types."""
    for_types = {
        inner
        for node in ast.walk(source.tree)
        if isinstance(node, ast.If) and dotted(node.test, names_in(source)) == "typing.TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(source.tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((each.name, source.at(node)) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", source.at(node)


def speeches(source):
    """Give each place where a command is sent by a client, by what that is called."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=client) | ast.Attribute(attr=client), attr=command)):
                if command in COMMANDS and client.rpartition("_")[2] in CLIENTS:
                    yield f"{source.at(node)}: {client}.{command}()"


def quiet(house):
    """Read every file that may not speak."""
    return [source for source in house.python(*QUIET) if not source.path.startswith("jobs/store/")]


def test_nothing_reaches_for_time_chance_or_the_system_by_itself(house):
    """What does cannot be run by the simulator, and its test must wait and hope."""
    found = [
        where
        for source in house.python("jobs", "recovery", "workers")
        for seam, where in reaches(source)
        if seam not in PERMITTED.get(source.path, ("", set()))[1]
    ]
    house.finds_none(found)


def test_no_permission_outlives_its_use(house):
    """A file that no longer reaches for the clock may not do so again unseen."""
    sources = house.python("jobs", "recovery", "workers")
    used = {source.path: {seam for seam, _ in reaches(source)} for source in sources}
    permitted = [(path, seam) for path, (_, seams) in PERMITTED.items() for seam in seams]
    house.finds_none(f"{path}: {seam}" for path, seam in permitted if seam not in used.get(path, {seam}))


def test_only_the_store_speaks_redis(house):
    """Elsewhere a line speaks of jobs and leases, and hands a connection on to who knows what to ask of it."""
    sent = [where for source in quiet(house) for where in speeches(source)]
    imported = [
        f"{where}: {module}"
        for source in quiet(house)
        if source.path not in SPEAKERS
        for module, where in runtime_imports(source)
        if module.split(".")[0] == "redis"
    ]
    house.finds_none([*sent, *imported])


def test_no_leave_to_import_redis_outlives_its_use(house):
    """A file that no longer needs it may not speak again unseen."""
    used = {source.path for source in quiet(house) for module, _ in runtime_imports(source) if module[:5] == "redis"}
    assert set(SPEAKERS) == used


def test_a_command_is_seen_whatever_the_client_is_called(house):
    """By a name or as a part of something; what is asked of a client without a word to the server is none."""
    sample = house.source(
        "worker.connection.hgetall(key)\nself._users_redis.delete(key)\nwith server.pipeline() as pipe:\n"
        "    pipe.time()\n    pipe.reset()\nclient.close()\nrecord.get('time')\npool.connection.disconnect()\n"
    )
    assert [where.split(": ")[1] for where in speeches(sample)] == [
        "connection.hgetall()",
        "_users_redis.delete()",
        "server.pipeline()",
        "pipe.time()",
    ]


def test_a_reach_is_seen_under_any_name(house):
    """Called or handed on, by its module's name, its own or another."""
    sample = house.source(
        "import time\nimport os as system\nfrom time import sleep as nap\nfrom datetime import datetime, UTC\n"
        "def f(now=time.time):\n    nap(1)\n    system.environ.get('A')\n    datetime.now(UTC)\n"
    )
    assert [what.split(": ")[1] for _, what in sorted(reaches(sample), key=lambda found: found[1])] == [
        "time.time",
        "time.sleep",
        "os.environ",
        "datetime.datetime.now",
    ]


def test_types_and_constants_are_no_reach(house):
    """`random.Random` in a signature asks for dice; `random.Random()` makes them."""
    harmless = house.source(
        "import random, signal, time\nfrom datetime import datetime, UTC\n"
        "def f(rng: random.Random):\n    return signal.SIGTERM, time.CLOCK_MONOTONIC, datetime.fromtimestamp(0, UTC)\n"
    )
    assert list(reaches(harmless)) == []
    assert [seam for seam, _ in reaches(house.source("import random\nrng = random.Random()\n"))] == ["random"]


def test_an_import_for_types_only_is_no_speech(house):
    """What stands under TYPE_CHECKING is not there when the code runs."""
    sample = house.source(
        "from typing import TYPE_CHECKING\nfrom redis.exceptions import RedisError\n"
        "if TYPE_CHECKING:\n    from redis import Redis\n"
    )
    assert [module for module, _ in runtime_imports(sample)] == ["typing", "redis.exceptions"]
