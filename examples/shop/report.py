"""Tell how the shop's orders stand: python -m holdfast.examples.shop.report redis://localhost:6379."""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click
from redis import Redis

from holdfast.examples.shop.ledger import Ledger
from holdfast.examples.shop.orders import Order, read_orders
from holdfast.examples.shop.produce import job_id_of, redis_at
from holdfast.examples.shop.tasks import ledger
from holdfast.jobs import Queue

_LOOK_S = 0.5
_NO_RECORD = "no record"


@dataclass(frozen=True)
class Standing:
    """What is known of some orders: RQ's word for each one's job, and how often the bank charged each."""

    statuses: Mapping[str, str]
    charges: Mapping[str, int]

    @property
    def is_done(self) -> bool:
        """Whether every order is finished and was charged once, and nothing else was charged."""
        return set(self.statuses.values()) == {"finished"} and self.charges == dict.fromkeys(self.statuses, 1)

    def __str__(self) -> str:
        """Say it in one line: `200 orders: 200 finished; 200 charged once, 0 more than once`."""
        told = ", ".join(f"{count} {status}" for status, count in sorted(Counter(self.statuses.values()).items()))
        times = list(self.charges.values())
        once = times.count(1)
        return f"{len(self.statuses)} orders: {told}; {once} charged once, {len(times) - once} more than once"


def look(connection: Redis, bank: Ledger, orders: Sequence[Order]) -> Standing:
    """Ask Redis and the bank how these orders stand.

    RQ forgets a finished job after 500 seconds; its order then has no record, and only the bank remembers it.
    """
    job_class = Queue(connection=connection).job_class
    jobs = job_class.fetch_many([job_id_of(order) for order in orders], connection)
    statuses = {
        order.order_id: job.get_status(refresh=False).value if job else _NO_RECORD
        for order, job in zip(orders, jobs, strict=True)
    }
    return Standing(statuses, bank.rows_per_order())


@click.command()
@click.argument("redis_url", envvar="RQ_REDIS_URL")
@click.option("--orders", type=click.IntRange(1), envvar="ORDERS", help="The first so many; all unless told.")
@click.option("--within", type=click.FloatRange(0), default=0, metavar="SECONDS", help="Wait so long for the last.")
def main(redis_url: str, orders: int | None, within: float) -> None:
    """Tell how the shop's orders stand on the Redis at REDIS_URL and in the ledger that SHOP_LEDGER names.

    The exit status is 0 if all are finished and each was charged once, else 1.
    """
    until = time.monotonic() + within
    try:
        bank = ledger()
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    with redis_at(redis_url) as connection:
        while not (standing := look(connection, bank, read_orders()[:orders])).is_done:
            if time.monotonic() >= until:
                break
            time.sleep(_LOOK_S)
    click.echo(standing)
    sys.exit(not standing.is_done)


if __name__ == "__main__":
    main()
