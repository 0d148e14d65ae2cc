# Everything runs in .venv, which is set up by itself and again when its inputs change.

PYTHON ?= # the Python to make .venv with, if not the first that fits
ARGS ?=   # more arguments for pytest or the demo

bin := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check format bench-voting bench-guardrail bench-comparison bench-scaling bench-kill bench-leaks studio docs notebooks build constraints clean demo-env dev-env

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile
	@echo 'Options: PYTHON=python3.12 (for .venv), ARGS="-k voting -x" (for pytest, the demo, Studio or a benchmark)'

demo: demo-env ## Run the patterns on the embedded model: no key, no network
	@$(bin)/langgraph-parallel demo $(ARGS)

test: dev-env ## Run the tests, but for the slow ones: minutes
	$(bin)/python -m pytest -m 'not slow' $(ARGS)

test-all: dev-env ## Run all tests, as CI does
	$(bin)/python -m pytest $(ARGS)

check: dev-env ## Check format, lint and types
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(bin)/pyright --pythonpath $(bin)/python

format: dev-env ## Format the code and repair what the linter can
	$(bin)/ruff check --fix --exit-zero
	$(bin)/ruff format

bench-voting: dev-env ## Replay recorded votes under every stop and rule: takes minutes
	PYTHONPATH=benchmarks:tests/support $(bin)/python -m voting

studio: dev-env ## Serve the ready-made graphs to LangGraph Studio; Ctrl-C ends it
	LANGGRAPH_CLI_NO_ANALYTICS=1 LOG_LEVEL=WARNING $(bin)/langgraph dev --n-jobs-per-worker 10 $(ARGS)

docs: dev-env ## Build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --strict --quiet

notebooks: dev-env ## Run the notebooks and store what they show
	$(bin)/jupyter-execute --inplace notebooks/*.ipynb

bench-kill: dev-env ## Kill 200 runs at random moments and resume them: takes minutes
	PYTHONPATH=benchmarks:tests/support $(bin)/python -m kill

bench-leaks: dev-env ## Look for leaks over 5,000 runs of each pattern: takes minutes
	PYTHONPATH=benchmarks:tests/support $(bin)/python -m leaks

bench-guardrail: dev-env ## Measure guardrails on the wire: takes some ten minutes
	PYTHONPATH=benchmarks:tests/support $(bin)/python -m guardrail $(ARGS)
	PYTHONPATH=benchmarks:tests/support $(bin)/python -m guardrail.picture

# The other libraries want other versions than the development tools do: an environment of its own.
bench-comparison: dev-env ## Measure other ways of doing the same: takes some five minutes
	$(bin)/python -m venv .venv/compare
	.venv/compare/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	.venv/compare/bin/python -m pip install --quiet --disable-pip-version-check -e '.[cli]' --group compare
	PYTHONPATH=benchmarks:tests/support .venv/compare/bin/python -m comparison $(ARGS)

bench-scaling: dev-env ## Measure wide fan-outs and many runs at once: takes four minutes
	PYTHONPATH=benchmarks:tests/support $(bin)/python -m scaling $(ARGS)

build: dev-env ## Build the sdist, and the wheel from it, into dist/
	rm -rf dist
	$(bin)/python -m build

constraints: dev-env ## Refresh constraints.txt with the newest versions
	$(bin)/python .ci/constraints.py

clean: ## Remove .venv and all that was built or cached
	rm -rf .venv build dist site .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

demo-env:
	@PYTHON='$(strip $(PYTHON))' sh .ci/setup demo

# On top of demo-env, so that `make -j` never runs both at once.
dev-env: demo-env
	@sh .ci/setup dev
