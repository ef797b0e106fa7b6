"""Runs jobs."""

from holdfast.workers.worker import Worker

__all__ = ["Worker"]
