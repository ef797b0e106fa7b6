"""Becomes a worker of one system, in its environment and on its core.

python -m benchmarks.worker ADAPTER
"""

from __future__ import annotations

import os
import sys

from benchmarks.client import load

if __name__ == "__main__":
    line = load(sys.argv[1]).worker()
    os.execv(line[0], line)  # noqa: S606 - a command line of ours, not of a person
