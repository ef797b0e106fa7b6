"""What `make bench` is asked for: a word that means nothing is refused before anything runs."""

import pytest

from benchmarks.words import plan


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--systems", "floor", "dramatik"], "no name has 'dramatik' in it; they are: holdfast"),
        (["--setting", "HOLDFAST_SPIN_US"], "'HOLDFAST_SPIN_US' is not NAME=VALUE"),
    ],
)
def test_a_word_that_means_nothing_is_refused(words, says, capsys):
    """Else a run of nothing would write tables without a line."""
    with pytest.raises(SystemExit):
        plan(words)
    assert says in capsys.readouterr().err


def test_systems_are_chosen_by_a_word_in_their_name():
    """More than one has it."""
    chosen, _ = plan(["--systems", "floor", "--setting", "HOLDFAST_SPIN_US=0"])
    assert {system.adapter for system in chosen.systems} == {"floor"}
