"""Settings are read once, checked against each other, and never half understood."""

import re
from dataclasses import fields

import pytest

from holdfast.jobs import Queue
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


#: As a pod has them for the Services holdfast, holdfast-redis-master and holdfast-status, the last with named ports.
SERVICE_LINKS = {
    "HOLDFAST_SERVICE_HOST": "10.43.0.7",
    "HOLDFAST_SERVICE_PORT": "80",
    "HOLDFAST_PORT": "tcp://10.43.0.7:80",
    "HOLDFAST_PORT_80_TCP": "tcp://10.43.0.7:80",
    "HOLDFAST_PORT_80_TCP_PROTO": "tcp",
    "HOLDFAST_PORT_80_TCP_PORT": "80",
    "HOLDFAST_PORT_80_TCP_ADDR": "10.43.0.7",
    "HOLDFAST_REDIS_MASTER_SERVICE_HOST": "10.43.0.8",
    "HOLDFAST_REDIS_MASTER_SERVICE_PORT": "6379",
    "HOLDFAST_REDIS_MASTER_PORT": "tcp://10.43.0.8:6379",
    "HOLDFAST_REDIS_MASTER_PORT_6379_TCP_ADDR": "10.43.0.8",
    "HOLDFAST_STATUS_SERVICE_PORT_HTTP_METRICS": "9090",
    "HOLDFAST_STATUS_PORT_53_UDP_PORT": "53",
    "HOLDFAST_STATUS_PORT_9_SCTP": "sctp://10.43.0.9:9",
}


@pytest.mark.parametrize("name", SERVICE_LINKS)
def test_what_kubernetes_tells_of_a_service_of_our_name_is_no_setting(name):
    """Whoever calls a Service holdfast has it in every pod, and set nothing."""
    assert Settings.from_environment({name: SERVICE_LINKS[name], "HOLDFAST_CRASHES": "2"}) == Settings(crashes=2)


@pytest.mark.parametrize("name", ["HOLDFAST_PORT_80", "HOLDFAST_PORTS", "HOLDFAST_SERVICE", "HOLDFAST_LEASE_MS_PORT_"])
def test_what_only_looks_like_it_is_refused(name):
    """A name is not a Service's because it has the word in it."""
    with pytest.raises(SettingsError, match=f"unknown setting {name};"):
        Settings.from_environment({name: "5"})


def test_a_producer_a_deploy_behind_is_told_once_of_a_setting_that_it_does_not_know(monkeypatch, caplog, fake):
    """Its web pages must not go down over a name that concerns workers, and its log not fill with it."""
    monkeypatch.setenv("HOLDFAST_OF_TOMORROW", "1")
    monkeypatch.setenv("HOLDFAST_KEY_HORIZON_MS", "5000")
    for name in ("a", "b"):
        Queue(name, connection=fake).enqueue("shop.fulfil", key="invoice-7")
    (line,) = caplog.messages
    assert re.match(r"Queue: ignored: unknown setting HOLDFAST_OF_TOMORROW; .*HOLDFAST_LEASE_MS", line)
    of_a, of_b = fake.keys("holdfast:key:*")
    assert 0 < fake.pttl(of_a) <= 5_000
    assert 0 < fake.pttl(of_b) <= 5_000


def test_a_producer_whose_settings_cannot_be_read_is_refused_each_time(monkeypatch, fake):
    """What it asked for is not guessed, and not forgotten."""
    monkeypatch.setenv("HOLDFAST_KEY_HORIZON_MS", "a day")
    for _ in range(2):
        with pytest.raises(SettingsError, match="whole number"):
            Queue(connection=fake)


def test_a_producer_hears_of_a_change_of_its_environment(monkeypatch, fake):
    """As a test of the app's makes one."""
    for horizon_ms in (5_000, 900_000):
        monkeypatch.setenv("HOLDFAST_KEY_HORIZON_MS", str(horizon_ms))
        Queue(connection=fake).enqueue("shop.fulfil", key=f"within {horizon_ms}")
    assert sorted(round(fake.pttl(key), -4) for key in fake.keys("holdfast:key:*")) == [0, 900_000]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            {"lease_ms": 9_000, "renew_ms": 3_000},
            r"lease_ms\) is 9000: .*3 x HOLDFAST_RENEW_MS \(3000\)",
            id="a lease too short",
        ),
        pytest.param(
            {"margin_ms": 7_000}, r"margin_ms\) is 7000: .*HOLDFAST_RENEW_MS \(10000 - 3000\)", id="a margin too long"
        ),
        pytest.param({"lease_ms": 0, "renew_ms": -1}, r"lease_ms\) is 0: it must be above 0", id="no lease"),
        pytest.param({"renew_ms": 0}, r"renew_ms\) is 0: it must be above 0", id="no renewal"),
        pytest.param({"reap_ms": 0}, r"reap_ms\) is 0: it must be above 0", id="a reaper without a pause"),
        pytest.param({"promote_ms": -5}, r"promote_ms\) is -5: it must be above 0", id="a promoter in the past"),
        pytest.param(
            {"key_horizon_ms": 0}, r"key_horizon_ms\) is 0: it must be above 0", id="a key that holds nothing out"
        ),
        pytest.param({"grace_ms": -1}, r"grace_ms\) is -1: it must not be negative", id="a grace in the past"),
        pytest.param({"crashes": -1}, r"crashes\) is -1: it must not be negative", id="less than no crash"),
        pytest.param({"jobs_per_horse": 0}, r"jobs_per_horse\) is 0: it must be at least 1", id="a horse for nothing"),
        pytest.param(
            {"lease_ms": 10**19},
            r"lease_ms\) is 10{19}: it must be at most 315360000000\.",
            id="a lease beyond all counting",
        ),
        pytest.param({"spin_us": 10_001}, r"spin_us\) is 10001: it must be at most 10000\.", id="a core for ten years"),
        pytest.param(
            {"lease_ms": 500, "renew_ms": 90, "margin_ms": 101},
            r"lease_ms\) is 500: it must be at least HOLDFAST_MARGIN_MS \(101\) \+ 400",
            id="no time for a second try",
        ),
        pytest.param({"prefetch": 101}, r"prefetch\) is 101: it must be at most 100\.", id="too many at a time"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_both_numbers(given, message):
    """Whoever reads the message can mend it without the manual."""
    with pytest.raises(SettingsError, match=message):
        Settings(**given)


@pytest.mark.parametrize(
    ("name", "value", "do"),
    [
        ("LEASE_MS", "8000", "Raise it, or lower HOLDFAST_RENEW_MS."),
        ("MARGIN_MS", "7000", "Lower it, or raise HOLDFAST_LEASE_MS."),
        ("MARGIN_MS", "9601", "Lower it, or raise HOLDFAST_LEASE_MS."),
        ("REAP_MS", "0", "Without a value of yours it is 1000."),
        ("CRASHES", "-1", "Without a value of yours it is 3."),
        ("PREFETCH", "101", "Without a value of yours it is 1."),
        ("JOBS_PER_HORSE", "0", "Without a value of yours it is 10000."),
    ],
)
def test_a_refusal_has_the_name_that_was_typed_what_was_seen_and_what_to_do(name, value, do):
    """Outside it is set in capitals, in Python in small letters: both find themselves, and in the same sentence."""
    said = []
    for refused in (
        lambda: Settings.from_environment({f"HOLDFAST_{name}": value}),
        lambda: Settings(**{name.lower(): int(value)}),
    ):
        with pytest.raises(SettingsError) as error:
            refused()
        said.append(str(error.value))
    assert said[0] == said[1]
    assert said[0].startswith(f"HOLDFAST_{name} ({name.lower()}) is {value}: it must ")
    assert said[0].endswith(do)


TIMES = [each.name for each in fields(Settings) if each.name.endswith("_ms")]


@pytest.mark.parametrize("name", [*TIMES, "horse_memory_max_mb"])
def test_nothing_is_so_large_that_it_would_be_found_out_later(name):
    """Scripts and shared memory count in 64 bits, and would say so when the first job comes."""
    with pytest.raises(
        SettingsError, match=rf"^HOLDFAST_{name.upper()} \({name}\) is 315360000001: it must be at most 315360000000\."
    ):
        Settings(**{name: MOST_MS + 1})


def test_ten_years_may_be_asked_for():
    """Whoever wants no limit has a number to write."""
    shares = {"renew_ms": MOST_MS // 4, "margin_ms": MOST_MS // 4}
    assert Settings(**dict.fromkeys(TIMES, MOST_MS) | shares).lease_ms == MOST_MS


@pytest.mark.parametrize("lease_ms", [500, 2_000, 10_000, 60_000, 600_000])
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
