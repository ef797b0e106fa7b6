"""What the README shows first is true: run as it stands there."""

import os
import re
from pathlib import Path

import pytest
import rq

pytestmark = pytest.mark.processes

README = Path(__file__).parents[2] / "README.md"
BANK = """
import os, pathlib

def charge(order_id, cents, idempotency_key):
    with open(os.environ["BANK_BOOK"], "a") as book:
        book.write(f"{order_id} {cents} {idempotency_key}\\n")
    if pathlib.Path(os.environ["BANK_BOOK"] + ".kill").exists():
        pathlib.Path(os.environ["BANK_BOOK"] + ".kill").unlink()
        os.kill(os.getpid(), 9)
    return "receipt"
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Put the README's tasks.py and a bank where workers find them, and give the bank's book."""
    code = re.search(r"```python\n(# tasks\.py\n.*?)```", README.read_text("utf-8"), re.DOTALL)[1]
    (tmp_path / "tasks.py").write_text(code, "utf-8")
    (tmp_path / "bank.py").write_text(BANK, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("BANK_BOOK", str(tmp_path / "book"))
    return Path(os.environ["BANK_BOOK"])


def test_the_four_lines_of_the_readme_charge_once(start_worker, redis, book, wait_until):
    """The bank hears of the order once, and the job ends well."""
    queue = rq.Queue(connection=redis)
    job = queue.enqueue("tasks.charge", "A-1", 500)
    start_worker()
    wait_until(lambda: job.get_status() == "finished")
    assert [line.split()[:2] for line in book.read_text("utf-8").splitlines()] == [["A-1", "500"]]


def test_the_four_lines_of_the_readme_stop_when_they_cannot_know(start_worker, redis, book, wait_until):
    """INV-07: the worker's horse dies between the charge and its record: once in the book, and in doubt."""
    book.with_name("book.kill").touch()
    job = rq.Queue(connection=redis).enqueue("tasks.charge", "A-2", 700)
    start_worker()
    wait_until(lambda: job.get_status() == "failed")
    assert redis.hget(job.key, "hf_dead") == b"in_doubt"
    assert len(book.read_text("utf-8").splitlines()) == 1
