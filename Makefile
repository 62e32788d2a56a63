# Everything a developer does. `make` alone lists the targets.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
MINUTES ?= 30
EXECUTIONS ?= 1000000
CASES ?= 1000
WORKERS ?= 2
INSTANCES ?= 1

.DEFAULT_GOAL := help
.PHONY: help install up down status logs reset test test-s3 lint bench faults mutants fuzz lock audit

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## the Python environment, and the servers in the cache of the user
	@$(BIN)/python -m devstack install

up: $(STAMP) ## start Kafka, MongoDB, MinIO and the registry
	@$(BIN)/python -m devstack up

down: $(STAMP) ## stop them; the data stays
	@$(BIN)/python -m devstack down

status: $(STAMP) ## what runs
	@$(BIN)/python -m devstack status

logs: $(STAMP) ## follow the logs; of one process: make logs NAME=gateway
	@$(BIN)/python -m devstack logs $(NAME)

reset: $(STAMP) ## stop everything and delete all data (asks first)
	@$(BIN)/python -m devstack reset

test: lint ## lint, then all tests on servers of their own, by two workers; other numbers: make test WORKERS=1
	@$(BIN)/python -m devstack install --test-tools
	$(BIN)/python -m pytest tests -m "not alone" --numprocesses $(WORKERS)
	$(BIN)/python -m pytest tests/faults -m alone

test-s3: $(STAMP) ## the tests of blobs on an S3 server that is not MinIO (compiles versitygw the first time: 2 minutes)
	TEST_S3=versitygw $(BIN)/python -m pytest tests/integration/test_blobs.py tests/integration/test_collection.py \
		tests/integration/test_staging.py

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP) ## measure, on servers of its own
	@$(BIN)/python -m devstack install
	$(BIN)/python -m benchmarks

faults: $(STAMP) ## half an hour of faults under load; other lengths: make faults MINUTES=5 SEED=1 INSTANCES=2
	@$(BIN)/python -m devstack install
	$(BIN)/python -m tests.faults --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) --instances $(INSTANCES)

mutants: $(STAMP) ## plant bugs, one after the other, and show that a run of the fault suite finds each (half an hour)
	@$(BIN)/python -m devstack install
	tests/faults/mutants.sh

fuzz: $(STAMP) ## hostile records for the decoder and requests for each call; fewer: make fuzz EXECUTIONS=10000 CASES=20
	$(BIN)/python -m tests.fuzz $(EXECUTIONS)
	@$(BIN)/python -m devstack install
	FUZZ_CASES=$(CASES) $(BIN)/python -m pytest tests/e2e/test_hostile_requests.py

LOCK = $(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes --no-emit-find-links --no-emit-index-url --strip-extras

lock: $(STAMP) ## resolve the dependencies of pyproject.toml anew
	$(LOCK) --output-file=requirements.txt pyproject.toml
	$(LOCK) --constraint=requirements.txt --extra=dev --output-file=requirements-dev.txt pyproject.toml

audit: $(STAMP) ## look the locked dependencies up among known weaknesses; needs the network
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements.txt --requirement requirements-dev.txt

# The stamp is newer than both locks when everything in them is installed.
$(STAMP): requirements.txt requirements-dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
		echo "The command '$(PYTHON)' is missing. Install Python 3.11 or newer, or: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$$($(PYTHON) --version) is too old. Python 3.11 or newer is needed: make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "making .venv"; $(PYTHON) -m venv .venv || { \
		echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu the package python3-venv is needed." >&2; rm -rf .venv; exit 1; }; }
	@echo "installing the Python packages into .venv (1 to 2 minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
