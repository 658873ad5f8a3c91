# The front door. Everything runs from a plain checkout: Python 3.11+, Go and make are all it needs.
# The distribution's Python, where it is new enough and can make environments: it is built with profile-guided
# optimisation, which one that was compiled on this machine mostly is not, and everything takes a fifth less time.
PYTHON ?= $(shell /usr/bin/python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  && echo /usr/bin/python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SANDBOX ?= demo
NODES ?= h200=2,cpu=1
PARTS := -e '.[helm,engine,dev]'
# It installs in two seconds what takes pip a minute; pip is there for who has told only pip where packages are.
UV := uv==0.13.9
# What mypy learned in another checkout counts here too: it goes by the files' contents.
MYPY_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/llmdctl/mypy

# Some machines forbid Python to keep what it compiled: every command would compile the whole package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo demo-down test test-faults e2e-vllm lint bench update programs wheel clean

help: ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

$(STAMP): pyproject.toml hatch_build.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(UV)'
	@$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python $(PARTS) \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PARTS)
	@touch $@

programs: $(STAMP) ## fetch or build every pinned program (helm, the sandbox's control plane)
	@$(BIN)/llmdctl sandbox prepare

demo: $(STAMP) ## a control plane, pd-disaggregation on simulated H200 nodes, and what was made
	@$(BIN)/python tools/demo.py up --name $(SANDBOX) --nodes $(NODES)

demo-down: $(STAMP) ## end the demo and leave nothing behind
	@$(BIN)/python tools/demo.py down --name $(SANDBOX)

lint: $(STAMP) ## style, types, layers
	@$(BIN)/ruff check llmdctl tests tools hatch_build.py
	@$(BIN)/ruff format --check llmdctl tests tools hatch_build.py
	@$(BIN)/mypy --cache-dir '$(MYPY_CACHE)'
	@$(BIN)/lint-imports

test: lint programs ## everything: lint, unit, charts, examples, and the real control plane
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q

e2e-vllm: $(STAMP) ## a real vLLM on the CPU, compared with the simulated one (first time 6 GB and some minutes)
	@$(BIN)/python tools/vllm/run.py

test-faults: $(STAMP) programs ## break running releases on purpose: what doctor and autoscaling say of each fault
	@$(BIN)/python -m pytest -n 2 --dist loadfile -q -m faults tests/e2e

bench: $(STAMP) programs ## ratios against plain helm and a bare typer program, from one run
	@$(BIN)/python -m tests.bench

update: $(STAMP) ## regenerate everything generated
	@$(BIN)/python tools/update.py

wheel: $(STAMP) ## build wheel and sdist into dist/
	@$(BIN)/python -m build --no-isolation

clean: ## remove what builds leave in the checkout
	@rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
