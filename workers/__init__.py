"""Runs jobs."""

from holdfast.workers.at_start import knock
from holdfast.workers.output import keep_low_numbers
from holdfast.workers.worker import Worker

__all__ = ["Worker"]

keep_low_numbers()
knock()
