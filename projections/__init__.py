"""Views of the log: pure folds of events into state.

`base` says what a projection is; one module a view: the six `tiers`, `conversations` (with the
assistant profiles), `retrieval` (words and vectors), `tool_calls`. `snapshots` keeps states on disk
so that a restart reads only the tail. The same events always give the same state and `state_hash`.
"""
