"""Runs jobs."""

from holdfast.workers.at_start import knock
from holdfast.workers.worker import Worker

__all__ = ["Worker"]

knock()
