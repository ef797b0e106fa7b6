"""Enqueue the shop's orders: python -m holdfast.examples.shop.produce redis://localhost:6379."""

from collections.abc import Iterable

import click
from redis import Redis
from rq import Retry

from holdfast.examples.shop.orders import Order, read_orders
from holdfast.examples.shop.tasks import fulfil
from holdfast.jobs import Queue


def enqueue_orders(connection: Redis, orders: Iterable[Order] | None = None) -> list[str]:
    """Enqueue a job for each order, all of the shop's when none are given, and return the job ids.

    Enqueue an order once: a second enqueue of a finished one begins a new generation, which charges again.
    """
    queues = {name: Queue(name, connection=connection) for name in ("high", "default")}
    retry = Retry(max=3, interval=1)
    jobs = [
        queues[order.queue].enqueue(fulfil, order.order_id, order.cents, job_id=f"fulfil-{order.order_id}", retry=retry)
        for order in (read_orders() if orders is None else orders)
    ]
    return [job.id for job in jobs]


@click.command()
@click.argument("redis_url")
def main(redis_url: str) -> None:
    """Enqueue every order of the shop on the Redis at REDIS_URL."""
    with Redis.from_url(redis_url) as connection:
        job_ids = enqueue_orders(connection)
    click.echo(f"enqueued {len(job_ids)} orders")


if __name__ == "__main__":
    main()
