"""The words of English time expressions, and the pieces of pattern that read them."""

from __future__ import annotations

import re

WEEKDAYS = {
    name: i
    for i, names in enumerate(
        (
            "monday mon",
            "tuesday tues tue",
            "wednesday weds wed",
            "thursday thurs thur thu",
            "friday fri",
            "saturday sat",
            "sunday sun",
        )
    )
    for name in names.split()
}
MONTHS = {
    name: i
    for i, names in enumerate(
        (
            "january jan",
            "february feb febuary",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sept sep",
            "october oct",
            "november nov",
            "december dec",
        ),
        1,
    )
    for name in names.split()
}
NUMBERS = {
    word: i
    for i, word in enumerate(
        re.findall(
            r"\w+",
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
        )
    )
}
NUMBERS |= {"a": 1, "an": 1, "couple": 2, "twenty": 20, "thirty": 30}
HOLIDAYS = {
    "christmas eve": (12, 24),
    "christmas day": (12, 25),
    "christmas": (12, 25),
    "xmas": (12, 25),
    "boxing day": (12, 26),
    "new year's eve": (12, 31),
    "new years eve": (12, 31),
    "new year's day": (1, 1),
    "new years day": (1, 1),
    "halloween": (10, 31),
    "valentine's day": (2, 14),
    "valentines day": (2, 14),
}

WD = (
    r"(?P<wd>mon(?:day)?|tue(?:s(?:day)?)?|wed(?:s|nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?"
    r"|sat(?:urday)?|sun(?:day)?)"
)
MON = (
    r"(?P<mon>jan(?:uary)?|feb(?:r?uary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
LONG_MON = (
    r"(?P<mon>january|february|march|april|may|june|july|august|september|october"
    r"|november|december)"
)
N = (
    r"(?P<n>\d{1,3}|a couple(?: of)?|couple(?: of)?|an?|one|two|three|four|five|six|seven|eight"
    r"|nine|ten|eleven|twelve|thirteen|fourteen|twenty|thirty)"
)
DAY = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
DAY_TH = r"(?P<d>\d{1,2})(?:st|nd|rd|th)"
YEAR = r"(?:,?\s+(?P<y>(?:19|20)\d\d))?"
UNIT = r"(?P<u>day|night|week|wk|fortnight|month|year|yr)s?"

# Times that fix no day, and words that make a day a habit.
VAGUE = re.compile(
    r"\b(?:years? (?:back|ago)|ages ago|(?:months|weeks|days) (?:back|ago)|(?:a )?few "
    r"(?:\w+ )?(?:days|weeks|months|years) (?:ago|back)"
    r"|the other (?:day|night|week|evening)|once(?=[, ]| upon)|one (?:day|night"
    r"|summer|winter|time|evening)"
    r"|back (?:then|in the day|when)|(?:when|as) (?:i|we) (?:was|were) (?:a |an "
    r"|little|young|small|about|\w+ )"
    r"|as a (?:kid|child|teenager|student)|in my (?:teens|twenties|thirties"
    r"|childhood)|(?:a )?long time ago"
    r"|recently|lately|earlier|just now|some time ago|(?:last|this|that) (?:summer"
    r"|winter|spring|autumn|fall|christmas|easter)"
    r"|(?:next|this) (?:summer|winter|spring|autumn|fall)|soon|in a few (?:days|weeks"
    r"|months)|on my (?:first|last) day"
    r"|in the (?:eighties|nineties|seventies|\d0s)|back in (?:\w+)|at (?:uni"
    r"|university|school|college))\b"
)
HABIT = re.compile(
    r"\b(?:every|each|most|usually|always|normally|generally|typically|never|ever)\b"
    r"|\b(?:on|at|until|till|by|except) (?:mon|tues|wednes|thurs|fri|satur|sun)days\b"
    r"|\bany (?:more )?(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b(?:mon|tues"
    r"|wednes|thurs|fri|satur|sun)days\b"
)
