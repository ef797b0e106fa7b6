# All set-up happens inside: Python 3.11 or newer with venv is enough.

ifndef PYTHON
PYTHON := $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
endif
# Test processes at a time: on two cores three, since tests wait as long as they work. Files are kept whole: a private
# server serves one file's tests.
WORKERS ?= 3
# More words for the command at hand: make test ARGS='-k claim', make chaos ARGS='--minutes 30'
ARGS ?=

BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test sweep chaos bench rq-suite lint venv clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## run a shop on three workers, hurt them, count the charges (a minute)
	@$(BIN)/holdfast demo $(ARGS)

test: $(READY) ## run every test but the slow ones (nine minutes)
	$(BIN)/pytest -m 'not slow' -n $(WORKERS) --dist loadfile $(ARGS)

sweep: $(READY) ## kill a worker at every request it makes (several minutes)
	$(BIN)/holdfast chaos sweep $(ARGS)

chaos: $(READY) ## storms in a simulation of the shipped code: ten minutes, or ARGS='--minutes 60'
	$(BIN)/holdfast chaos run --both --minutes 10 $(ARGS)

bench: $(READY) ## measure us beside our peers: twenty minutes, or ARGS=--quick
	@$(BIN)/python -m benchmarks.environments
	@.bench/own/bin/python -m benchmarks $(ARGS)

rq-suite: $(READY) ## run RQ's own tests with our Worker and Queue in place of RQ's (two minutes)
	$(BIN)/python -m tests.drop_in.suite $(ARGS)

lint: $(READY) ## hold the house rules: floors, headers, types, ruff
	$(BIN)/pytest tests/house $(ARGS)

venv: $(READY) ## make .venv with everything the above needs

clean: ## remove what the above made
	rm -rf .venv .bench build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# Made anew when pyproject.toml changes, and marked ready only when all of it worked.
$(READY): pyproject.toml
	@test -n '$(PYTHON)' || { \
		echo 'Holdfast needs Python 3.11 or newer, and found: '"$$(python3 --version 2>/dev/null || echo none)." >&2; \
		echo 'Install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python),' >&2; \
		echo 'or name it: make PYTHON=/path/to/python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo '$(PYTHON) is '"$$($(PYTHON) --version 2>&1 | head -n 1)"'; Holdfast needs Python 3.11 or newer.' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo '$(PYTHON) cannot make virtual environments: its venv module is not installed.' >&2; \
		echo 'Install it (Debian, Ubuntu: apt-get install python3-venv) and run make again.' >&2; exit 1; }
	@echo 'Setting up .venv; this is done once and takes about a minute.'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
