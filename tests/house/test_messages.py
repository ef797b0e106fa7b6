"""What parent and horse say to each other has one home: its words are spelled there, and nowhere else in the room."""

import ast
from typing import get_args

import pytest

from holdfast.workers.messages import FromHorse, FromParent

HOME = "workers/messages.py"
#: Who speaks for each side, and hears the other.
PARENT = ("workers/mount.py", "workers/news.py")
HORSE = ("workers/horse.py", "workers/turns.py")


def words_of(side):
    """Give the words of all messages of a side."""
    return {get_args(get_args(message)[0])[0] for message in get_args(side)}


def spelled(source):
    """Give each place where a file spells a word of the protocol by itself."""
    words = words_of(FromParent) | words_of(FromHorse)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in words:
            yield f"{source.at(node)}: {node.value!r} is {node.value.upper()} of {HOME}"


def named(source):
    """Name the words of the protocol that a file uses."""
    names = {node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(source.tree) if isinstance(node, ast.Attribute)}


def test_a_message_is_spelled_in_one_place(house):
    """Else one side could say what the other has never heard of."""
    house.finds_none(where for each in house.python("workers") if each.path != HOME for where in spelled(each))


@pytest.mark.parametrize("side", [PARENT, HORSE], ids=["parent", "horse"])
def test_either_side_knows_every_word(house, side):
    """What is said is heard, and what can be heard is said."""
    known = {name for source in house.python("workers") if source.path in side for name in named(source)}
    house.finds_none(
        f"{word.upper()} of {HOME} is in none of {', '.join(side)}"
        for word in words_of(FromParent) | words_of(FromHorse)
        if word.upper() not in known
    )


def test_a_word_is_seen_wherever_it_stands(house):
    """In a message, a comparison or a pattern."""
    sample = house.source(
        "def f(bit, message):\n    bit.say(('free', True))\n    if message[0] == 'turn':\n        pass\n"
        "    match message:\n        case ('took', *_):\n            pass\n"
    )
    assert [place.split(": ")[1].split()[0] for place in spelled(sample)] == ["'turn'", "'free'", "'took'"]
