# make serve   everything on this machine: an environment, a PostgreSQL of its own, the API
# make test    the whole suite, with processes started and killed
# make check   style, types, import contracts, then the tests: what CI runs
# make fuzz    a longer search for answers that break the contract
# make bench   the benchmarks, as tables of ratios, in some forty minutes; make bench-full the long ones, too
# make plots   pictures of what they found, for docs/ as well

PYTHON ?= python3
JOBS ?= 2
ARGS ?=
GROWTH ?=

VENV := .venv
BIN := $(VENV)/bin
PINS := pyproject.toml constraints.txt
INSTALL = $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt

.PHONY: serve test lint check fuzz bench bench-api bench-peers bench-full plots

serve: $(VENV)/.runtime
	$(BIN)/journeys-api serve $(ARGS)

# Migrations up, down, up again and checked against the models are among the tests (tests/process/test_migrations.py).
# The many processes that they start are to load what was compiled once, also where an image says otherwise.
test: $(VENV)/.development
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

fuzz: $(VENV)/.development
	$(BIN)/python -m pytest -m fuzz $(ARGS)

bench-api: $(VENV)/.bench
	$(BIN)/python benchmarks/api_calls.py $(CALLS)
	$(BIN)/python benchmarks/api_workers.py $(WORKERS)

bench-peers: $(VENV)/.bench
	$(BIN)/python benchmarks/engine_peers.py $(PEERS)

bench: bench-api bench-peers
	$(BIN)/python benchmarks/engine_steps.py $(ARGS)
	$(BIN)/python benchmarks/engine_enrolling.py $(ARGS)
	$(BIN)/python benchmarks/engine_growth.py $(GROWTH)
	$(BIN)/python benchmarks/engine_lateness.py
	$(BIN)/python benchmarks/imports.py
	$(BIN)/python benchmarks/journey_statistics.py
	$(BIN)/python benchmarks/operators.py
	$(BIN)/python benchmarks/random_picks.py
	$(BIN)/python benchmarks/plots.py
	$(BIN)/python benchmarks/mail_delivery.py
	$(BIN)/python benchmarks/worker_memory.py

# Some two hours more, with 30 GB of disk free under TMPDIR and smtp-sink on the machine.
bench-full: bench
	$(BIN)/python benchmarks/engine_growth.py --what steps,enrolling,mail --sizes 10000,100000,1000000,10000000
	$(BIN)/python benchmarks/engine_growth.py --what laps --laps 500
	$(BIN)/python benchmarks/journey_statistics.py --full
	$(BIN)/python benchmarks/operators.py --parked 5000000 --workers 0,2
	$(BIN)/python benchmarks/random_picks.py --sizes 10000,100000,1000000,10000000
	$(BIN)/python benchmarks/plots.py

plots: $(VENV)/.bench
	$(BIN)/python benchmarks/plots.py --docs

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(PINS) | $(VENV)/bin/pip
	$(INSTALL) -e .
	@touch $@

# Contains the runtime, so that either may come first.
$(VENV)/.development: $(PINS) | $(VENV)/bin/pip
	$(INSTALL) -e '.[test,check]'
	@touch $(VENV)/.runtime $@

# What the benchmarks need beside the runtime; engine_peers.py makes environments of its own for whom it compares.
$(VENV)/.bench: $(PINS) | $(VENV)/bin/pip
	$(INSTALL) -e '.[bench]'
	@touch $(VENV)/.runtime $@
