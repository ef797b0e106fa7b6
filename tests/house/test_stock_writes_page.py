"""docs/stock-writes.md says what the table that its tests are driven by says."""

from tests.moves.stock_writes import WRITES, tables


def test_the_page_shows_every_write_and_every_state_as_they_are_tested(house):
    """A person looks there before they use a stock tool on a job of ours: no cell is a wish."""
    page = house.pages()["docs/stock-writes.md"]
    for kind, lines in tables():
        assert "\n".join(lines) in page, kind


def test_the_page_shows_no_write_that_is_not_tested(house):
    """Each row but the headings is one of the table."""
    rows = [line for line in house.pages()["docs/stock-writes.md"].splitlines() if line.startswith("|")]
    assert len(rows) == sum(len(writes) + 2 for writes in WRITES.values())
