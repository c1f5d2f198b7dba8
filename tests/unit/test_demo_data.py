"""The demo's data: readable, in two languages, and free of bad records."""

from __future__ import annotations

from cluster.demo import DATA, QUESTIONS
from cluster.record_values import BadRecord, DocumentRecord, MessageRecord
from cluster.records import files_of, read_file


def test_demo_data_has_no_bad_record() -> None:
    """Forty messages and one document, each with its own id and time."""
    records = [record for file in files_of(DATA) for record in read_file(file)]
    messages = [record for record in records if isinstance(record, MessageRecord)]

    assert not [record for record in records if isinstance(record, BadRecord)]
    assert len([record for record in records if isinstance(record, DocumentRecord)]) == 1
    assert len(messages) == len({message.external_id for message in messages}) == 40
    assert all(message.created_at for message in messages)


def test_demo_speaks_two_languages() -> None:
    """Both languages are said and asked."""
    said = [record for file in files_of(DATA) for record in read_file(file)]
    texts = [record.content for record in said if isinstance(record, MessageRecord)]

    for spoken in (texts, QUESTIONS):
        assert any(text.isascii() for text in spoken)
        assert any("\u4e00" <= character <= "\u9fff" for text in spoken for character in text)
