"""Secret values are found, however the text around them is made to hold up the search."""

from __future__ import annotations

import pytest

from actors.extraction import find_secrets

LENGTH = 100_000
#: What would be tried again from each of its characters, or compared with all that was found: each
#: of these takes a minute or more where a pattern is quadratic.
HOSTILE = {
    "letters": "1 key " + "a" * LENGTH,
    "letters after a plus": "1 +" + "a" * LENGTH,
    "dashes": "1 key " + "-" * LENGTH,
    "equals signs": "key 1 " + "=" * LENGTH,
    "blanks after a value": "the key is a1b2c3" + " " * LENGTH + "x",
    "digits that end as a word": "my password is " + "1" * LENGTH + "qq",
    "brackets": "key (1" + ")" * LENGTH,
    "links and values": "key " + "www.a 1a " * (LENGTH // 9),
    "addresses and values": "key " + "a@b.cc 1a " * (LENGTH // 10),
    "a street without a number": "地址" + "路" * LENGTH,
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_secret_is_found_when_the_text_before_it_is_made_to_hold_up_the_search(
    hostile: str,
) -> None:
    """A text of a hundred thousand characters is read to its end, and what is there is found."""
    text = f"{hostile}\n\nMy PIN is 4471."
    start, end = find_secrets(text)[-1]
    assert text[start:end] == "4471"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Her passport is AB 12 34 56 C.", ["AB 12 34 56 C"]),
        ("passport:AB 12 34 56 C", ["AB 12 34 56 C"]),
        ("the key is ab-cd-ef7gh", ["ab-cd-ef7gh"]),
        ("the key is abcdef\uff17gh and on", ["abcdef\uff17gh"]),
        ("the pin is (4471)))", ["4471"]),
        ("the key is f(a1b2c3)", ["f(a1b2c3)"]),
    ],
)
def test_secret_is_whole_when_it_begins_where_no_digit_is(text: str, found: list[str]) -> None:
    """Papers, digits of other scripts and brackets belong to their value."""
    assert [text[start:end] for start, end in find_secrets(text)] == found
