# Sluice's front door. Every target sets up what it needs: Python >= 3.11 and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
INSTALL = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
  echo "Sluice needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 2; } && \
  $(PYTHON) -m sandbox.install $(VENV)
export PYTHONUNBUFFERED = 1
# Bytecode that is not written is compiled again by each of the dozen processes that a start or a test makes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up down reset demo acceptance test fuzz drill check format bench lock clean

help:  ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# What running needs, and what only checks and tests need besides.
$(VENV)/.installed-sandbox: requirements-sandbox.txt
	@$(INSTALL) $<
	@touch $@

$(VENV)/.installed: requirements-dev.txt
	@$(INSTALL) $<
	@touch $(VENV)/.installed-sandbox $@

up: $(VENV)/.installed-sandbox  ## Start all of Sluice on this machine (Ctrl-C stops it)
	@$(BIN)/python -m sandbox up

down: $(VENV)/.installed-sandbox  ## Stop what "make up" started
	@$(BIN)/python -m sandbox down

reset: $(VENV)/.installed-sandbox  ## Stop it and delete its data
	@$(BIN)/python -m sandbox reset

demo: $(VENV)/.installed-sandbox  ## Walk the whole journey against a running "make up"
	@$(BIN)/python -m sandbox demo

acceptance: $(VENV)/.installed  ## Walk from a push to a zip or deployment on real AWS, and remove everything (ARGS=--help)
	@$(BIN)/python -m acceptance $(ARGS)

test: $(VENV)/.installed  ## Run every test (gets itself a browser if there is none)
	@$(BIN)/python -m tests.browser.get_browser
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

fuzz: $(VENV)/.installed  ## Send the API whatever comes to mind, at length (EXAMPLES=500)
	@EXAMPLES=$${EXAMPLES:-500} $(BIN)/python -m pytest tests/api/test_description.py tests/api/test_fuzz.py $(ARGS)

drill: $(VENV)/.installed  ## Push while workers are killed and stores hang: nothing is lost (ARGS=--help)
	@$(BIN)/python -m drill $(ARGS)

check: $(VENV)/.installed  ## Format, lint, types, imports, templates, policies, migrations, deployment settings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	CHECK=1 $(BIN)/mypy
	$(BIN)/cfn-lint "cfn_templates/**/*.yaml"
	$(BIN)/python -m deployers.policies
	git ls-files -z -- '*.html' | xargs -0 --no-run-if-empty $(BIN)/djade --target-version 5.2 --check
	CHECK=1 $(BIN)/python manage.py makemigrations --check --dry-run
	CHECK=1 $(BIN)/python manage.py check --deploy --fail-level WARNING

format: $(VENV)/.installed  ## Put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files -z -- '*.html' | xargs -0 --no-run-if-empty $(BIN)/djade --target-version 5.2

bench: $(VENV)/.installed  ## Measure what docs promise about speed
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(VENV)/.installed  ## Compile the hashed requirements from pyproject.toml
	$(UV_COMPILE) --group dev pyproject.toml -o requirements-dev.txt $(ARGS)
	$(UV_COMPILE) --constraint requirements-dev.txt --group sandbox pyproject.toml -o requirements-sandbox.txt $(ARGS)
	$(UV_COMPILE) --constraint requirements-dev.txt pyproject.toml -o requirements.txt $(ARGS)
	printf 'asyncssh\nisal\npygit2\n' | $(UV_COMPILE) --constraint requirements-dev.txt - -o lambdas/git_pull/requirements.txt $(ARGS)
	printf 'cryptography\n' | $(UV_COMPILE) --constraint requirements-dev.txt - -o lambdas/zip_download/requirements.txt $(ARGS)
	printf 'pyyaml\n' | $(UV_COMPILE) --constraint requirements-dev.txt - -o lambdas/deploy/requirements.txt $(ARGS)

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
