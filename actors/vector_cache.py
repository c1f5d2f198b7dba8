"""Vectors of texts that were embedded lately, so that an identical text costs nothing."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict

from actors.embedding import Vectors

#: 6 MB of vectors with 384 numbers each.
REUSED_VECTORS_MAX = 4096


class VectorCache:
    """Vectors of recent texts, by a keyed hash of model and text.

    In memory only, and the key is this process's: nobody can ask it for a text that is not
    embedded again anyway, and what somebody said cannot be found out from what is kept.
    """

    def __init__(self, vectors_max: int = REUSED_VECTORS_MAX) -> None:
        self._vectors_max = vectors_max
        self._key = secrets.token_bytes(32)
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()

    def __len__(self) -> int:
        return len(self._vectors)

    def get(self, model: str, text: str, *, alone: bool) -> Vectors | None:
        """Return a vector; that of a text `alone` does not depend on what came before it."""
        for kind in (True,) if alone else (False, True):
            digest = self._digest(model, text, kind)
            if digest in self._vectors:
                self._vectors.move_to_end(digest)
                return self._vectors[digest]
        return None

    def put(self, model: str, text: str, vector: Vectors, *, alone: bool) -> None:
        """Keep a vector, float32 [dimension]; the one that was not asked for longest goes."""
        self._vectors[self._digest(model, text, alone)] = vector.copy()  # not its whole run's
        if len(self._vectors) > self._vectors_max:
            self._vectors.popitem(last=False)

    def _digest(self, model: str, text: str, alone: bool) -> bytes:
        digest = hashlib.blake2b(f"{model}\0{alone}\0".encode(), key=self._key, digest_size=16)
        digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.digest()
