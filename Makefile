# A fresh machine needs Python 3.11 with pip, make and nothing else.
#   make demo    set up, then the main job from start to stop
#   make test    set up, then all tests
#   make check   set up, then what CI checks beside the tests
# With a language model, in an environment of its own (2.9 GB; PyTorch and vLLM, on the CPU):
#   make demo-llm    set up, then a chat with a tiny model whose words are noise
#   make test-llm    set up, then the tests of vLLM on Ray Serve
#   make bench-llm   set up, then what Ray Serve and HTTP cost over the bare engine
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help setup demo test check lock docs clean setup-llm demo-llm test-llm bench-llm

UV_VERSION := 0.13.8
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV ?= $(or $(shell command -v uv),$(CURDIR)/.tools/bin/uv)
PIN := .venv/bin/python
STAMP := .venv/.mirix-stamp
# What the environment was built from; a moved checkout or another lock builds it anew.
WANTED = $(CURDIR) $(shell sha256sum requirements.lock Makefile | sha256sum | cut -d' ' -f1)
LLM_PIN := .venv-llm/bin/python
LLM_STAMP := .venv-llm/.mirix-stamp
LLM_WANTED = $(CURDIR) $(shell sha256sum requirements-cpu-llm.lock Makefile | sha256sum | cut -d' ' -f1)
TORCH_VERSION := 2.13.0
# Never-true markers and other exceptions stand in files: the project's own are for `setup` alone.
COMPILE = "$(UV)" pip compile pyproject.toml --python-version 3.11 --no-emit-index-url \
	--generate-hashes --no-header --no-annotate --quiet

# uv is taken from PyPI when it is missing, into a folder of its own.
define FETCH_UV
if [ ! -x "$(UV)" ]; then
	echo "fetching uv $(UV_VERSION)"
	"$(PYTHON)" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
		--no-warn-script-location --upgrade --target .tools "uv==$(UV_VERSION)"
fi
endef

define CHECK_PYTHON
if ! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
	echo "Python 3.11 is needed; name it with: make PYTHON=/path/to/python3.11 $@" >&2
	exit 1
fi
endef

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@if [ "$$(cat $(STAMP) 2>/dev/null || true)" = "$(WANTED)" ]; then exit 0; fi
	$(CHECK_PYTHON)
	$(FETCH_UV)
	echo "setup: the environment of requirements.lock"
	"$(UV)" venv --quiet --clear --python "$(PYTHON)" .venv
	"$(UV)" pip sync --quiet --python $(PIN) --require-hashes requirements.lock
	$(PIN) .ci/link_project.py
	$(PIN) -m actors.onnx_install
	echo "$(WANTED)" > $(STAMP)

demo: setup
	@$(PIN) -m cluster.demo

test: setup
	@$(PIN) -m pytest

check: setup
	@.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(PIN) -m pytest tests/unit/test_house.py

# PyTorch is not in the lock: its CPU build has a version that package indexes don't list. pip finds
# the file where the machine says that it lies; elsewhere it takes the build for GPUs, several GB.
setup-llm:
	@if [ "$$(cat $(LLM_STAMP) 2>/dev/null || true)" = "$(LLM_WANTED)" ]; then exit 0; fi
	$(CHECK_PYTHON)
	$(FETCH_UV)
	echo "setup-llm: the environment of requirements-cpu-llm.lock"
	"$(UV)" venv --quiet --clear --python "$(PYTHON)" .venv-llm
	"$(UV)" pip sync --quiet --python $(LLM_PIN) --require-hashes requirements-cpu-llm.lock
	"$(PYTHON)" -m pip --python $(LLM_PIN) install --quiet --disable-pip-version-check \
		--root-user-action=ignore --no-warn-conflicts "torch==$(TORCH_VERSION)"
	$(LLM_PIN) .ci/link_project.py
	$(LLM_PIN) -m actors.onnx_install
	echo "$(LLM_WANTED)" > $(LLM_STAMP)

demo-llm: setup-llm
	@$(LLM_PIN) -m cluster.demo --llm

test-llm: setup-llm
	@$(LLM_PIN) -c 'import vllm' >/dev/null
	$(LLM_PIN) -m pytest tests/llm

bench-llm: setup-llm
	@.venv-llm/bin/mirix bench llm

lock:
	@$(FETCH_UV)
	$(COMPILE) --group dev -o requirements.lock
	# Where they can, the others take the same versions: a lock that is there is preferred.
	cp requirements.lock requirements-cpu-llm.lock
	$(COMPILE) --group dev --extra cpu-llm --no-config --override .ci/overrides-cpu-llm.txt \
		-o requirements-cpu-llm.lock
	cp requirements.lock requirements-gpu.lock
	$(COMPILE) --extra gpu --no-config --override .ci/overrides-gpu.txt \
		--python-platform x86_64-manylinux_2_28 -o requirements-gpu.lock

docs: setup
	@$(PIN) -m events.catalogue_page > docs/events.md

clean:
	@rm -rf .venv .venv-llm .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
