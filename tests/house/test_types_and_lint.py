"""The linters have nothing to say."""

import os
import subprocess
import sys

import pytest


def run(house, *command, **environment):
    """Run a tool of the development environment at the root; give its verdict and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=house.root,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_ruff_has_nothing_to_say(house):
    """Every rule there is, but for those that pyproject.toml gives a reason against."""
    code, said = run(house, "ruff", "check", "--output-format=concise", ".")
    assert code == 0, said


def test_the_formatter_would_change_nothing(house):
    """Run `.venv/bin/ruff format .`."""
    code, said = run(house, "ruff", "format", "--check", ".")
    assert code == 0, said


@pytest.mark.timeout(600)  # the first run after an upgrade reads the types of every library
def test_mypy_has_nothing_to_say(house):
    """Strictly, over each room as it is installed."""
    packages = house.project()["tool"]["setuptools"]["packages"]
    roots = [name for name in packages if name.rpartition(".")[0] not in packages]
    code, said = run(
        house,
        *("mypy", "--strict", "--namespace-packages", "--explicit-package-bases"),
        *(part for name in roots for part in ("-p", name)),
        MYPYPATH=".ns",
    )
    assert code == 0, said


@pytest.mark.timeout(600)
def test_mypy_has_nothing_to_say_of_the_benchmarks(house):
    """They are not installed, so they are looked for at the root."""
    code, said = run(house, "mypy", "-p", "benchmarks", MYPYPATH=".ns:.")
    assert code == 0, said
