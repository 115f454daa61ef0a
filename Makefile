# Two commands for a new user: `make demo` and `make test`. Both set up .venv first, once.
PYTHON := .venv/bin/python
PYTEST_ARGS ?=

.PHONY: setup demo test lint clean distclean

setup:
	@bash scripts/setup_env.sh

demo: setup
	@.venv/bin/samadapt demo

test: setup
	@$(PYTHON) -m pytest $(PYTEST_ARGS)

lint: setup
	@$(PYTHON) -m ruff check src tests scripts
	@$(PYTHON) -m mypy

# Build and test leftovers; your data, outputs and the environment stay.
clean:
	@rm -rf build dist src/*.egg-info .pytest_cache .ruff_cache .mypy_cache
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	@rm -rf .venv .tools
