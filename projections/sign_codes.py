"""One bit a dimension: a code that tells roughly how near two vectors are.

The bit is the sign of the number. The more signs two vectors of length one have in common, the
smaller their angle is likely to be (Charikar 2002, "Similarity estimation techniques from rounding
algorithms"), and signs are counted twenty times as fast as cosines are computed. Nothing is
trained: a vector's code follows from the vector alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_WORD_BITS = 64


class SignCodes:
    """The codes of vectors by place; the last takes the place of one that is taken out.

    Args:
        dimension: of the vectors.
    """

    def __init__(self, dimension: int) -> None:
        self.size = 0
        self._padding = -dimension % _WORD_BITS
        # One row a word of 64 dimensions: the places of a row are counted in one go.
        self._words = np.zeros(((dimension + self._padding) // _WORD_BITS, 0), np.uint64)

    def add(self, vectors: npt.NDArray[np.float16]) -> None:
        """Add the codes of vectors, float16 [places, dimension], behind the last."""
        end = self.size + len(vectors)
        room = self._words.shape[1]
        if end > room:
            more = np.zeros((len(self._words), max(end, 2 * room) - room), np.uint64)
            self._words = np.concatenate([self._words, more], axis=1)
        self._words[:, self.size : end] = self._codes(vectors).T
        self.size = end

    def take_out(self, place: int) -> None:
        """Take the code of a place out; the last one moves there."""
        self.size -= 1
        self._words[:, place] = self._words[:, self.size]

    def nearest(
        self,
        vector: npt.NDArray[np.float16],
        count: int,
        chosen: npt.NDArray[np.bool_] | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Return which places differ from `vector` in the fewest signs, bool [places].

        Args:
            vector: float16 [dimension].
            count: so many places at least: all that differ as little as the last of them.
            chosen: [places] True where one may be returned; None allows all.
        """
        code = self._codes(vector[np.newaxis, :])[0]
        differing = np.zeros(self.size, np.uint16)
        for words, word in zip(self._words, code, strict=True):
            differing += np.bitwise_count(words[: self.size] ^ word)
        among = differing if chosen is None else differing[chosen]
        last = min(count, len(among)) - 1
        # A partition: to count how many differ by how much takes ten times as long.
        near: npt.NDArray[np.bool_] = differing <= np.partition(among, last)[last]
        return near if chosen is None else near & chosen

    def _codes(self, vectors: npt.NDArray[np.float16]) -> npt.NDArray[np.uint64]:
        """Return the codes of vectors, uint64 [vectors, words]."""
        # The bits of a number above zero are an integer above zero, which is quicker to see.
        signs = vectors.view(np.int16) > 0
        if self._padding:
            signs = np.pad(signs, ((0, 0), (0, self._padding)))
        return np.packbits(signs, axis=1, bitorder="little").view(np.uint64)
