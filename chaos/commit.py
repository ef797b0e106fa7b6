"""Which code it was: the commit of the tree that this runs from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def commit() -> str:
    """Give its short name, with `+changes` where a file differs from it; `unknown` outside of a repository."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    here = str(Path(__file__).resolve().parent)

    def ask(*words: str) -> str:
        done = subprocess.run([git, "-C", here, *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    name = ask("rev-parse", "--short", "HEAD")
    changed = name and ask("status", "--porcelain", "--untracked-files=no")
    return f"{name or 'unknown'}{'+changes' if changed else ''}"
