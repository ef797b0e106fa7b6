"""The bank: the part of the world that a job changes, and that knows nothing of Redis."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

# Nothing here is unique but the receipt. A real bank would refuse a key it has seen;
# this one takes the money again, so that a job that charges twice is caught.
CHARGES = """
CREATE TABLE charges (
    receipt INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id TEXT NOT NULL,
    cents INTEGER NOT NULL,
    idempotency_key TEXT NOT NULL
)
"""


class Ledger:
    """Every charge the bank has made, in an SQLite file that many processes may use at once.

    The file is made when it is missing; its folder must exist. Any call raises sqlite3.OperationalError
    when the file stays locked for 10 seconds.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            self._make()

    def charge(self, order_id: str, cents: int, idempotency_key: str) -> int:
        """Take the money and return the number of the receipt."""
        receipt: int
        with self._connection() as connection:
            (receipt,) = connection.execute(
                "INSERT INTO charges (order_id, cents, idempotency_key) VALUES (?, ?, ?) RETURNING receipt",
                (order_id, cents, idempotency_key),
            ).fetchone()
        return receipt

    def find(self, idempotency_key: str) -> int | None:
        """Return the first receipt written under this key, or None if there is none."""
        receipt: int | None
        with self._connection() as connection:
            (receipt,) = connection.execute(
                "SELECT min(receipt) FROM charges WHERE idempotency_key = ?", (idempotency_key,)
            ).fetchone()
        return receipt

    def rows_per_order(self) -> dict[str, int]:
        """Count the charges of each order that has any. More than 1 is a customer charged twice."""
        with self._connection() as connection:
            rows = connection.execute("SELECT order_id, count(*) FROM charges GROUP BY order_id").fetchall()
        return dict(rows)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # One for each call: workers fork, and an SQLite connection must not cross a fork.
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            yield connection

    def _make(self) -> None:
        # Made aside and linked into place: workers start together, and those that meet while
        # a file is switched to WAL are refused at once, whatever timeout they brought.
        with TemporaryDirectory(dir=self.path.parent) as folder:
            draft = Path(folder, "ledger")
            with closing(sqlite3.connect(draft)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(CHARGES)
            with suppress(FileExistsError):
                self.path.hardlink_to(draft)
