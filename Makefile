# Every target does its own set-up in .venv; `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LIQHEAT := $(BIN)/liqheat
# TypeScript and axe-core check the page; the page itself needs no node.
NODE_TOOLS := tests/system/browser/node_modules/.package-lock.json
# Tests start the program dozens of times: it is compiled once.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check lint types sql lock bench accuracy measured picture soak docs schedule clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

$(VENV)/.run: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@# What numba compiles is compiled here, once, instead of in the first run.
	@echo "Compiling the model, once."
	@LIQHEAT_HOME=$(VENV)/warm-up $(LIQHEAT) demo --days 2 > $(VENV)/warm-up.log 2>&1 || \
		{ cat $(VENV)/warm-up.log; exit 1; }
	@rm -rf $(VENV)/warm-up
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	touch $@

$(NODE_TOOLS): tests/system/browser/package-lock.json
	@if ! command -v npm > /dev/null; then \
		echo "npm is not installed: the types and the accessibility of the page are not checked."; \
	elif ! npm ci --prefix tests/system/browser --no-audit --no-fund --loglevel error; then \
		rm -rf tests/system/browser/node_modules; \
		echo "npm ci failed: the types and the accessibility of the page are not checked."; \
	fi

demo: $(VENV)/.run ## Install, simulate a market, build its maps, show where the bands are
	$(LIQHEAT) demo

test: $(VENV)/.dev ## Install and run the tests, but for those of tests/system
	$(BIN)/pytest -n 2 --dist worksteal --ignore tests/system

test-all: $(VENV)/.dev $(NODE_TOOLS) ## All tests: with browsers, servers, clusters and kills too
	$(BIN)/pytest -n 2 --dist worksteal

check: lint types sql test-all ## What CI runs: lint, types, SQL style, all tests

lint: $(VENV)/.dev ## Style of Python
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev $(NODE_TOOLS) ## Types of every package, and of the page where npm is installed
	$(BIN)/mypy
	@if [ -e $(NODE_TOOLS) ]; then tests/system/browser/node_modules/.bin/tsc --project tests/system/browser; fi

sql: $(VENV)/.dev ## Style of SQL
	$(BIN)/sqlfluff lint sql --disable-progress-bar

bench: $(VENV)/.dev ## Measure speed, memory and size; figures go to bench/README.md by hand
	$(BIN)/python -m bench

accuracy: $(VENV)/.dev ## Hold all models against recorded liquidations: make accuracy DATA=<folder>; writes docs/accuracy.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.accuracy --data $(DATA) --ship

measured: $(VENV)/.dev ## Hold all models against recorded measured positions: make measured DATA=<folder>; writes docs/measured.md
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.measured --data $(DATA)

picture: $(VENV)/.dev ## Take README's picture of the page (needs chromium)
	$(BIN)/python -m bench.picture docs/heatmap.png

soak: $(VENV)/.dev ## Long proofs: examples no test has seen, publishing under readers, faults and kills, damaged inputs, recovery of known truths, answers of the cookbook
	for round in 1 2 3 4 5 6 7 8 9 10; do \
		$(BIN)/pytest -n 2 -q -m hypothesis --hypothesis-profile other_examples || exit 1; \
	done
	$(BIN)/python -m bench.publishing
	$(BIN)/python -m bench.kills
	$(BIN)/python -m bench.soak
	$(BIN)/python -m bench.fuzz
	$(BIN)/python -m bench.recovery
	$(BIN)/python -m bench.position_kills
	$(BIN)/python -m bench.alert_kills
	$(BIN)/python -m bench.alert_month
	$(BIN)/python -m bench.cookbook --check
	$(BIN)/python -m bench.outlet_kills
	$(BIN)/python -m bench.lake_kills
	$(BIN)/python -m bench.lake_kills --count 9 --mutant

docs: $(VENV)/.run ## Write the generated pages again
	$(LIQHEAT) tables --markdown > docs/tables.md

schedule: $(VENV)/.run ## Run the schedule on this machine until stopped
	$(LIQHEAT) schedule

lock: ## Resolve the locks again from pyproject.toml (needs uv)
	uv pip compile -q --universal --python-version 3.11 --no-emit-index-url pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --extra dev --extra cluster --extra lake pyproject.toml -o requirements-dev.lock

clean: ## Delete the environment and everything the pipeline has made here
	rm -rf $(VENV) data tests/system/browser/node_modules
