"""The nine deciders: what each agent concludes from an event, on its projection alone.

`base` is their shape; `memory` serves the six tier owners (with `core_memory`'s rewriting of full
blocks), `chat`, `search` and `tool` the rest; `table` names all nine.
"""
