"""The moves in any order, by anyone: what must hold does, and the machine that says so can see."""

from dataclasses import replace

import pytest
from hypothesis import Phase
from redis.exceptions import ResponseError

from holdfast.jobs.store.scripts import Scripts
from tests.moves.machine import run


# When it finds something, the minutes go into making it small.
@pytest.mark.timeout(600)
def test_whatever_happens_in_whatever_order_the_invariants_hold(new_pool):
    """INV-01 to INV-07, INV-09, INV-10, INV-12: over the true scripts, with time that jumps."""
    run(new_pool)


GUARD = """  local refused = refusal(job_id, queue, execution, fence, was, look.stands[job_id .. ':' .. execution])
  if refused then
    return refused
  end
"""
BREAKS = {
    "complete without its guard": ("complete", GUARD, ""),
    "a complete that forgets its answer": ("complete", "local over = replayed(instance, op)", "local over"),
    "a reaper that does not look at the deadline": (
        "reclaim",
        "overdue(keys.leases(queue), NOW_MS",
        "overdue(keys.leases(queue), '+inf'",
    ),
    "a fence that is the clock alone": ("claim", "= math.max(last_fence", "= math.min(last_fence"),
    "an effect that knows no doubt": ("begin_effect", "by ~= fence and take_over ~= '1'", "false"),
    "an enqueue beside the lease of its id": ("enqueue", "if was[1] == 'started' and", "if false and"),
    "a turn without its guard": ("turn", GUARD, ""),
    "a turn that forgets its answer": (
        "turn",
        "local first_answer = answer_to(op, last_op, slot)",
        "local first_answer",
    ),
    "a turn that comes late and is made": ("turn", "if last_op and last_op > tonumber(op) then", "if false then"),
    "a turn that keeps what nobody heard of": (
        "turn",
        "\ngive_back_unheard(asker",
        "\nlocal _ = (function() end)(asker",
    ),
    "a turn that takes the lonely in company": (
        "turn",
        "alone and (#hand.records > 0 or asker.held > 0 or asker.is_called)",
        "false",
    ),
    "a turn that leaves the ended where they were": (
        "turn",
        "if gathered then\n  do_gathered()\n  gathered",
        "if gathered then\n  gathered",
    ),
}


def break_script(move, old, new):
    """Give a function that makes the moves on a connection, with this piece of one of them replaced."""

    def make(redis):
        scripts = Scripts(redis)
        if old not in scripts._scripts[move].text:
            raise LookupError(f"{move}.lua does not say {old!r} any more")
        text = scripts._scripts[move].text.replace(old, new)
        broken = replace(scripts._scripts[move], text=text)
        scripts._scripts = {**scripts._scripts, move: broken}
        return scripts

    return make


@pytest.mark.timeout(600)
@pytest.mark.parametrize("what", BREAKS)
def test_the_machine_sees_what_is_broken(new_pool, what):
    """Without this the first test proves nothing: it must be able to fail.

    The same runs each time, but for what Hypothesis picks up from the modules that are imported: hence so many.
    """
    scripts = break_script(*BREAKS[what])
    with pytest.raises((AssertionError, KeyError, ResponseError)) as found:
        run(lambda: new_pool(scripts), max_examples=3_000, derandomize=True, phases=[Phase.generate])
    assert "error loading code" not in str(found.value), "broken too much: it is no Lua any more"
