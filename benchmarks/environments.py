"""Installs every system into an environment of its own, once: their pins on redis-py contradict each other.

    python3 -m benchmarks.environments [NAME...]

Needs nothing but Python 3.11 with venv. An environment is made anew when what it was made from changes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LISTS = ROOT / "benchmarks" / "requirements"
#: What reaches Redis in them.
CLIENTS = ("redis", "hiredis", "coredis", "kombu", "rq", "rq-holdfast")
#: Not below benchmarks/: the house's tests read every page and source there is.
HOME = ROOT / ".bench"


def python(name: str) -> Path:
    """Say where the interpreter of an environment is."""
    return HOME / name / "bin" / "python"


def install(name: str) -> str | None:
    """Make an environment unless it is ready; give what pip said if it could not be made."""
    wanted = (LISTS / f"{name}.txt").read_text("utf-8")
    if "--editable" in wanted:
        # What is installed of us is what pyproject.toml says.
        wanted += (ROOT / "pyproject.toml").read_text("utf-8")
    ready = HOME / name / "ready.txt"
    if ready.exists() and ready.read_text("utf-8") == wanted:
        return None
    print(f"Setting up {HOME.name}/{name}", flush=True)
    venv.create(HOME / name, clear=True, with_pip=True)
    line = [str(python(name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*line, "--requirement", str(LISTS / f"{name}.txt")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return done.stderr.strip() or f"pip ended with status {done.returncode}"
    ready.write_text(wanted, "utf-8")
    return None


def versions(name: str) -> str:
    """Name the packages of an environment that its list asks for, and the clients they brought, with their versions."""
    if not python(name).exists():
        return "not installed"
    line = [str(python(name)), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    told = subprocess.run(line, capture_output=True, text=True, check=False).stdout
    listed = {each["name"].lower(): each["version"] for each in json.loads(told or "[]")}
    asked = re.findall(r"^[a-z-]+", (LISTS / f"{name}.txt").read_text("utf-8"), re.MULTILINE)
    return ", ".join(f"{each} {listed[each]}" for each in sorted({*asked, *CLIENTS} & listed.keys()))


def main(names: list[str]) -> None:
    """Make those that are asked for, or all. Only the harness' own must succeed: a missing system is said to be so."""
    for name in names or sorted(file.stem for file in LISTS.glob("*.txt")):
        if (failure := install(name)) is not None:
            print(f"{name} could not be installed: {failure}", file=sys.stderr)
            if name == "own":
                sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
