"""A Worker class as another system than Linux has it: what only Linux brings is taken away before it is imported."""

import os
import sys

for name in ("pidfd_open", "waitid", "pipe2"):
    if hasattr(os, name):
        delattr(os, name)
sys.platform = "darwin"

from holdfast.workers import Worker  # noqa: E402 - only now

__all__ = ["Worker"]
