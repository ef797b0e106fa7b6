"""What we lean on in RQ is listed, is there, and has the shape we take it for.

A new RQ that moves something fails here, by name, and not in a job.
"""

import ast
import importlib
import inspect
import pkgutil
from enum import Enum

import pytest
import rq.queue
from rq.job import Job

from holdfast.jobs import rq_surface
from holdfast.jobs.state import Status
from holdfast.workers.fenced_job import fenced

#: The one file of what serves an app's jobs that may import rq.
SURFACE = "jobs/rq_surface.py"
#: What reads a text as the name of a module.
LOADERS = {"__import__", "find_spec", "import_module"}

#: Each name it imports: the parameters by which we call it (any further one needs a default), or what it is.
SHAPES = {
    "CALLBACK_TIMEOUT": int,
    "CliConfig": ("url", "config", "connection_class"),
    "DEFAULT_LOGGING_DATE_FORMAT": str,
    "DEFAULT_LOGGING_FORMAT": str,
    "DEFAULT_RESULT_TTL": int,
    "DequeueStrategy": Enum,
    "DeserializationError": Exception,
    "DuplicateJobError": Exception,
    "AbandonedJobError": Exception,
    "EnqueueArgs": tuple,
    "EnqueueData": tuple,
    "InvalidJobOperation": Exception,
    "Job": ("id", "connection", "serializer"),
    "JobStatus": Enum,
    "JobTimeoutException": Exception,
    "NoSuchJobError": Exception,
    "Queue": ("name", "connection", "default_timeout", "is_async", "job_class", "serializer"),
    "Repeat": ("times", "interval"),
    "Retry": ("max", "interval", "enqueue_at_front"),
    "UNSERIALIZABLE_RETURN_VALUE_PAYLOAD": str,
    "UnixSignalDeathPenalty": ("timeout", "exception"),
    "Worker": ("queues", "connection", "job_class", "queue_class", "serializer"),
    "WorkerStatus": Enum,
    "_job_stack": object,
    "blue": ("text",),
    "get_connection_kwargs": ("connection",),
    "now": (),
    "green": ("text",),
    "register": ("worker", "pipeline"),
    "resolve_function_reference": ("func",),
    "resolve_serializer": ("serializer",),
    "utcparse": ("string",),
}

#: What our classes do in place of RQ's: all else that they define must be unknown to RQ, or RQ would call it.
REPLACED = {
    "holdfast.jobs.queue.Queue": {
        "create_job",
        "enqueue",
        "enqueue_at",
        "enqueue_in",
        "enqueue_job",
        "enqueue_many",
        "_enqueue_job",
        "run_job",
    },
    "holdfast.workers.worker.Worker": {
        "_install_signal_handlers",
        "register_birth",
        "request_stop",
        "subscribe",
        "teardown",
        "unsubscribe",
        "work",
    },
    "holdfast.workers.alarm.Alarm": {"cancel_death_penalty", "setup_death_penalty"},
    # It goes by the name of the class it stands for. The writes are fenced, and the record is read faster.
    "rq.job.Job": {"restore", "save", "save_meta"},
}


def imports_from_rq(source):
    """Give each import of rq: (where, module, name); no name where the module itself is imported."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Import():
                found = [(each.name, "") for each in node.names]
            case ast.ImportFrom():
                found = [(node.module or "", each.name) for each in node.names]
            case ast.Call(
                func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(module)), *_]
            ) if called in LOADERS:
                found = [(module, "")]
            case ast.Subscript(value=ast.Attribute(attr="modules"), slice=ast.Constant(value=str(module))):
                found = [(module, "")]
            case _:
                continue
        yield from ((source.at(node), *pair) for pair in found if pair[0].split(".")[0] == "rq")


def fits(value, shape):
    if isinstance(shape, tuple):
        parameters = inspect.signature(value).parameters.values()
        needed = {each.name for each in parameters if each.default is each.empty and each.kind < each.VAR_POSITIONAL}
        return needed <= set(shape) <= {each.name for each in parameters}
    return issubclass(value, shape) if isinstance(value, type) else isinstance(value, shape)


def accepts(ours, theirs):
    """Tell whether every call that RQ's own method takes is one that ours takes."""
    plain = [p for p in inspect.signature(theirs).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = {p.name: None for p in inspect.signature(theirs).parameters.values() if p.kind is p.KEYWORD_ONLY}
    needed = [p for p in plain if p.default is p.empty]
    try:
        inspect.signature(ours).bind(*plain, **named)
        inspect.signature(ours).bind(*needed)
        inspect.signature(ours).bind(*plain[:1], **dict.fromkeys([p.name for p in plain[1:]]), **named)
    except TypeError:
        return False
    return True


def is_of_rq(cls):
    return cls.__module__.split(".")[0] == "rq"


def replaced_by(heir):
    bases = [base for base in heir.__mro__[1:] if is_of_rq(base)]
    own = (name for name in vars(heir) if not name.startswith("__"))
    return {name for name in own if any(hasattr(base, name) for base in bases)}


def spell(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


@pytest.fixture
def leaned_on(house):
    """Every name that the surface imports: name -> what the installed RQ has under it."""
    (surface,) = (source for source in house.python("jobs") if source.path == SURFACE)
    imports = imports_from_rq(surface)
    return {name: getattr(importlib.import_module(module), name, None) for _, module, name in imports if name}


@pytest.fixture
def heirs(house):
    """Each class of ours that stands on one of RQ's."""
    for room in (*house.rooms, "examples.shop"):
        package = importlib.import_module(f"holdfast.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

    def below(cls):
        for heir in cls.__subclasses__():
            yield heir
            yield from below(heir)

    names = (getattr(rq_surface, name) for name in rq_surface.__all__)
    roots = [root for root in names if inspect.isclass(root) and is_of_rq(root)]
    found = {heir for root in roots for heir in below(root) if heir.__module__.startswith("holdfast.")}
    return [*found, fenced(Job)]


def test_only_the_surface_imports_rq(house):
    """Elsewhere a line speaks of jobs and leases in our own words, and no file is open to whatever RQ has.

    Chaos is not product code: it runs stock RQ beside ours, and lends RQ a virtual clock.
    """
    sources = (source for source in house.python(*house.product) if source.path != SURFACE)
    found = [found for source in sources for found in imports_from_rq(source)]
    house.finds_none(f"{where}: {module} {name}" for where, module, name in found)


def test_the_shop_uses_only_what_rq_documents(house):
    """App code imports from `rq` itself, not from its modules."""
    found = [found for source in house.python("examples") for found in imports_from_rq(source)]
    house.finds_none(f"{where}: {module} {name}" for where, module, name in found if module != "rq")


def test_everything_we_lean_on_is_there_with_the_shape_we_take_it_for(leaned_on, house):
    """The installed RQ, whichever it is."""
    assert set(SHAPES) == set(leaned_on), "SHAPES lists what the surface imports"
    house.finds_none(name for name, value in leaned_on.items() if not fits(value, SHAPES[name]))


def test_nothing_is_leaned_on_for_nothing(house):
    """A name of RQ's that nobody asks for any more is a needless way to break."""
    asked = {
        each.name
        for source in house.python(*house.rooms, "tests")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "holdfast.jobs.rq_surface"
        for each in node.names
    }
    house.finds_none(set(rq_surface.__all__) - asked)


def test_what_our_classes_replace_of_rq_is_meant(heirs):
    """A method of ours that a new RQ happens to have as well would be called in its place."""
    met = {spell(heir): replaced_by(heir) for heir in heirs}
    assert {name: words for name, words in met.items() if words} == REPLACED


def test_what_our_classes_replace_takes_the_calls_that_rq_makes(heirs, house):
    """RQ's command line and RQ's own methods call ours as they call theirs."""
    refused = []
    for heir in heirs:
        for name in REPLACED.get(spell(heir), ()):
            theirs = next(vars(base)[name] for base in heir.__mro__[1:] if name in vars(base))
            if not accepts(vars(heir)[name], theirs):
                refused.append(f"{spell(heir)}.{name}")
    house.finds_none(refused)


def test_our_words_for_a_status_are_rqs():
    """A status that RQ adds is one that our moves must have an answer for."""
    assert {status.value for status in rq_surface.JobStatus} == {status.value for status in Status}


def test_the_loggers_of_rq_that_we_write_to_are_rqs(house):
    """Or one below: RQ's command line gives handlers to its own, and what goes to another is not shown."""
    asked = {
        node.args[0].value
        for source in house.python(*house.product)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger" and node.args
    }
    rqs = {"rq.queue": rq.queue.logger, "rq.worker": importlib.import_module("rq.worker.base").logger}
    assert {name: logger.name for name, logger in rqs.items()} == {name: name for name in rqs}
    assert {name for name in asked if name.startswith("rq.")} == {*rqs, "rq.worker.moves"}


def test_a_changed_shape_is_seen():
    """A parameter gone, or a new one that must be given, is another shape; a new optional one is not."""
    assert fits(lambda a, b=1: None, ("a",))
    assert not fits(lambda a, b: None, ("a",))
    assert not fits(lambda a: None, ("a", "b"))
    assert fits(ValueError, Exception)
    assert not fits("7", int)


def test_a_call_that_ours_would_refuse_is_seen():
    """By position, by name, and with as little as RQ asks for."""

    def theirs(self, pipeline=None, *, ttl=0): ...

    def takes_all(self, pipeline=None, *, ttl=0, more=1): ...

    def renames(self, pipe=None, *, ttl=0): ...

    def asks_more(self, pipeline, *, ttl=0): ...

    assert [accepts(ours, theirs) for ours in (takes_all, renames, asks_more)] == [True, False, False]


def test_an_import_of_rq_is_seen(house):
    """Whole or in part, within a function, and by a module's name in a text."""
    sample = house.source(
        "import rq.cli\nfrom rq.job import Job\nimport importlib, sys\n"
        "def f():\n    from rq import Queue\n    importlib.import_module('rq.utils')\n    sys.modules['rq']\n"
        "import_module('redis')\nimport requests\n"
    )
    assert sorted(found[1:] for found in imports_from_rq(sample)) == [
        ("rq", ""),
        ("rq", "Queue"),
        ("rq.cli", ""),
        ("rq.job", "Job"),
        ("rq.utils", ""),
    ]
