"""Settings are read once, checked against each other, and never half understood."""

from dataclasses import fields

import pytest

from holdfast.jobs.errors import HoldfastError, SettingsError
from holdfast.jobs.settings import MOST_MS, Settings


def test_without_an_environment_the_defaults_hold():
    """The numbers of the settings page."""
    settings = Settings.from_environment({"PATH": "/bin", "HOLD": "1"})
    assert settings == Settings()
    assert (settings.lease_ms, settings.renew_ms, settings.margin_ms) == (10_000, 3_000, 1_000)
    assert (settings.crashes, settings.grace_ms, settings.key_horizon_ms) == (3, 25_000, 86_400_000)


def test_the_environment_is_heard():
    """In upper case, with our name before it."""
    settings = Settings.from_environment({"HOLDFAST_LEASE_MS": "2000", "HOLDFAST_RENEW_MS": " 600 "})
    assert (settings.lease_ms, settings.renew_ms) == (2_000, 600)


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("0", False), ("False", False)])
def test_a_switch_takes_one_and_zero(text, value):
    """And the words that people write instead."""
    assert Settings.from_environment({"HOLDFAST_RECORD_MOVES": text}).record_moves is value


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        pytest.param(
            {"HOLDFAST_LEASE": "5"},
            r"HOLDFAST_LEASE;.*HOLDFAST_LEASE_MS",
            id="a name we do not know: the ones there are",
        ),
        pytest.param({"HOLDFAST_": "5"}, "unknown setting HOLDFAST_;", id="no name at all"),
        pytest.param({"HOLDFAST_LEASE_MS": "10s"}, "HOLDFAST_LEASE_MS is '10s'.*whole number", id="a unit"),
        pytest.param({"HOLDFAST_LEASE_MS": "1e4"}, "whole number", id="no whole number"),
        pytest.param({"HOLDFAST_LEASE_MS": ""}, "whole number", id="nothing"),
        pytest.param({"HOLDFAST_RECORD_MOVES": "yes"}, "HOLDFAST_RECORD_MOVES is 'yes'.*1 or 0", id="no switch"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_by_its_name(environment, message):
    """A setting that is misspelled and ignored would be found out in the outage."""
    with pytest.raises(SettingsError, match=message):
        Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            {"lease_ms": 9_000, "renew_ms": 3_000}, r"lease_ms \(9000\).*3 x renew_ms \(3000\)", id="a lease too short"
        ),
        pytest.param({"margin_ms": 7_000}, r"margin_ms \(7000\).*\(7000\)", id="a margin too long"),
        pytest.param({"lease_ms": 0, "renew_ms": -1}, "must be above 0", id="no lease"),
        pytest.param({"renew_ms": 0}, r"renew_ms \(0\) must be above 0", id="no renewal"),
        pytest.param({"reap_ms": 0}, r"reap_ms \(0\) must be above 0", id="a reaper without a pause"),
        pytest.param({"promote_ms": -5}, r"promote_ms \(-5\) must be above 0", id="a promoter in the past"),
        pytest.param({"key_horizon_ms": 0}, r"key_horizon_ms \(0\) must be above 0", id="a key that holds nothing out"),
        pytest.param({"grace_ms": -1}, r"grace_ms \(-1\) must not be negative", id="a grace in the past"),
        pytest.param({"crashes": -1}, r"crashes \(-1\) must not be negative", id="less than no crash"),
        pytest.param({"jobs_per_horse": 0}, r"jobs_per_horse \(0\) must be at least 1", id="a horse for nothing"),
        pytest.param(
            {"lease_ms": 10**19}, r"lease_ms \(10{19}\) must be at most 315360000000$", id="a lease beyond all counting"
        ),
        pytest.param({"prefetch": 101}, r"prefetch \(101\) must be at most 100", id="too many at a time"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_both_numbers(given, message):
    """Whoever reads the message can mend it without the manual."""
    with pytest.raises(SettingsError, match=message):
        Settings(**given)


TIMES = [each.name for each in fields(Settings) if each.name.endswith("_ms")]


@pytest.mark.parametrize("name", [*TIMES, "spin_us", "horse_memory_max_mb"])
def test_nothing_is_so_large_that_it_would_be_found_out_later(name):
    """Scripts and shared memory count in 64 bits, and would say so when the first job comes."""
    with pytest.raises(SettingsError, match=rf"^{name} \(315360000001\) must be at most 315360000000$"):
        Settings(**{name: MOST_MS + 1})


def test_ten_years_may_be_asked_for():
    """Whoever wants no limit has a number to write."""
    shares = {"renew_ms": MOST_MS // 4, "margin_ms": MOST_MS // 4}
    assert Settings(**dict.fromkeys(TIMES, MOST_MS) | shares).lease_ms == MOST_MS


@pytest.mark.parametrize("lease_ms", [2_000, 10_000, 60_000, 600_000])
def test_several_tries_fit_before_a_holder_must_stop(lease_ms):
    """A reply that does not come is waited for, and the operation sent again, while the lease still stands."""
    settings = Settings(lease_ms=lease_ms, renew_ms=lease_ms // 4, margin_ms=lease_ms // 10)
    assert 100 <= settings.reply_ms <= 3_000
    assert 4 * settings.reply_ms <= settings.lease_ms - settings.margin_ms
    assert settings.holder_grace_ms >= settings.renew_ms


def test_no_crash_at_all_may_be_asked_for():
    """A pool whose every job runs at most once."""
    assert Settings.from_environment({"HOLDFAST_CRASHES": "0"}).crashes == 0


def test_every_setting_is_said_at_start():
    """One line that an operator can copy."""
    said = Settings(lease_ms=20_000).describe()
    assert said.startswith("lease_ms=20000 ")
    assert len(said.split()) == len(Settings.__dataclass_fields__)


def test_a_setting_that_cannot_be_meant_is_an_error_of_ours():
    """Who catches HoldfastError has them all; and it is a wrong value."""
    for kind in (HoldfastError, ValueError):
        with pytest.raises(kind, match="whole number"):
            Settings.from_environment({"HOLDFAST_LEASE_MS": "10s"})
