"""What `-c` or `--connection-class` names is missing or broken: the worker says which, why, and where to look."""

import pytest

pytestmark = pytest.mark.processes


@pytest.fixture
def start_with(start_worker, tmp_path, monkeypatch):
    """Give a function that starts a worker with a settings module of that text, and waits for its end."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def start(text, *options, command="worker"):
        (tmp_path / "our_settings.py").write_text(f"{text}\n", "utf-8")
        worker = start_worker(options=["-c", "our_settings", *options], command=command)
        assert worker.wait() == 1
        return worker.log.splitlines()

    return start


@pytest.mark.parametrize("command", ["worker", "worker-pool"])
@pytest.mark.parametrize("name", ["no_settings", "no_settings.of_ours"])
def test_a_settings_module_that_is_not_there_is_named(start_worker, name, command):
    """RQ would say that holdfast has no attribute: it takes an ImportError for one of the worker's class."""
    worker = start_worker(options=["-c", name], command=command)
    assert worker.wait() == 1
    (line,) = worker.log.splitlines()
    assert line.startswith(f"the settings module {name} (-c) cannot be read: No module named 'no_settings'. It is look")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import not_installed", "No module named 'not_installed'"),
        ("import logging; logging.nothing", "module 'logging' has no attribute 'nothing'"),
        ("def", "invalid syntax (our_settings.py, line 1)"),
        ("raise RuntimeError('no secrets here')", "no secrets here"),
    ],
)
def test_an_error_inside_a_settings_module_is_shown_where_it_is(start_with, text, said):
    """With its traceback: it is in code that a person wrote."""
    first, *rest = start_with(text)
    assert first == f"the settings module our_settings (-c) cannot be read: {said}"
    assert any("our_settings.py" in line for line in rest)


@pytest.mark.parametrize(
    "text", ["REDIS_HOST, REDIS_PORT = 'localhost', 'abc'", "REDIS_URL = 'http://x'", "SENTINEL = {'INSTANCES': 5}"]
)
def test_an_address_that_is_none_is_looked_for_where_it_was_written(start_with, text):
    """Not at `-u`, which was not given."""
    (line,) = start_with(text)
    assert line.startswith("no Redis to work with: ")
    assert line.endswith(". Look at the settings module our_settings (-c).")


@pytest.mark.parametrize("name", ["no_module.Redis", "work.NoSuchClass", "builtins.dict"])
def test_a_client_class_that_cannot_be_had_is_named(start_with, name):
    """Not the address, which is right."""
    (line,) = start_with("REDIS_URL = 'redis://localhost'", "--connection-class", name)
    assert line.startswith("no Redis to work with: ")
    assert line.endswith(f". Look at the settings module our_settings (-c), and at --connection-class {name}.")
