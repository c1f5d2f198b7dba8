# A fresh machine needs Python 3.11 with pip, make and nothing else.
#   make demo    set up, then the main job from start to stop
#   make test    set up, then all tests
#   make check   set up, then what CI checks beside the tests
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help setup demo test check lock docs clean

UV_VERSION := 0.13.8
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV ?= $(or $(shell command -v uv),$(CURDIR)/.tools/bin/uv)
PIN := .venv/bin/python
STAMP := .venv/.mirix-stamp
# What the environment was built from; a moved checkout or another lock builds it anew.
WANTED = $(CURDIR) $(shell sha256sum requirements.lock Makefile | sha256sum | cut -d' ' -f1)

# uv is taken from PyPI when it is missing, into a folder of its own.
define FETCH_UV
if [ ! -x "$(UV)" ]; then
	echo "fetching uv $(UV_VERSION)"
	"$(PYTHON)" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
		--no-warn-script-location --upgrade --target .tools "uv==$(UV_VERSION)"
fi
endef

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@if [ "$$(cat $(STAMP) 2>/dev/null || true)" = "$(WANTED)" ]; then exit 0; fi
	if ! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
		echo "Python 3.11 is needed; name it with: make PYTHON=/path/to/python3.11 setup" >&2
		exit 1
	fi
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

lock:
	@$(FETCH_UV)
	"$(UV)" pip compile pyproject.toml --group dev --python-version 3.11 --no-emit-index-url \
		--generate-hashes --no-header --no-annotate --quiet -o requirements.lock

docs: setup
	@$(PIN) -m events.catalogue_page > docs/events.md

clean:
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
