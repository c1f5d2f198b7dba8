"""What is there to extract from: a message or a document, the same to whoever asks a model.

A text is asked about in pieces of bounded length, in order; what is beyond the last piece the rules
read. So a message costs one question, a book a few, and nothing is passed over unread.
"""

from __future__ import annotations

from datetime import datetime

from actors.extraction.documents import chunk
from actors.extraction.finding import Utterance
from actors.extraction.language import Language, language_of
from actors.extraction.masking import Masked, masked
from events.catalogue import DocumentReceived, MessageReceived
from events.envelope import Event
from events.memory import Provenance, Value

#: Characters of one piece, and how many pieces a model is asked about. Chinese is denser.
PIECE_CHARS: dict[Language, int] = {"en": 4000, "zh": 2000}
PIECES_MAX = 8


class Material(Value, frozen=True, kw_only=True):
    """A text that somebody said or handed in; `speaker` is empty for a document."""

    text: str
    said_at: datetime
    speaker: str = ""
    title: str = ""
    uri: str = ""
    conversation: str = ""
    document: bool = False
    tags: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    provenance: Provenance = Provenance()

    @property
    def language(self) -> Language:
        """The language that the text is in."""
        return language_of(self.text)

    @property
    def utterance(self) -> Utterance:
        """The text as the rules read it."""
        return Utterance(text=self.text, said_at=self.said_at, speaker=self.speaker or "user")


class Cut(Value, frozen=True, kw_only=True):
    """A text made ready to be asked about: its pieces, masked, and what is left for the rules.

    `masked` is the part that the pieces are of; `rest` begins where it ends.
    """

    masked: Masked
    pieces: tuple[str, ...]
    rest: str = ""


def material_of(event: Event) -> Material | None:
    """Return what is to be read because of an event; None when nothing is."""
    match event.payload:
        case MessageReceived(role="user") as said:
            return Material(
                text=said.content,
                said_at=said.said_at,
                speaker=said.name or "user",
                conversation=said.conversation,
                tags=said.tags,
                spans=said.secret_spans,
                provenance=Provenance(
                    message_ids=(said.message_id,),
                    external_ids=(said.external_id,) if said.external_id else (),
                ),
            )
        case DocumentReceived() as document:
            return Material(
                text=document.text,
                said_at=document.said_at,
                title=document.title,
                uri=document.uri,
                document=True,
                tags=document.tags,
                provenance=Provenance(document_id=document.document_id),
            )
        case _:
            return None


def cut(material: Material) -> Cut:
    """Return the pieces that a model is asked about, and the rest."""
    size = PIECE_CHARS[material.language]
    text, rest = _parted(material.text, size * PIECES_MAX)
    spans = [span for span in material.spans if span[1] <= len(text)]
    hidden = masked(text, spans)
    if len(hidden.shown) <= size:
        pieces = (hidden.shown,) if hidden.shown.strip() else ()
        return Cut(masked=hidden, pieces=pieces, rest=rest)
    pieces_: list[str] = []
    for part in chunk(hidden.shown):
        if pieces_ and len(pieces_[-1]) + len(part) + 2 <= size:
            pieces_[-1] += f"\n\n{part}"
        else:
            pieces_.append(part)
    # Chunks do not fill a piece to its end, so there may be some more than were reckoned with.
    return Cut(masked=hidden, pieces=tuple(pieces_[: PIECES_MAX * 2]), rest=rest)


def _parted(text: str, chars_max: int) -> tuple[str, str]:
    """Part a text at the last end of a paragraph, line or word before a length."""
    if len(text) <= chars_max:
        return text, ""
    half = chars_max // 2
    at = next(
        (at for mark in ("\n\n", "\n", " ") if (at := text.rfind(mark, half, chars_max)) > 0),
        chars_max,
    )
    return text[:at], text[at:]
