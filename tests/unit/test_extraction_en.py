"""English messages that the rules must read rightly, one phenomenon a row."""

# ruff: noqa: E501  one case a line, so that the cases read as a table
# fmt: off

from __future__ import annotations

import pytest

from tests.unit.test_extraction_support import Row, assert_right

EPISODIC: list[Row] = [
    (
        "2026-03-04",
        "Optician on Friday at half nine, must not forget my old glasses",
        "episodic:optician@2026-03-06",
    ),
    (
        "2026-03-04",
        "We went to see the tide pools last Sunday and Milo fell in up to his waist",
        "episodic:tide pools@2026-03-01",
    ),
    (
        "2026-03-04",
        "ok so i finally handed in my thesis on monday, slept for fourteen hours after",
        "episodic:thesis@2026-03-02",
    ),
    (
        "2026-06-01",
        "Band practice got moved. It's not Tuesday now, it's Thursday at 7",
        "episodic:band practice@2026-06-04 <tuesday",
    ),
    (
        "2026-06-01",
        "The ferry to Hoy leaves in three days and I haven't packed a thing",
        "episodic:ferry@2026-06-04",
    ),
    (
        "2026-06-20",
        "A fortnight ago our cellar flooded, we're still drying the books",
        "episodic:cellar@2026-06-06",
    ),
    ("2026-06-01", "I'm running the Kielder marathon on 4 October", "episodic:marathon@2026-10-04"),
    (
        "2026-06-10",
        "Last week was rough, the boiler died and then my laptop did too",
        "episodic:boiler@2026-06-01/2026-06-07",
    ),
    (
        "2026-06-10",
        "Once, on a night train near Vienna, a stranger gave me his coat. I never forgot it.",
        "episodic:coat",
    ),
    (
        "2026-03-04",
        "Tmrw Priya and I are finally signing the papers for the flat!!",
        "episodic:papers@2026-03-05",
    ),
    (
        "2026-06-03",
        "We're off to the lakes next weekend with the Okafors",
        "episodic:lakes@2026-06-13/2026-06-14",
    ),
    (
        "2026-03-04",
        "My nephew was born this morning, 3.4 kilos!",
        "episodic:nephew@2026-03-04; ?core; ?semantic",
    ),
]
CORE: list[Row] = [
    ("2026-03-04", "I'm a paediatric nurse, nights mostly", "core:nurse"),
    ("2026-03-04", "Just so you know, I work as a stonemason up in Durham", "core:stonemason"),
    ("2026-03-04", "Call me Dee, nobody uses Deirdre except the bank", "core:dee"),
    (
        "2026-03-04",
        "Shellfish is a no for me, I'm allergic and it's the ambulance kind",
        "core:shellfish,allergic",
    ),
    ("2026-03-04", "My wife's name is Ottilie and we have two boys", "core:ottilie; core:boys"),
    (
        "2026-03-04",
        "We moved to Ghent when the kids were small and never left, so Ghent is home.",
        "core:ghent; ?episodic",
    ),
    ("2026-03-04", "please never book me a middle seat, I always take the aisle", "core:aisle"),
    (
        "2026-03-04",
        "I've been teaching chemistry at the same school for nineteen years",
        "core:chemistry",
    ),
    (
        "2026-03-04",
        "What wine goes with this? Actually skip that, I don't drink alcohol at all",
        "core:alcohol",
    ),
    ("2026-03-04", "I have type 1 diabetes so keep sugar in mind when planning", "core:diabetes"),
    ("2026-03-04", "i cant stand horror films, never could", "core:horror"),
    ("2026-03-04", "Nobody can read my handwriting, I'm left-handed", "core:left-handed"),
    (
        "2026-03-04",
        "I live in a houseboat on the Lee with my partner Joss",
        "core:houseboat; ?semantic",
    ),
]
SEMANTIC: list[Row] = [
    (
        "2026-03-04",
        "My cousin Farid speaks five languages and repairs accordions",
        "semantic:farid,accordions",
    ),
    (
        "2026-03-04",
        "The bakery on Quill Street only opens at weekends and sells out by ten",
        "semantic:bakery,weekends",
    ),
    ("2026-03-04", "TIL honey basically never goes off", "semantic:honey"),
    (
        "2026-03-04",
        "At our place 'doing a Kelvin' means shipping on a Friday without tests",
        "semantic:kelvin,tests",
    ),
    (
        "2026-03-04",
        "Our neighbour Ingrid keeps bees and gives everyone a jar at Christmas.",
        "semantic:ingrid,bees",
    ),
    ("2026-03-04", "Turns out wombats have cube-shaped poo", "semantic:wombats"),
    ("2026-03-04", "my boss hates surprises, just so you know", "semantic:boss,surprises"),
    (
        "2026-03-04",
        "Dr Malhotra only sees patients in the afternoon and she's fluent in Urdu",
        "semantic:malhotra,urdu",
    ),
    (
        "2026-03-04",
        "Petra isn't a dentist, by the way, she's an orthodontist. My mistake",
        "semantic:petra,orthodontist <dentist",
    ),
    (
        "2026-03-04",
        "The Nordholm office has no parking and the lift is always broken",
        "semantic:nordholm",
    ),
]
VAULT: list[Row] = [
    (
        "2026-03-04",
        "the alarm code at mum's is 7719 now, not 4402 any more",
        "vault:alarm=7719 <4402",
    ),
    (
        "2026-03-04",
        "Wifi at the cottage: network Heron, password reed-Bunting-42",
        "vault:cottage=reed-Bunting-42",
    ),
    (
        "2026-03-04",
        "National Insurance number for the payroll people: QQ 12 34 56 C",
        "vault:insurance=QQ 12 34 56 C",
    ),
    (
        "2026-03-04",
        "Save my sister's email pls: leni.brandt@example.org",
        "vault:email=leni.brandt@example.org",
    ),
    (
        "2026-03-04",
        "Send parcels to 14 Fennel Row, Ashcombe AB1 2CD from now on",
        "vault:parcels=14 Fennel Row, Ashcombe AB1 2CD",
    ),
    (
        "2026-03-04",
        "gym membership no. is FLX-20398, they always ask for it",
        "vault:membership=FLX-20398",
    ),
    ("2026-03-04", "Locker combination 18-32-07, in case I forget again", "vault:locker=18-32-07"),
    (
        "2026-03-04",
        "here's the API key for the weather thing, sk_test_9aQ8xZ72LmNo",
        "vault:weather=sk_test_9aQ8xZ72LmNo",
    ),
    ("2026-03-04", "Dad's new landline is 01632 960 114", "vault:dad=01632 960 114"),
    ("2026-03-04", "Gate PIN for the marina = 90210, don't post it anywhere", "vault:marina=90210"),
]
PROCEDURAL: list[Row] = [
    (
        "2026-03-04",
        "To reset the door sensor: hold the button, wait for two beeps, then let go.",
        "procedural:sensor#3",
    ),
    (
        "2026-03-04",
        "How we close the café:\n1. cash up\n2. clean the grinder\n3. bins out\n4. set the alarm",
        "procedural:close#4",
    ),
    (
        "2026-03-04",
        "My bedtime routine is fixed: tea -> shower -> ten pages -> lights out",
        "procedural:bedtime#4",
    ),
    (
        "2026-03-04",
        "Changing the guinea pigs' bedding. First move them to the carrier, then scoop everything out, then wipe with vinegar, and finally put in fresh hay.",
        "procedural:bedding#4",
    ),
    (
        "2026-03-04",
        "Deploying the blog goes like this: (1) pull main (2) run the tests (3) push the tag",
        "procedural:blog#3",
    ),
]
RESOURCE: list[Row] = [
    (
        "2026-03-04",
        "Great long read on eels, keep it for the weekend: https://mag.example.com/eels-2231",
        "resource:eels-2231",
    ),
    ("2026-03-04", "the slides are in Dropbox as kickoff_v2.pptx", "resource:kickoff_v2.pptx"),
    (
        "2026-03-04",
        "Add The Glass Orchard by Ren Talbot to my reading list",
        "resource:glass orchard",
    ),
    (
        "2026-03-04",
        "You have to listen to the podcast Slow Rivers, episode 12 especially",
        "resource:slow rivers",
    ),
]
NOTHING: list[Row] = [
    ("2026-03-04", "thanks so much, that helped a lot!", ""),
    (
        "2026-03-04",
        "Could you explain how mortgages work? And is Friday a good day to call the bank?",
        "",
    ),
    ("2026-03-04", "If I were rich I'd buy a vineyard and never answer another email", ""),
    ("2026-03-04", 'Translate this for me: "I live in Paris and I have two dogs."', ""),
    ("2026-03-04", "lol you're funny. good night, talk tomorrow!", ""),
    (
        "2026-03-04",
        "Here's a line from my short story: 'I was born in Cairo and I killed a man in May.' Too much?",
        "",
    ),
    ("2026-03-04", "I wish I could take next Friday off", ""),
    ("2026-03-04", "ugh mondays", ""),
]
SEVERAL: list[Row] = [
    (
        "2026-06-03",
        "I'm vegan. Dinner with Aurelio on Saturday, he cooks at Tamarind House and makes the best dal",
        "core:vegan; episodic:aurelio@2026-06-06; semantic:aurelio,tamarind",
    ),
    (
        "2026-06-01",
        "Flight to Oslo on 12 July; my frequent flyer number is NK-552190.",
        "episodic:oslo@2026-07-12; vault:flyer=NK-552190",
    ),
    (
        "2026-03-04",
        "I've switched jobs: no longer at Harlan & Pike, I'm now a paralegal at Osei Law",
        "core:paralegal <harlan; ?episodic",
    ),
]


@pytest.mark.parametrize(
    "row", EPISODIC + CORE + SEMANTIC + VAULT + PROCEDURAL + RESOURCE + NOTHING + SEVERAL
)
def test_extract_finds_what_is_worth_keeping_when_message_is_english(row: Row) -> None:
    """Every expectation of the row is met and every other tier stays empty."""
    assert_right(row, "en")
