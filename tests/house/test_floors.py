"""Who may know whom, and that what is in the tree is what gets installed."""

import subprocess
import sys
from pathlib import Path

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
UPHILL = """
[tool.importlinter]
root_packages = ["holdfast.jobs"]

[[tool.importlinter.contracts]]
name = "The queue knows nothing of the store"
type = "forbidden"
source_modules = ["holdfast.jobs.queue"]
forbidden_modules = ["holdfast.jobs.store"]
"""


def lint_imports(config, house):
    command = [LINT_IMPORTS, "--config", config, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=house.root, capture_output=True, text=True, check=False)


def packages_in(house):
    """Name every folder of Python as it is imported once installed."""
    folders = (
        file.parent.relative_to(house.root)
        for room in (*house.rooms, "examples")
        for file in (house.root / room).rglob("__init__.py")
    )
    return {f"holdfast.{'.'.join(folder.parts)}": folder for folder in folders}


def test_no_import_goes_up_a_floor(house):
    """From console down to jobs; and in jobs, everything stands on the store."""
    verdict = lint_imports("pyproject.toml", house)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_an_import_that_breaks_a_contract_is_seen(house, tmp_path):
    """The linter does read our code: a contract that the queue breaks is reported as broken."""
    config = tmp_path / "uphill.toml"
    config.write_text(UPHILL)
    assert "BROKEN" in lint_imports(config, house).stdout


def test_each_room_stands_under_a_contract(house):
    """A room that the linter is not told of may import what it likes."""
    rooted = set(house.project()["tool"]["importlinter"]["root_packages"])
    loose = [name for name in packages_in(house) if not any(f"{name}.".startswith(f"{root}.") for root in rooted)]
    house.finds_none(loose)


def test_every_package_in_the_tree_is_installed(house):
    """An editable install finds a folder that pyproject.toml forgot; the wheel that users get does not."""
    setup = house.project()["tool"]["setuptools"]
    expected = {name: str(folder) for name, folder in packages_in(house).items()}
    assert setup["package-dir"] == expected
    assert sorted(setup["packages"]) == sorted(expected)


def test_every_package_brings_its_types(house):
    """Without py.typed, mypy takes an installed package for untyped."""
    data = house.project()["tool"]["setuptools"]["package-data"]
    untyped = [
        name
        for name, folder in packages_in(house).items()
        if not (house.root / folder / "py.typed").exists() or "py.typed" not in data.get(name, [])
    ]
    house.finds_none(untyped)
