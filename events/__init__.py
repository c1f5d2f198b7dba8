"""The log: the only truth.

What happened (`catalogue`, `memory`), how it is written (`envelope`, `codec`, `sealing`), where it
is kept (`log` is the port; `jetstream` and `memory_log` implement it) and how typed events go in
and out (`journal`). Nothing here knows what the events mean to anybody.
"""
