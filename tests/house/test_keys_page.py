"""docs/keys.md shows an operator every key and every field of ours, as the code spells them."""

import re

import pytest

from holdfast.jobs.store.keys import FAMILIES

FIELD = re.compile(r"\bhf_[a-z]+(?:_[a-z]+)*_?:?")
ROW = re.compile(r"^\| `((?:rq|holdfast):[^`]*)` \| (\w+) \| (.+) \|$", re.MULTILINE)
SHOWN = re.compile(r"^\| (`hf_[^|]+) \|", re.MULTILINE)


def fields_shown(page):
    """Name the fields of a page's tables; `hf_move_0` is one of many, `hf_effect:NAME` takes a name."""
    cells = " ".join(SHOWN.findall(page))
    return {re.sub(r"\d+$|(?<=:)NAME$", "", name) for name in re.findall(r"`([^`]+)`", cells)}


def fields_spelled(house):
    texts = [source.text for source in house.python("jobs", "recovery", "workers")]
    return {name for text in [*texts, *house.lua().values()] for name in FIELD.findall(text)}


@pytest.fixture
def page(house):
    return house.pages()["docs/keys.md"]


def test_the_page_shows_every_key_with_its_type_and_sentence(page):
    """In the order of keys.py, RQ's first."""
    assert ROW.findall(page) == [(key.spelling, key.kind, key.sentence) for key in FAMILIES.values()]


def test_the_page_shows_every_field_of_ours_and_no_other(page, house):
    """A person who reads a record with redis-cli finds each name explained. `hf_` alone is prose."""
    assert fields_shown(page) == fields_spelled(house) - {"hf_"}


def test_a_field_is_seen_however_it_is_spelled():
    """In a table a number or a name stands for many; in code the prefix does."""
    assert fields_shown("| `hf_move_0` … `hf_move_15` | x |\n| `hf_effect:NAME` | y |\n") == {"hf_move_", "hf_effect:"}
    assert FIELD.findall("'hf_move_' .. n, job.hf_fence, b'hf_beat'") == ["hf_move_", "hf_fence", "hf_beat"]
