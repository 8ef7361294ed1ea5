# What is done with this repository. `make demo` is the first thing to try; everything installs what it needs.
#
# Make's own names are relative, so that the repository may lie at a path with a space in it.

PYTHON ?= python3
ARGS ?=
# Tests wait for servers half of their time: half as many again as there are cores.
WORKERS ?= $$(( ($$(nproc) * 3 + 1) / 2 ))

BIN := .venv/bin
INSTALLED := .venv/.installed
LOCKS := bootstrap.lock requirements.lock pyproject.toml
PACKAGES := pilar pilar_cli pilar_pipelines webhook_ingest provider_sandbox

.DEFAULT_GOAL := help
.PHONY: help demo up down test test-all lint format bench clean clean-all

help:
	@echo "make demo [ARGS='--studios 20 --exit']   the whole system at work on this machine, with simulated providers"
	@echo "make up                                  PILAR with real providers; settings: .venv/bin/pilar doctor"
	@echo "make down                                end what make demo or make up has left running"
	@echo "make test                                lint and tests;  make test-all: the slow ones too"
	@echo "make format | bench | clean | clean-all"

demo: $(INSTALLED)
	@exec $(BIN)/pilar demo $(ARGS)

up: $(INSTALLED)
	@exec $(BIN)/pilar up $(ARGS)

down: $(INSTALLED)
	@exec $(BIN)/pilar down $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES:%=-p %)
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint definitions
	$(BIN)/pytest -n $(WORKERS) -m "not slow" $(ARGS)

test-all: lint definitions browser redis
	PILAR_TEST_THOROUGH=1 $(BIN)/pytest -n $(WORKERS) $(ARGS)

.PHONY: definitions browser redis
definitions: $(INSTALLED)
	$(BIN)/dagster definitions validate -m pilar_pipelines.definitions

# The pages are looked at with a real browser.
browser:
	@command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    apt-get update -q && apt-get install -q -y --no-install-recommends chromium chromium-driver; \
	  else echo "Install chromium and chromium-driver: the browser's tests need them." >&2; exit 1; fi; }

# The locks are tried in front of a real Redis, which is killed, paused and emptied.
redis:
	@command -v redis-server >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    apt-get update -q && apt-get install -q -y --no-install-recommends redis-server; \
	  else echo "Install redis-server (7 or later): the locks' tests need it." >&2; exit 1; fi; }

# Each benchmark is a module or a package of its own; all are run, and one that falls short fails the whole.
bench: $(INSTALLED)
	@failed=0; for file in benchmarks/*.py benchmarks/*/__main__.py; do \
	  grep -qs '^if __name__ == "__main__"' "$$file" || continue; \
	  name=$${file#benchmarks/}; name=$${name%/__main__.py}; name=$${name%.py}; echo "== $$name" >&2; \
	  $(BIN)/python -m "benchmarks.$$name" --json $(ARGS) || failed=1; \
	done; exit $$failed

# uv installs everything else, from the lock and nothing but the lock. Where HOME can't be written to, its cache lies
# with our own state; and a .venv that was made elsewhere, or by a Python that is gone, is made anew.
$(INSTALLED): $(LOCKS)
	@set -eu; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PILAR needs Python 3.11 or newer: make PYTHON=python3.11 …")'; \
	if [ -z "$${UV_CACHE_DIR:-}" ] && ! { [ -n "$${HOME:-}" ] && mkdir -p "$$HOME/.cache" 2>/dev/null && [ -w "$$HOME/.cache" ]; }; then \
	  export UV_CACHE_DIR="$$PWD/.pilar/cache/uv" PIP_NO_CACHE_DIR=1; fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then $(PYTHON) -m venv --clear .venv; fi; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bootstrap.lock; \
	export VIRTUAL_ENV="$$PWD/.venv"; \
	$(BIN)/python -m uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock; \
	$(BIN)/python -m uv pip install --quiet --no-build-isolation --no-deps --editable .; \
	touch $@

clean:
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -path ./.venv -prune -o -path ./.pilar -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

clean-all: clean
	@if [ -x $(BIN)/pilar ]; then $(BIN)/pilar down --delete; fi
	@rm -rf .venv .pilar
