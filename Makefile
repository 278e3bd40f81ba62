# Every target works on a fresh machine: the first one that runs builds .venv with nothing but Python and its pip.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format docs dist screenshots chaos bench bench-full clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/ready  ## sync a simulated Plex server into a temporary database and query it
	$(BIN)/retrovue-daemon demo

# The tests start hundreds of processes. If the environment forbids bytecode files, as in many containers, each process
# would compile the package again.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/ready  ## run the tests
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/ready  ## format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/ready  ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/ready  ## write docs/cli.md, the figures of docs/reliability.md and the API's openapi.json anew
	$(BIN)/python -m retrovue_daemon.cli.reference > docs/cli.md.new
	mv docs/cli.md.new docs/cli.md
	$(BIN)/python -m retrovue_daemon.web.api.description > docs/openapi.new
	mv docs/openapi.new retrovue_daemon/web/api/openapi.json
	$(BIN)/python -m tests.chaos.page

screenshots: $(VENV)/ready  ## take the pictures of the page in README.md from a real run; needs Debian's package chromium
	$(BIN)/python -m tests.screenshots

dist: $(VENV)/ready  ## build the sdist and the wheel of this version, in dist/
	rm -rf dist
	$(BIN)/python -m hatchling build

# SEED, TRIALS, JOBS, ONLY (a kind of trial), FIGURES (a file in which figures add up); CHAOS for further options.
CHAOS_OPTIONS = $(if $(SEED),--seed $(SEED)) $(if $(TRIALS),--trials $(TRIALS)) $(if $(JOBS),--jobs $(JOBS)) \
  $(if $(ONLY),--only $(ONLY)) $(if $(FIGURES),--figures $(FIGURES)) $(CHAOS)

chaos: $(VENV)/ready  ## play random faults, kills and copies for SECONDS=60, from SEED=; see CONTRIBUTING.md
	$(BIN)/python -m tests.chaos --seconds $(or $(SECONDS),60) $(CHAOS_OPTIONS)

bench: $(VENV)/bench  ## measure the daemon beside a bare script and python-plexapi, in ten minutes
	$(BIN)/python -m benchmarks $(BENCH)

bench-full: $(VENV)/bench  ## the same with up to a million episodes, in a quarter of an hour; draws docs/growth.png
	$(BIN)/python -m benchmarks --full --plot docs/growth.png $(BENCH)

clean:  ## remove the virtual environment, dist/ and all caches
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Some distributions ship Python's venv without what it puts pip in with; then the system's own pip does it.
$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "retrovue_daemon needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "setting up $(VENV), once; this takes a minute"
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
	  $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	  $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check pip; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/bench: $(VENV)/ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@
