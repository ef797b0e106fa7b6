"""Each name of RQ's that we touch where no import tells of it is in jobs/rq_surface.py, and in the installed RQ."""

import ast
import builtins
import importlib
import inspect
import operator
import textwrap

import pytest
from redis import Redis
from rq.job import Job

from holdfast.jobs.rq_surface import (
    CHANGEABLE_OPTIONS,
    INHERITED,
    MOMENTS_OF_A_JOB,
    OPTIONS_OF_A_KIND,
    PRIVATE,
    READS_A_JOB,
    STATE_OF_A_CALL,
    STATE_OF_A_JOB,
    EnqueueArgs,
    EnqueueData,
    Queue,
)

SURFACE = "jobs/rq_surface.py"
#: The one function that looks attributes up by names which stand elsewhere: it is given them from the surface.
LOOKS_UP = "jobs/classes.py"
BY_NAME = {"delattr", "getattr", "hasattr", "setattr"}
GETTERS = {"attrgetter", "methodcaller"}
OF_A_DICT = {"get", "pop", "setdefault"}


def is_of_rq(cls):
    return cls.__module__.split(".")[0] == "rq"


def is_private(name):
    return name.startswith("_") and not name.endswith("_") and name != "_asdict"


def known_to(cls):
    """Name what a class of the installed RQ and its objects have: also what its methods give to `self`."""
    names = set(dir(cls)) - set(dir(object))
    for base in filter(is_of_rq, cls.__mro__):
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base)))):
            match node:
                case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                    names.add(name)
    return names


KNOWN = {cls: known_to(cls) for cls in PRIVATE}
#: What a private name may not be in a text, unless it is listed.
PRIVATE_TO_RQ = {name for names in KNOWN.values() for name in names if is_private(name)}
LISTED = frozenset().union(*PRIVATE.values())


def names_of(source):
    """Give what the names at the left edge of a file stand for."""
    return vars(importlib.import_module(f"holdfast.{source.path.removesuffix('.py').replace('/', '.')}"))


def rqs_of(heir, names):
    """Give the class of RQ's on which a class stands. One that is handed over is an app's class of jobs."""
    for base in heir.bases:
        spelled = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
        first, _, rest = spelled.partition(".")
        if first not in names | vars(builtins):
            return Job
        found = (names | vars(builtins))[first]
        found = operator.attrgetter(rest)(found) if rest else found
        for cls in getattr(found, "__mro__", ()):
            if cls in KNOWN:
                return cls
    return None


def inherited_in(source, names):
    """Give what classes of a file use of their own selves and RQ's have: (RQ's class, name, where)."""
    for heir in ast.walk(source.tree):
        rqs = rqs_of(heir, names) if isinstance(heir, ast.ClassDef) else None
        if rqs is None:
            continue
        own = {node.name for node in heir.body if isinstance(node, ast.FunctionDef)}
        for node in ast.walk(heir):
            match node:
                case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                    pass
                case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
                    pass
                case ast.FunctionDef(name=name) if node in heir.body:
                    pass
                case _:
                    continue
            if name in KNOWN[rqs] and (is_private(name) or name not in own):
                yield rqs, name, source.at(node)


def imported_in(source):
    """Name the modules that a file imports: they are no objects of RQ's."""
    imports = (node for node in ast.walk(source.tree) if isinstance(node, ast.Import))
    return {(each.asname or each.name).split(".")[0] for node in imports for each in node.names}


def is_of_module(node, modules):
    """Tell whether something is a module's, such as `os.environ` or `sys.modules[name]`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and node.id in modules


def touched_in(source):
    """Give each private name that a file touches on what is not its own: (name, where)."""
    nodes, modules = list(ast.walk(source.tree)), imported_in(source)
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    foreign = []
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                own.add(name)
            case ast.Attribute(value=ast.Name(id=module)) if module in modules:
                pass
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
                pass  # it is inherited
            case ast.Attribute(attr=name) if is_private(name):
                foreign.append((name, source.at(node)))
    return [(name, where) for name, where in foreign if name not in own or name in PRIVATE_TO_RQ]


def told_in(source):
    """Give each private name of RQ's that stands in a text, or names an argument: they may be for a `__dict__`."""
    modules = imported_in(source)
    nodes = list(ast.walk(source.tree))
    of_modules = {
        node.args[1]
        for node in nodes
        if isinstance(node, ast.Call) and len(node.args) > 1 and is_of_module(node.args[0], modules)
    }
    for node in nodes:
        match node:
            case ast.Constant(value=str(name)) | ast.keyword(arg=str(name)):
                if name in PRIVATE_TO_RQ and node not in of_modules:
                    yield name, source.at(node)


def is_state(node, aliases):
    match node:
        case ast.Call(func=ast.Name(id="vars"), args=[_]) | ast.Attribute(attr="__dict__"):
            return True
        case ast.Name(id=name):
            return name in aliases
    return False


def written_in(source):
    """Give the names by which a file reads or writes an object's `__dict__`: (name, where)."""
    for function in ast.walk(source.tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        nodes, aliases = list(ast.walk(function)), set()
        for node in nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_state(value, ()):
                    aliases.add(name)
                case ast.Assign(targets=[ast.Attribute(attr="__dict__")], value=ast.Name(id=name)):
                    aliases.add(name)
        for node in nodes:
            match node:
                case ast.Subscript(value=value, slice=ast.Constant(value=str(name))) if is_state(value, aliases):
                    yield name, source.at(node)
                case ast.Call(func=ast.Attribute(value=value, attr="update"), keywords=words) if is_state(
                    value, aliases
                ):
                    yield from ((word.arg, source.at(node)) for word in words if word.arg)
                case ast.Call(
                    func=ast.Attribute(value=value, attr=method), args=[ast.Constant(value=str(name)), *_]
                ) if method in OF_A_DICT and is_state(value, aliases):
                    yield name, source.at(node)


def looked_up_in(source):
    """Give each place where attributes are looked up by names that stand elsewhere, or by some for a whole run."""
    modules = imported_in(source)
    own = {"self", *(node.name for node in source.tree.body if isinstance(node, ast.ClassDef) and not node.bases)}
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Name(id=called), args=[ast.Name(id=of), *_]) if called in BY_NAME and of in own:
                pass
            case ast.Call(func=ast.Name(id=called), args=[of, name, *_]) if called in BY_NAME:
                if not isinstance(name, ast.Constant) and not is_of_module(of, modules):
                    yield f"{source.at(node)}: {ast.unparse(node)}"
            case ast.Call(func=ast.Name(id=called)) if called in GETTERS:
                if any(isinstance(each, ast.Constant) for each in ast.walk(node)):
                    yield f"{source.at(node)}: {ast.unparse(node)}"


def handed_over_in(source):
    """Give each place that hands the one function names which are not the surface's."""
    imports = (node for node in source.tree.body if isinstance(node, ast.ImportFrom))
    listed = {each.name for node in imports if node.module == "holdfast.jobs.rq_surface" for each in node.names}
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Name(id="overridden"), args=[_, _, names]) if ast.unparse(names) not in listed:
                yield f"{source.at(node)}: {ast.unparse(node)}"


@pytest.fixture(scope="module")
def product(house):
    return [source for source in house.python(*house.product) if source.path != SURFACE]


def test_what_our_classes_have_from_rqs_is_listed(product, house):
    """A name that RQ takes away is missed by name, and one of ours that RQ comes to have is no longer ours alone."""
    met = {found for source in product for found in inherited_in(source, names_of(source))}
    listed = {cls: names | INHERITED.get(cls, frozenset()) for cls, names in PRIVATE.items()}
    house.finds_none(f"{where}: {cls.__name__}.{name}" for cls, name, where in met if name not in listed[cls])
    used = {(cls, name) for cls, name, _ in met}
    all_listed = {(cls, name) for cls, names in INHERITED.items() for name in names}
    house.finds_none(f"{cls.__name__}.{name}: no longer used" for cls, name in all_listed - used)


def test_what_is_private_to_rq_and_touched_is_listed(product, house):
    """As an attribute, as a text, or inherited: a private name may go in any release. None is listed for nothing."""
    touched = [found for source in product for found in (*touched_in(source), *told_in(source))]
    house.finds_none(f"{where}: {name}" for name, where in touched if name not in LISTED)
    inherited = {name for source in product for _, name, _ in inherited_in(source, names_of(source))}
    met = inherited.union(STATE_OF_A_CALL, (name for name, _ in touched))
    house.finds_none(f"{name}: no longer touched" for name in LISTED - met)


def test_what_is_written_into_a_job_by_name_is_listed(product, house):
    """RQ's setters are not asked there: what it would call otherwise, the job would just not have."""
    of_jobs = {*vars(Job("sample", connection=Redis())), *KNOWN[Job]}
    written = [found for source in product for found in written_in(source)]
    house.finds_none(f"{where}: {name}" for name, where in written if name in of_jobs - STATE_OF_A_JOB)
    by_table = STATE_OF_A_CALL.union(MOMENTS_OF_A_JOB)
    house.finds_none(f"{name}: no longer written" for name in STATE_OF_A_JOB - by_table - {name for name, _ in written})


def test_names_that_stand_elsewhere_are_looked_up_in_one_place(product, house):
    """Elsewhere a name comes from nobody knows where, with the surface unasked."""
    house.finds_none(place for source in product if source.path != LOOKS_UP for place in looked_up_in(source))
    house.finds_none(place for source in product for place in handed_over_in(source))


def test_what_is_listed_is_there(house):
    """In the installed RQ, whichever it is."""
    listed = [(cls, name) for lists in (PRIVATE, INHERITED) for cls, names in lists.items() for name in names]
    house.finds_none(f"{cls.__name__}.{name}" for cls, name in listed if name not in KNOWN[cls])
    house.finds_none(STATE_OF_A_JOB - set(vars(Job("sample", connection=Redis()))))
    house.finds_none(READS_A_JOB - set(dir(Job)))
    house.finds_none({*OPTIONS_OF_A_KIND, *CHANGEABLE_OPTIONS} - ({*EnqueueArgs._fields} & {*EnqueueData._fields}))


def test_a_private_name_touched_is_seen(house):
    """On another's object, also where one has a like one; not on one's own, and not on a module."""
    sample = house.source(
        "import os\ndef f(self, job):\n    self._a = job._b\n    job._a = os._exit\n    self._status = job._status\n"
    )
    assert touched_in(sample) == [("_b", "jobs/sample.py:3"), ("_status", "jobs/sample.py:5")]


def test_a_private_name_in_a_text_is_seen(house):
    """For a `__dict__`, for setattr(), and as the name of an argument; not what is for a module, or is no name."""
    sample = house.source(
        "import os\nA = {'_kwargs'}\nsetattr(job, '_args', ())\nvars(job).update(_id=1)\n"
        "getattr(os.environ, '_data')\nb = '_func_name is'\nvars(job)['_ours'] = 1\n"
    )
    assert sorted(told_in(sample)) == [
        ("_args", "jobs/sample.py:3"),
        ("_id", "jobs/sample.py:4"),
        ("_kwargs", "jobs/sample.py:2"),
    ]


def test_a_name_inherited_from_rq_is_seen(house):
    """Private or public, by `self` or super(), in any heir; not what is the class's own, or another's class's."""
    sample = house.source(
        "class Ours(Base):\n    def enqueue(self):\n        self._default_timeout, self.is_async, self._mine\n"
        "        return self.enqueue(super()._persist_job)\n"
        "def f(kind):\n    class Made(kind):\n        def g(self):\n            return self._status\n"
        "class Other(dict):\n    def h(self):\n        return self._default_timeout\n"
    )
    found = [
        (cls.__name__, name, where.partition(":")[2]) for cls, name, where in inherited_in(sample, {"Base": Queue})
    ]
    assert sorted(found) == [
        ("Job", "_status", "8"),
        ("Queue", "_default_timeout", "3"),
        ("Queue", "_persist_job", "4"),
        ("Queue", "is_async", "3"),
    ]


def test_a_name_written_into_a_dict_is_seen(house):
    """At once, or by a variable before or after that."""
    sample = house.source(
        "def f(job, other):\n    vars(job)['origin'] = 1\n    job.__dict__.update(meta=1)\n    state = vars(job)\n"
        "    state.pop('ttl', None)\n    made = {}\n    made['log'] = 1\n    job.__dict__ = made\n    other['a'] = 1\n"
    )
    assert {name for name, _ in written_in(sample)} == {"origin", "meta", "ttl", "log"}


def test_a_look_up_by_a_name_from_elsewhere_is_seen(house):
    """Of a class or an object; not of one's own, a module, or by a name that stands there."""
    sample = house.source(
        "import os\ndef f(self, kind, name):\n    getattr(kind, name)\n    setattr(self, name, 1)\n"
        "    getattr(os, name)\n    hasattr(kind, 'perform')\n    attrgetter(*('ttl',))\n    attrgetter(*name)\n"
        "class Own: ...\nclass Heir(Job): ...\ngetattr(Own, name)\ngetattr(Heir, name)\n"
    )
    assert set(looked_up_in(sample)) == {
        "jobs/sample.py:3: getattr(kind, name)",
        "jobs/sample.py:7: attrgetter(*('ttl',))",
        "jobs/sample.py:12: getattr(Heir, name)",
    }
    sample = house.source("from holdfast.jobs.rq_surface import A\noverridden(a, b, A)\noverridden(a, b, {'save'})\n")
    assert list(handed_over_in(sample)) == ["jobs/sample.py:3: overridden(a, b, {'save'})"]
