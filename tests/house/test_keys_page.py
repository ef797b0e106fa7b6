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


def fields_in(texts):
    return {name for text in texts for name in FIELD.findall(text)} - {"hf_"}  # alone it is prose


def of_jobs_and_of_workers(lua, sources):
    """Tell the fields of a job's record from those of a worker's, which one file writes and no script."""
    of_workers = fields_in(source.text for source in sources if source.path == "jobs/store/registry.py")
    of_scripts = fields_in(lua)
    return of_scripts | fields_in(source.text for source in sources) - of_workers, of_workers


@pytest.fixture
def page(house):
    return house.pages()["docs/keys.md"]


def test_the_page_shows_every_key_with_its_type_and_sentence(page):
    """In the order of keys.py, RQ's first."""
    assert ROW.findall(page) == [(key.spelling, key.kind, key.sentence) for key in FAMILIES.values()]


def test_the_page_shows_every_field_of_ours_and_no_other(page, house):
    """A person who reads a record with redis-cli finds each name explained, a worker's apart from a job's."""
    of_a_job, _, of_a_worker = page.partition("And on a worker's record")
    spelled = of_jobs_and_of_workers(house.lua().values(), house.python("jobs", "recovery", "workers"))
    assert (fields_shown(of_a_job), fields_shown(of_a_worker)) == spelled


def test_a_field_is_seen_however_it_is_spelled():
    """In a table a number or a name stands for many; in code the prefix does."""
    assert fields_shown("| `hf_move_0` … `hf_move_15` | x |\n| `hf_effect:NAME` | y |\n") == {"hf_move_", "hf_effect:"}
    assert FIELD.findall("'hf_move_' .. n, job.hf_fence, b'hf_beat'") == ["hf_move_", "hf_fence", "hf_beat"]


def test_a_name_that_both_records_have_is_wanted_in_both_tables(house):
    """`hf_born` is when a job's generation was made, or when a worker's process began."""
    signs = house.source("'hf_born', 'hf_beat'", "jobs/store/registry.py")
    looks = house.source("'hf_beat', 'hf_jitter'", "jobs/store/looks.py")
    found = of_jobs_and_of_workers(["'hf_born', x"], [signs, looks])
    assert found == ({"hf_born", "hf_jitter"}, {"hf_born", "hf_beat"})
