"""The past of a shard: any state as of any position, and why it came to be.

`queries` says what can be asked; `moments` and `views` rebuild a state as of a position, `history`
explains a memory, `difference` compares two states, `events` lists the log, `stepping` walks it,
`fork` re-runs the deciders. All of it reads a log, a backup or an exported file, and never writes.
"""
