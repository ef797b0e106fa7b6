"""One run of docker-compose.yml under a project name of its own, asked and hurt from outside by `docker`."""

import json
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

FILE = Path(__file__).parents[2] / "docker-compose.yml"
#: Longer than the first build takes where images come from far away.
BUILD_S = 600
#: For any other command; the longest waits out a stop_grace_period.
COMMAND_S = 120


def why_there_is_no_compose():
    """Say what is missing for `docker compose` to read a file, or nothing."""
    if not shutil.which("docker"):
        return "docker is not installed"
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        return "docker has no `docker compose`: its plugin is not installed"
    return ""


def why_there_is_no_engine():
    """Say what is missing for containers to run, or nothing."""
    if missing := why_there_is_no_compose():
        return missing
    asked = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    return f"no docker engine answers: {asked.stderr.strip().splitlines()[-1:]}" if asked.returncode else ""


def until(holds, what, within_s=30):
    """Give the first true answer of `holds()`."""
    end = time.monotonic() + within_s
    while not (answer := holds()):
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.1)
    return answer


class Stack:
    """The services of docker-compose.yml. What is left of them is removed by `down`."""

    def __init__(self, **environment):
        self.project = f"holdfast-test-{secrets.token_hex(4)}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        self._environment = kept | environment

    def docker(self, *words, timeout=COMMAND_S):
        """Run docker, and give what it wrote; a failure tells what it said."""
        ran = subprocess.run(
            ["docker", *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert ran.returncode == 0, f"docker {' '.join(words)}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stdout.strip()

    def compose(self, *words, timeout=COMMAND_S):
        return self.docker("compose", "-p", self.project, "-f", str(FILE), *words, timeout=timeout)

    def config(self):
        """Read the file as compose does, with every service."""
        return json.loads(self.compose("--profile", "*", "config", "--format", "json"))

    def up(self, workers):
        """Return when all are healthy."""
        self.compose("up", "--build", "--wait", "--scale", f"worker={workers}", timeout=BUILD_S)

    def down(self):
        """Remove containers, networks and volumes, whatever has happened."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "1")

    def workers(self):
        return self.compose("ps", "--quiet", "worker").splitlines()

    def redis_cli(self, *words):
        return self.compose("exec", "-T", "redis", "redis-cli", *words)

    def inspect(self, container, template):
        return self.docker("inspect", "--format", template, container)

    def logs(self):
        return self.compose("logs", "--no-color", "--no-log-prefix", "worker", "keeper")
