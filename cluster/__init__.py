"""Composition: one machine's system, the command line, and what is measured over the public API.

Everything to the left of this package is told what to use; here it is decided. `settings` reads the
environment, `data_dir` says where things lie, `system` starts and stops them, `cli*` is a thin face
over plain functions (`ingest`, `eval_retrieval`, `doctor`, ...).
"""

#: As in pyproject.toml; a checkout that is not installed has no metadata to ask.
VERSION = "0.1.0"
