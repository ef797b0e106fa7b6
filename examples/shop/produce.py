"""Enqueue the shop's orders: python -m holdfast.examples.shop.produce redis://localhost:6379."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click
from redis import Redis, RedisError
from rq import Retry

from holdfast.examples.shop.orders import Order, read_orders
from holdfast.examples.shop.tasks import fulfil
from holdfast.jobs import HoldfastError, Queue


def job_id_of(order: Order) -> str:
    """Spell the id of the job that fulfils an order."""
    return f"fulfil-{order.order_id}"


def enqueue_orders(connection: Redis, orders: Iterable[Order] | None = None) -> list[str]:
    """Enqueue a job for each order, all of the shop's when none are given, and return the job ids.

    Enqueue an order once: a second enqueue of a finished one begins a new generation, which charges again.
    """
    queues = {name: Queue(name, connection=connection) for name in ("high", "default")}
    retry = Retry(max=3, interval=1)
    jobs = [
        queues[order.queue].enqueue(fulfil, order.order_id, order.cents, job_id=job_id_of(order), retry=retry)
        for order in (read_orders() if orders is None else orders)
    ]
    return [job.id for job in jobs]


@contextmanager
def redis_at(url: str) -> Iterator[Redis]:
    """Give a connection for what is done in the block, and say in one sentence what Redis has against it."""
    try:
        connection = Redis.from_url(url)
    except ValueError as error:  # which would show what may be half of a password
        raise click.ClickException("that is no address of a Redis; redis://localhost:6379 is one.") from error
    try:
        with connection:
            yield connection
    except (RedisError, HoldfastError) as error:
        seen = str(error).rstrip(".")
        raise click.ClickException(f"Redis cannot be asked: {seen}. Start it, or give another address.") from error


@click.command()
@click.argument("redis_url", envvar="RQ_REDIS_URL")
@click.option("--orders", type=click.IntRange(1), envvar="ORDERS", help="The first so many; all unless told.")
def main(redis_url: str, orders: int | None) -> None:
    """Enqueue the shop's orders on the Redis at REDIS_URL."""
    with redis_at(redis_url) as connection:
        job_ids = enqueue_orders(connection, read_orders()[:orders])
    click.echo(f"enqueued {len(job_ids)} orders")


if __name__ == "__main__":
    main()
