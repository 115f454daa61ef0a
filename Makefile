# Two commands for a new user: `make demo` and `make test`. Both set up .venv first, once.
PYTHON := .venv/bin/python
PYTEST_ARGS ?=

.PHONY: env demo test lint clean distclean

env:
	@bash scripts/setup_env.sh

demo: env
	@.venv/bin/samadapt demo

test: env
	@$(PYTHON) -m pytest $(PYTEST_ARGS)

lint: env
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy src

# Leftovers of builds, tests and the demo; your data, runs and the environment stay.
clean:
	@rm -rf build dist demo_output src/*.egg-info .pytest_cache .ruff_cache .mypy_cache
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment and its tools too.
distclean: clean
	@rm -rf .venv .tools
