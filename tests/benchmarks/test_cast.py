"""The cast is complete: every adapter has its line, its environment, and its words."""

from pathlib import Path

from benchmarks import adapters, environments
from benchmarks.cast import ALL, BASE, SYSTEMS
from benchmarks.plan import MEASURES


def test_every_adapter_is_in_the_cast_and_every_line_has_an_adapter():
    """A file that nobody runs would be a system that nobody is told of."""
    files = {file.stem for file in Path(adapters.__file__).parent.glob("*.py")} - {"__init__", "protocol"}
    assert {system.adapter for system in SYSTEMS} == files


def test_every_environment_has_its_list_and_no_list_is_for_nobody():
    """What is not listed cannot be installed by the same command."""
    assert {file.stem for file in environments.LISTS.glob("*.txt")} == {system.environment for system in SYSTEMS}


def test_every_system_says_how_it_is_set_and_what_it_recovers_by():
    """A number without the setting behind it compares nothing."""
    assert not [system.name for system in SYSTEMS if not system.words]
    assert not [system.name for system in SYSTEMS if "recovery" in system.measures and not system.recovers]


def test_names_differ_and_the_base_is_measured_in_everything():
    """Ratios are to it."""
    names = [system.name for system in SYSTEMS]
    assert len(set(names)) == len(names)
    assert next(system for system in SYSTEMS if system.name == BASE).measures == ALL


def test_what_a_system_is_measured_in_is_a_measure():
    """A typing error would leave it out without a word."""
    assert set().union(*(system.measures for system in SYSTEMS)) <= set(MEASURES)


def test_our_modes_differ_by_their_settings_only():
    """So that what separates them is what they are called."""
    ours = [system for system in SYSTEMS if system.name.startswith("holdfast, ")]
    assert len({(system.adapter, system.mode, system.environment) for system in ours}) == 1
    assert len({tuple(system.settings.items()) for system in ours}) == len(ours) == 3
