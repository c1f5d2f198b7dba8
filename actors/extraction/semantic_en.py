"""Whom or what an English sentence states a lasting fact about."""

from __future__ import annotations

import re

from actors.extraction import date_words_en, words_en
from actors.extraction.reading import Clause, Reading
from actors.extraction.vocabulary import words
from actors.extraction.words_en import RELATION

_CAP = r"(?:[A-ZÀ-Þ][\w'’À-ÿ-]+)"
_NAME = re.compile(
    rf"(?:(?:Mr|Mrs|Ms|Dr|Prof|Auntie|Aunt|Uncle|Coach|Captain|Old)\.? )?{_CAP}(?: "
    rf"(?:(?:of|the|and|&|on|de|van) )?{_CAP}){{0,3}}"
)
_NOT_NAMES = words(
    "I I'm I've I'd I'll The A An My Our We It It's He She They You Your This That "
    "There And But So Also Just Not No Yes Yeah Yep Ok Okay Oh Wow Hey Hi Hello "
    "Thanks Thank If When While What How Why Who Where Which Well Actually "
    "Apparently Fun Fact Turns Today Tomorrow Yesterday Monday Tuesday Wednesday "
    "Thursday Friday Saturday Sunday January February March April May June July "
    "August September October November December Small Correction Sorry Right Lol "
    "Haha Fyi FYI TIL Did Do Does Is Are Can Could Would Will Should Please Pls Btw "
    "BTW Note Heads Quick Update Speaking Still Only Always Never Every Everyone "
    "Everybody Somebody Nobody Maybe Perhaps Honestly Man God Ugh Next Last First "
    "Then Now Because Since Once At In On For From With About As To Great Good Nice "
    "Cool Awesome Sounds Congrats Sure Totally Absolutely Glad Love Happy Keep Let "
    "Got Have Has Had Been Being Seeing Meeting Going Looking"
)
_RELATIVE = re.compile(
    rf"(?i:\b(?:my|our|his|her|their)(?: [\w'-]+){{0,2}}? {RELATION})\b(?:,? "
    rf"(?P<n>(?:(?:Mr|Mrs|Ms|Dr)\.? )?{_CAP}(?: {_CAP})?))?"
)
_PRESENT = (
    r"(?:is|isn't|are|aren't|has|hasn't|does|doesn't|do|don't|can|can't|cannot|won't"
    r"|only|never|always|usually|often|mostly|actually|really|also|still|just|both"
    r"|absolutely|secretly|barely|hardly|now|currently|apparently|technically"
    r"|sometimes|rarely|'s|'re|have|work|live|speak|like|love|hate|prefer|keep|run"
    r"|own|take|open|close|sell|cost|need|mean|belong|come|go|get|used to|grew up"
    r"|studied|trained|(?:\w+[^s\s'])s|\w+ies|\w{2,}es|knows|owns|runs|was born|makes"
    r"|goes)"
)
_SENT_VERB = re.compile(rf"^(?:[,']?(?:s|re)\b|,? ?(?:who |which |that )?{_PRESENT}\b)")
_HAPPENING = re.compile(
    r"^,? ?(?:is|are|'s|'re|isn't|aren't) (?:\w+ )?(?:coming|going|visiting|getting"
    r"|having|moving|arriving|leaving|landing|starting|making|taking|staying|picking"
    r"|meeting|due|off|here|back|late|on (?:her|his|the|their) way|being|cancelled"
    r"|calling|asleep|out|trying|doing|looking|thinking|happy|so happy|sad|tired|sick"
    r"|ill|in hospital|fine|okay|ok|great news)\b|^,? ?(?:says|said|thinks|asked|told"
    r"|wants (?:to|me|us)|just|needs (?:me|us|to)|has just|has been (?:so|really)"
    r"|won't shut|keeps (?:asking|saying|telling|nagging)|sends|seems?|looks|sounds"
    r"|can't wait|arrives|lands|leaves|gets (?:here|back|in)|starts|comes (?:home"
    r"|over|back|round))\b"
)
_PRONOUN = re.compile(
    r"(?:^|[,;:.!?(—–-] |\band |\bbut |\bbecause |\bwho |\bsince |\bas )(?:he|she"
    r"|they)(?P<v>(?:'s|'re| is| are| has| runs| owns| works| knows| does| doesn't| "
    r"don't| only| never| always| hates?| loves?| likes?| prefers?| speaks?| lives?| "
    r"teaches| plays?| makes?| cooks?| keeps?| collects?| sells?| takes?| opens?| "
    r"closes?| can't| can| won't| used to| grew up| studies| studied| drives| paints| "
    r"writes| builds| fixes| repairs| charges| \w+s)\b)"
)
_DISCOVERY = re.compile(
    r"\b(?:til\b|today i learn(?:ed|t)|did(?:n't)? (?:you )?know(?: that)?|turns out"
    r"|apparently|fun fact|blew my mind|mind[- ]blowing|fyi|for your information"
    r"|heads[- ]up|interesting(?:ly)?|random fact|who knew|i (?:just )?(?:learn(?:ed"
    r"|t)|read|found out|heard|discovered)(?: (?:that|somewhere))?|(?:^|, )(?:just "
    r")?(?:learnt|learned|found out|heard|read (?:that|somewhere)) |fact of the day"
    r"|weird fact|useless fact|it is said|scientists|researchers|by the way|btw|worth "
    r"knowing|good to know|pro tip|quick fact|never knew|didn't realise|didn't "
    r"realize|no idea that|had no idea|crazy that|wild that|amazing that|the thing "
    r"about|note that|for the record|remember that|just so you know|so you know|psa"
    r"|word of warning|be warned|bear in mind|keep in mind)\b[:,]?"
)
_DEFINES = re.compile(
    r"[\"“'](?P<q>[^\"”']{2,40})[\"”'] ?(?:is|means?|stands? for|refers? to|just "
    r"means|basically means|here means)\b|\b(?:when|if|whenever) .{2,50}\b(?:says?"
    r"|talks? about|mentions?|writes?|calls?)\b.{2,60}\b(?:means?|mean|meaning|that's"
    r"|it's|refer)\b|\b(?P<t>[\w' -]{2,40}?) (?:stands for|is short for|is (?:our|the "
    r"team's|team|office|family|local) (?:slang|code|shorthand|word|term|name"
    r"|nickname|jargon) for|is what (?:we|they|people|locals) call|means that|refers "
    r"to|is (?:jargon|slang|shorthand|code) for)\b|\bwe call (?:it|that|this|the)\b"
    r"|\bby \"?.{2,30}\"? (?:we|they|i|people) mean\b|\b(?:in our|at our|on our|round "
    r"here|in my) (?:team|office|company|family|house|place|firm|town|lab|village"
    r"|band)\b.{0,60}\bmeans\b"
)
_PLACE = re.compile(
    r"\b(?:pool|bakery|cafe|café|restaurant|pub|bar|shop|store|library|museum|gym"
    r"|clinic|surgery|pharmacy|chemist|bank|post office|school|nursery|office|park"
    r"|station|airport|market|cinema|theatre|church|hotel|hostel|hospital|garage|car "
    r"park|parking|lift|elevator|gate|ferry|bus|train|tram|line|road|street|bridge"
    r"|trail|path|beach|campsite|canteen|supermarket|deli|butcher|baker|barber|salon"
    r"|dentist|vet|gallery|venue|hall|court|rink|arena|garden|allotment|tip|dump"
    r"|launderette|laundrette|kiosk|stall|place|spot|building|warehouse|reception"
    r"|desk|helpdesk|machine|printer|boiler|oven|fridge|car|van|bike|boat|router"
    r"|server|website|app|tool|plant|tree|flower|bird|fish|animal|cat|dog|battery"
    r"|engine|policy|fee|ticket|pass|permit|menu|coffee|tea|wine|cheese|soup|recipe"
    r"|kettle|company|team|project|client|supplier|contract|tenant|house|flat|cottage"
    r"|cabin|room|wifi|signal|water|river|lake|mountain|hill|island|village|town|city"
    r"|neighbourhood|neighborhood|service|clinic)s?\b"
)
_FACT_VERB = re.compile(
    r"\b(?:is|are|isn't|aren't|has|have|doesn't|don't|dont|doesnt|opens?|closes?"
    r"|shuts?|takes?|accepts?|serves?|sells?|costs?|charges?|runs?|does|needs?"
    r"|requires?|lets?|allows?|stays?|can't|can|cannot|won't|only|never|always"
    r"|contains?|comes? with|lasts?|belongs?|works?)\b"
)
_LASTING = re.compile(
    r"\b(?:always|never|only|every|usually|shut|closed|open|opens|closes|on (?:mon"
    r"|tues|wednes|thurs|fri|satur|sun)days|cash|cards?|free|no (?:parking|dogs"
    r"|signal|wifi|lift|step)|takes?|doesn't|don't|dont|doesnt|can't|cannot|costs?"
    r"|charges?|sells? out|until|till|if|when|whenever|unless|after \w+|before \w+|by "
    r"(?:noon|\w+ o'clock|ten|nine|eight)|allowed|requires?|needs?|faces?|built"
    r"|founded|made (?:of|from|in)|has|have|contains?|lasts?)\b"
)
_SELF = re.compile(
    r"^(?:(?:and|but|so|also|well|ok|okay|yeah|lol|oh|btw|fyi|because|then|now)[, "
    r"]+)*(?:i|i'm|im|i've|ive|i'd|i'll|we|we're|we've|we'll|my (?:favou?rite|name"
    r"|job|flat|house|birthday|allergy|diet)|you|u|you're|your|this|that|that's|thats"
    r"|it|it's|let's|lets|what|how|there)\b"
)
_OPINION = re.compile(
    r"^(?:that|this|it|these|those|there|what|so|such|sounds?|looks?|glad|good|great"
    r"|nice|love|wow|awesome|cool|best|worst|only|saves)\b"
)


_FROM = re.compile(r" (?:from|at|in|downstairs|upstairs|next door)\b")


def person_in(sentence: Clause) -> str:
    """Return the last person or name that the sentence brings up, or an empty string."""
    relative = _RELATIVE.search(sentence.text)
    if relative:
        return relative["n"] or relative[0]
    names = [m[0] for m in _NAME.finditer(sentence.text) if _is_name(m, sentence.text)]
    return names[0] if names else ""


def _is_name(match: re.Match[str], text: str) -> bool:
    after = text[match.end() : match.end() + 1]
    before = text[: match.start()].rstrip()
    # Whoever is addressed is not spoken about: `Thanks, Ana!`, `Hey Ana,`.
    if (
        after in ("", "!", ",", ".", "?")
        and re.search(
            (
                r"(?:^|[,!.]|(?i:\b(?:hey|hi|hello|thanks|thank you|thx|wow|yes|yep|yeah|no|ok"
                r"|okay|bye|dear|sure|sorry|congrats|cheers)),?)$"
            ),
            before,
        )
        and before
    ):
        return False
    first = match[0].split()[0].split("'")[0].split("’")[0]
    if first in _NOT_NAMES or match[0].split()[0] in _NOT_NAMES:
        return False
    return (
        bool(match.start())
        or text[: len(match[0])].count(" ") > 0
        or _SENT_VERB.match(text[match.end() :]) is not None
        or _FROM.match(text[match.end() :]) is not None
        or re.match(r", (?:my|our|who|the|a|an|from|his|her) ", text[match.end() :]) is not None
    )


def is_about_other(clause: Clause) -> bool:
    """Tell whether the clause names a person or goes on about one."""
    return bool(_RELATIVE.search(clause.text) or _PRONOUN.search(clause.plain) or person_in(clause))


def is_definition(sentence: Clause) -> bool:
    """Tell whether the sentence says what a word means."""
    return bool(_DEFINES.search(sentence.low))


def fact_subject(sentence: Clause, subject: str, reading: Reading) -> str:
    """Return what the sentence states a lasting fact about, or an empty string.

    Args:
        sentence: a statement.
        subject: the person or thing that the message spoke of before, for `she` and `it`.
        reading: the whole message.
    """
    low = sentence.plain
    if defined := _DEFINES.search(sentence.low):
        groups = defined.groupdict()
        return (groups.get("q") or groups.get("t") or sentence.shown[:40]).strip()
    if sentence.secret:
        # Beside a secret only a clause about a person counts: `Our vet works mornings, call`.
        beside = [c for c in sentence.clauses if not c.secret and _RELATIVE.match(c.text)]
        return fact_subject(beside[0], subject, reading) if beside else ""
    text = sentence.text
    if relative := _RELATIVE.search(text):
        rest = text[relative.end() :]
        if _states(rest, sentence):
            return relative["n"] or _plain_name(relative[0])
    named = ""
    for match in _NAME.finditer(text):
        if not _is_name(match, text):
            continue
        named = named or match[0].removesuffix("'s").removesuffix("’s")
        before = low[: match.start()].rstrip()
        if re.search(
            r"\b(?:with|to|from|for|of|by|at|in|meet|meeting|see|seeing|call|like)$", before
        ):
            continue
        if match[0].endswith(("'s", "’s")):
            owned = re.match(r" [\w-]+", text[match.end() :])
            if owned and _states(text[match.end() + owned.end() :], sentence):
                return match[0] + owned[0]
        if (
            match.start() == 0
            and " " not in match[0]
            and _GENERIC.match(low[match.end() :])
            and not (
                _THE_ONE.match(low[match.end() :])
                or words_en.is_occupation(low[match.end() :].split()[:6])
            )
        ):
            continue
        if _states(text[match.end() :], sentence):
            return match[0].removesuffix("'s").removesuffix("’s")
    if (
        (
            (pronoun := _PRONOUN.search(low))
            and (named or subject)
            and not _HAPPENING.match(low[pronoun.start("v") :])
        )
        and _PAST_ONLY.search(pronoun["v"]) is None
        and not (
            pronoun["v"].endswith("s")
            and pronoun["v"].strip() in ("was", "says", "seems", "looks", "sounds")
        )
    ):
        return named or subject
    return _discovered(sentence, low) or _thing(sentence, low)


# After one word that only opens the sentence: an opinion on a common noun, no fact about a name.
_GENERIC = re.compile(
    r"^ (?:is|are|can|have|can be|help|helps|brings?|makes?|means|keeps|gives|takes"
    r"|feels|for|do|'s) (?:so|such|really|just|all|key|important|everything|what|like"
    r"|about|always|be|a|an|the|me|us|you|to|great|good|amazing|awesome|worth|fun"
    r"|hard|my|our|joy)?\b|^(?: \w+)* (?:have|can be|are) "
)
_THE_ONE = re.compile(r"^ is (?:the (?:one|person|guy|man|woman|head|owner|boss|only)\b)")
_PAST_ONLY = re.compile(r"\w{2,}ed\b|was\b")


def _states(rest: str, sentence: Clause) -> bool:
    """Tell whether what follows the subject is a lasting fact, not a happening or a past."""
    low = rest.lower().replace("’", "'")
    aside = re.match(
        (
            r",? (?:from|in|at|on|downstairs|upstairs|next door|over) (?:[\w']+ ){0,3}?(?=is"
            r"|has|runs|does|works|can|lives|hates|loves|knows|keeps)|, [^,]{2,40},"
        ),
        low,
    )
    if aside:
        low = " " + low[aside.end() :].lstrip()
    if not _SENT_VERB.match(low) or _HAPPENING.match(low):
        return False
    if re.match(
        (
            r",? ?(?:just |also |really |actually |never |always |only |still )?(?:\w{2,}ed"
            r"|was|were|went|got|took|made|said|had|came)\b"
        ),
        low,
    ) and not re.match(r" (?:grew up|used to|studied|trained|was born)", low):
        return False
    return not has_event(sentence) or bool(
        re.search(
            r"\b(?:always|every|usually|never|at christmas|hates|loves|collects|keeps)\b", low
        )
    )


def has_event(sentence: Clause) -> bool:
    """Tell whether the sentence names a single day, so that it tells an event, not a fact."""
    if date_words_en.HABIT.search(sentence.plain):
        return False
    relevant = [c for c in sentence.clauses if _PRONOUN.search(c.plain) is None]
    return any(
        m.grain in ("day", "span") and m.span
        for c in relevant
        for m in c.mentions("future")
        if not re.fullmatch(r"christmas|today", c.low[m.start : m.end])
    )


def _discovered(sentence: Clause, low: str) -> str:
    """Read a fact that is told as news: `turns out ...`, `TIL ...`."""
    if found := _DISCOVERY.search(low):
        rest = low[found.end() :].strip(" ,:;-—.!")
        rest = rest if len(rest.split()) >= 3 else low[: found.start()].strip(" ,:;-—.!")
        told = re.sub(r"^(?:that|this|it's|ok|okay|so|and|the|a|an) ", "", rest)
        if (
            len(told.split()) >= 3
            and not _SELF.match(rest)
            and not re.match(r"(?:i|my|we|our)\b", told)
            and not has_event(sentence)
        ):
            return _head(told)
    return ""


def _thing(sentence: Clause, low: str) -> str:
    """Read a fact about a place or thing that has no name: the lift, that bakery."""
    if _SELF.match(low) or _OPINION.match(low) or has_event(sentence):
        return ""
    match = re.match(
        (
            r"(?:(?:and|but|so|also|fyi|btw|by the way|heads up|note|ps|oh|well)[,:]? "
            r")*(?P<s>(?:(?:the|that|those|our|most|all|every) (?:[\w'-]+ ){1,6}?"
            r"|(?:bus|tram|line|train|room|platform|gate|route|lift|floor) \w{1,4} ))(?="
        )
        + _FACT_VERB.pattern
        + (
            r"|(?!was\b|has\b)\w{3,}[^s\W]s (?:if|when|whenever|unless|every|at|on|after"
            r"|until|in)\b)"
        ),
        low,
    )
    if not match or not _PLACE.search(match["s"]):
        return ""
    past = [m for m in words_en.PAST.finditer(low) if m[0] not in words_en.NOT_PAST]
    if (past and past[0].start() <= match.end() + 12) or not _LASTING.search(low[match.end("s") :]):
        return ""
    return match["s"].strip()


def _plain_name(words: str) -> str:
    return words.strip()


def _head(told: str) -> str:
    words = told.split()
    for index, word in enumerate(words[1:6], 1):
        if (
            _FACT_VERB.fullmatch(word)
            or word in ("basically", "actually", "were", "was")
            or (word.endswith("s") and index > 1)
        ):
            return " ".join(words[:index])
    return " ".join(words[:2])
