"""A server that speaks OpenAI's and Anthropic's protocols and misbehaves when told to.

`behaviour.py` says what it can do wrong, `spoken.py` how an answer is put in each protocol,
`server.py` runs it on a port of its own. `python -m tests.misbehaving` runs it alone.
"""

from tests.misbehaving.behaviour import Behaviour, Faults
from tests.misbehaving.server import Asked, MisbehavingServer

__all__ = ["Asked", "Behaviour", "Faults", "MisbehavingServer"]
