# Daybook: `make run` to see it, `make test` to check it. Everything else is for those who work on it.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: run test check bench schema docs format clean help

help: ## Show what can be made.
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: $(READY) ## Start everything: database, demo data when the ledger is empty, projector, server.
	@$(BIN)/daybook run

test: $(READY) check ## Run every check and every test, from nothing.
	$(BIN)/pytest -n 2 --dist worksteal

check: $(READY) ## Format, lint, types, and the GraphQL schema against the committed one.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/daybook schema --check
	$(BIN)/python -m api.reference --check

bench: $(READY) ## Measure the work against its yardsticks, as ratios.
	$(BIN)/python -m tests.bench

schema: $(READY) ## Write the GraphQL schema and the reference pages anew.
	$(BIN)/daybook schema --write
	$(BIN)/python -m api.reference

format: $(READY) ## Format the code.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the environment and the demo's data.
	rm -rf .venv .daybook

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Daybook needs Python 3.11 or later; name one with: make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv || { echo "Python came without venv; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing into .venv (once, a minute or two) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)
