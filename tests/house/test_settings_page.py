"""docs/settings.md says what jobs/settings.py does: each name, its default, and where it can be refused."""

import re
from dataclasses import fields

import pytest

from holdfast.jobs.errors import SettingsError
from holdfast.jobs.settings import Settings

ROW = re.compile(r"^\| `HOLDFAST_(\w+)` \| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
#: What the last column says of a value, and those just outside, which are refused.
REFUSED = {
    "above 0": ("0",),
    "0 or more": ("-1",),
    "1 or more": ("0",),
    "1 to 100": ("0", "101"),
    "0 to 10000": ("-1", "10001"),
    "0 to 315360000000": ("-1", "315360000001"),
    "1 to 315360000000": ("0", "315360000001"),
    "0, 1, true or false": ("yes",),
}


@pytest.fixture
def rows(house):
    """Give the rows of the table: name -> default, unit, meaning, must be."""
    return {name.lower(): rest for name, *rest in ROW.findall(house.pages()["docs/settings.md"])}


def test_the_table_has_every_setting_in_the_codes_order_and_no_other(rows):
    """An operator who reads it knows all there is."""
    assert list(rows) == [each.name for each in fields(Settings)]


def test_the_defaults_are_the_codes_defaults(rows):
    """A switch is 0 or 1 in the environment."""
    assert {name: int(row[0]) for name, row in rows.items()} == {
        each.name: int(each.default) for each in fields(Settings)
    }


def test_a_name_ends_in_the_unit_that_the_table_gives(rows):
    """Units last: what is in ms says so, and nothing else does."""
    for name, (_, unit, *_) in rows.items():
        assert name.endswith("_ms") == (unit == "ms"), name


def test_what_the_table_forbids_is_refused(rows):
    """One setting alone, with all others at their defaults."""
    for name, (*_, must_be) in rows.items():
        for rule in set(REFUSED) & {must_be, must_be.split(", below")[0]}:
            for value in REFUSED[rule]:
                with pytest.raises(SettingsError):
                    Settings.from_environment({f"HOLDFAST_{name.upper()}": value})


def test_every_rule_of_the_table_is_one_that_is_tried(rows):
    """A rule in other words would be tried by nobody."""
    others = {must_be for *_, must_be in rows.values()} - set(REFUSED)
    assert others == {
        "above 3 x `HOLDFAST_RENEW_MS`",
        "above 0, below `HOLDFAST_LEASE_MS` / 3",
        "above 0, below `HOLDFAST_LEASE_MS` - `HOLDFAST_RENEW_MS`",
    }


@pytest.mark.parametrize("wrong", [{"lease_ms": 9_000}, {"renew_ms": 3_334}, {"margin_ms": 7_000}])
def test_settings_that_contradict_each_other_are_refused(wrong):
    """The three rules that name another setting, each at its edge beside the defaults."""
    with pytest.raises(SettingsError):
        Settings(**wrong)
    Settings(**{name: value + (1 if name == "lease_ms" else -1) for name, value in wrong.items()})


def test_what_follows_from_the_defaults_is_what_the_page_says(house):
    """A reply, a holder's grace and the time without news, in the second table."""
    page, settings = house.pages()["docs/settings.md"], Settings()
    said = dict(re.findall(r"^\| ([^|`]+) \| [^|]+ \| ([\d.]+) s \|$", page, re.MULTILINE))
    assert float(said["one reply of Redis is waited for"]) * 1_000 == settings.reply_ms
    assert float(said["holders get to renew after an outage"]) * 1_000 == settings.holder_grace_ms
    assert float(said["a holder without news stops its horse after"]) * 1_000 == settings.lease_ms - settings.margin_ms
