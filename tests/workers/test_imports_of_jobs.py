"""What comes into a horse by an import stays as long as its module does, and the newest code is what runs."""

import decimal
import importlib
import importlib.util
import os
import signal
import sys
import threading
import types
from contextvars import ContextVar, copy_context

import pytest
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from holdfast.workers.tidy import Tidy


@pytest.fixture
def began_later(clock):
    """Give a clock by which the horse began after its code was written."""
    clock.advance(ms=60_000)
    return clock


@pytest.fixture
def app(tmp_path, monkeypatch):
    """Give a file that jobs import as `shop_of_jobs`, with what it does when it is imported."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "shop_of_jobs.py"

    def write(text):
        file.write_text(text, "utf-8")
        importlib.invalidate_caches()
        return file

    write("PRICE = 1\n")
    return write


def import_app():
    return importlib.import_module("shop_of_jobs")


SETUPS = {
    "a variable": ("import os\nos.environ['SHOP_KEY'] = 'k'", lambda: os.environ.get("SHOP_KEY") == "k"),
    "a place": ("import sys\nsys.path.append('/shop')", lambda: "/shop" in sys.path),
    "a thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), name='shop', daemon=True).start()",
        lambda: any(thread.name == "shop" for thread in threading.enumerate()),
    ),
    "a context variable": (
        "from contextvars import ContextVar\nContextVar('shop').set('open')",
        lambda: "open" in copy_context().values(),
    ),
    "decimal's precision": (
        "import decimal\ndecimal.getcontext().prec = 50",
        lambda: decimal.getcontext().prec == 50,
    ),
}


@pytest.mark.parametrize("setup", SETUPS)
def test_what_an_import_sets_up_is_there_for_the_next_job_too(in_a_horse, began_later, app, setup):
    """The next job imports nothing, and needs the key that the module read from a file."""
    text, is_there = SETUPS[setup]
    app(text)

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=began_later)

        def job():
            import_app()
            tidy.before_call()
            return is_there()

        return [tidy.apart(job), tidy.after_job(), tidy.apart(job), tidy.after_job(), tidy.apart(job)]

    assert in_a_horse(scene) == [True, None, True, None, True]


def test_what_the_call_changes_after_its_import_is_put_back(in_a_horse, began_later, app):
    """The import's variable stays, the call's goes."""
    app("import os\nos.environ['SHOP_KEY'] = 'k'")

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=began_later)
        import_app()
        tidy.before_call()
        os.environ.update(TENANT="a", SHOP_KEY="b")
        return [tidy.after_job(), os.environ.get("TENANT"), os.environ["SHOP_KEY"]]

    assert in_a_horse(scene) == [None, None, "k"]


def test_what_the_call_sets_in_its_context_ends_with_it(in_a_horse, began_later, app):
    """The import's values stay, the call's go: also in a context of decimal that is changed in place."""
    app("import decimal\nfrom contextvars import ContextVar\nNAME = ContextVar('shop')\nNAME.set('open')\n"
        "decimal.getcontext().prec = 50\n")  # fmt: skip

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=began_later)

        def job():
            shop = import_app()
            tidy.before_call()
            found = [shop.NAME.get(), decimal.getcontext().prec]
            shop.NAME.set("closed")
            decimal.getcontext().prec = 2
            return found

        return [found for _ in range(3) for found in (tidy.apart(job), tidy.after_job())]

    assert in_a_horse(scene) == [["open", 50], None] * 3


CHANGED_BESIDE = {
    "an environment variable": "import os\nos.environ['SHOP_KEY'] = 'k'",
    "the context variable 'shop'": "from contextvars import ContextVar\nContextVar('shop').set('open')",
    "the context of decimal": "import decimal\ndecimal.getcontext().prec = 50",
}


@pytest.mark.parametrize("changed", CHANGED_BESIDE)
def test_a_change_beside_an_import_in_the_call_costs_the_horse(in_a_horse, began_later, app, changed):
    """The module's or the job's? Put back, a correct job fails; kept, one tenant's name reaches another's job."""
    app(CHANGED_BESIDE[changed])

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=began_later)
        tidy.before_call()
        tidy.apart(import_app)
        return tidy.after_job()

    assert f"{changed} changed while modules were imported" in in_a_horse(scene)


def test_an_import_in_the_call_that_changes_nothing_costs_nothing(in_a_horse, began_later, app):
    """Most of them. Nor do a sum, and what is set for a while."""
    name = ContextVar("name")

    def job():
        import_app()
        name.reset(name.set("a"))
        return str(decimal.Decimal(1) / 3)

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=began_later)
        tidy.apart(job)
        return tidy.after_job()

    assert in_a_horse(scene) is None


def test_the_timeout_of_the_job_that_imports_is_not_the_apps_own(in_a_horse, began_later, app):
    """It counts while the function is imported, and its handler is of that job."""

    def scene():
        before = signal.getsignal(signal.SIGALRM)
        tidy = Tidy(memory_max_mb=0, clock=began_later)
        with UnixSignalDeathPenalty(50, JobTimeoutException):
            import_app()
            tidy.before_call()
        return [tidy.after_job(), signal.getsignal(signal.SIGALRM) == before]

    assert in_a_horse(scene) == [None, True]


def touch(file):
    seen = file.stat()
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1_000_000))


def swap(file):
    """Put another file of the same size and date in its place, as a deploy does that keeps dates."""
    seen, other = file.stat(), file.with_suffix(".new")
    other.write_text("PRICE = 2\n", "utf-8")
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    other.rename(file)


CHANGES = {"touched": touch, "swapped": swap, "gone": lambda file: file.unlink()}


@pytest.mark.parametrize("change", CHANGES)
def test_code_that_changed_since_a_job_imported_it_costs_the_horse(in_a_horse, began_later, app, change):
    """With a fork for each job the newest would run; here it runs within a look's interval, or after the job."""
    file = app("PRICE = 1\n")

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=began_later)
        import_app()
        began_later.advance(ms=1_000)
        same = tidy.after_job()
        CHANGES[change](file)
        began_later.advance(ms=999)
        soon = tidy.after_job()
        began_later.advance(ms=1)
        return [same, soon, tidy.after_job()]

    assert in_a_horse(scene) == [None, None, f"{file} was changed while this horse lived"]


def test_code_written_between_its_import_and_the_first_look_is_not_missed(in_a_horse, clock, app):
    """What is seen at that look is the new file. It is younger than the horse, and that tells."""
    file = app("PRICE = 1\n")
    clock.advance(ms=-60_000)

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=clock)
        import_app()
        file.write_text("PRICE = 2\n", "utf-8")
        first = tidy.after_job()
        clock.advance(ms=1_000)
        return [first, tidy.after_job()]

    assert in_a_horse(scene) == [None, f"{file} was changed while this horse lived"]


def test_code_that_the_worker_itself_has_imported_stays_its_own(in_a_horse, began_later, app):
    """As in RQ: a new horse would have it from the worker too, so that it helps nobody to leave."""
    file = app("PRICE = 1\n")

    def scene():
        import_app()
        tidy = Tidy(memory_max_mb=0, clock=began_later)
        touch(file)
        began_later.advance(ms=1_000)
        return tidy.after_job()

    assert in_a_horse(scene) is None


def test_modules_without_a_file_are_passed_over(in_a_horse, began_later):
    """Made by hand, of an archive, or no module at all."""

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=began_later)
        sys.modules["by_hand"] = types.ModuleType("by_hand")
        sys.modules["by_name_only"] = types.ModuleType("by_name_only")
        sys.modules["by_name_only"].__file__ = None
        sys.modules["of_an_archive"] = types.ModuleType("of_an_archive")
        sys.modules["of_an_archive"].__file__ = "/nowhere/app.zip/app.py"
        sys.modules["no_module"] = object()
        began_later.advance(ms=1_000)
        return tidy.after_job()

    assert in_a_horse(scene) is None


def test_a_module_that_loads_when_it_is_first_used_is_not_loaded_by_a_look(in_a_horse, began_later, app):
    """It may take seconds, or a library that is not there."""
    app("raise RuntimeError('loaded')")

    def scene():
        tidy = Tidy(memory_max_mb=0, clock=began_later)
        spec = importlib.util.find_spec("shop_of_jobs")
        loader = importlib.util.LazyLoader(spec.loader)
        module = sys.modules["shop_of_jobs"] = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        began_later.advance(ms=1_000)
        return tidy.after_job()

    assert in_a_horse(scene) is None
