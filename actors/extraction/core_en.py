"""Core memory, English: who the speaker is. A table of what people say and what it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from actors.extraction.keys import slug
from actors.extraction.reading import Clause
from actors.extraction.vocabulary import words
from actors.extraction.words_en import FAMILY, PETS, is_occupation

_AM = r"(?:i am|i'm|im|i've been|i have been|i was diagnosed|i've always been)"
_ADV = (
    r"(?: (?:a bit|now|currently|actually|also|still|basically|just|only|both"
    r"|originally|really|technically|officially|severely|deathly|deadly|highly|very"
    r"|super|quite|mildly|terribly|badly|strictly|fully|totally|completely|always"
    r"|mostly|sadly|sort of|kind of|a strict|a lifelong|a committed|a))*"
)
_COUNT = (
    r"(?:a|an|one|two|three|four|five|six|seven|eight|\d|several|no|some|twin"
    r"|identical|little|small|young|grown-?up|teenage|older|younger|elder|big|baby"
    r"|both|the)"
)
DIET = (
    r"(?:vegan|vegetarian|veggie|pescatarian|pescetarian|coeliac|celiac|ceoliac"
    r"|lactose[- ]intolerant|gluten[- ]intolerant|gluten[- ]free|dairy[- ]free|halal"
    r"|kosher|teetotal|sober|keto|diabetic|prediabetic|hypoglyc\w+|an[ae]mic)"
)
ILLNESS = (
    r"(?:diabetes|asthma|epilepsy|adhd|add|autism|dyslexia|dyscalculia|migraines?"
    r"|arthritis|crohn'?s|ibs|coeliac disease|celiac disease|hay ?fever|high blood "
    r"pressure|low blood pressure|hypertension|hypothyroidism|thyroid|eczema"
    r"|psoriasis|tinnitus|scoliosis|gout|endometriosis|pcos|fibromyalgia|lupus"
    r"|depression|anxiety|bipolar|ocd|ptsd|insomnia|sleep apn[oe]+a|a pacemaker|a "
    r"heart (?:condition|murmur)|a bad (?:back|knee|hip|shoulder|heart)|bad knees"
    r"|haemophilia|hemophilia|glaucoma|reflux|ms|multiple sclerosis|parkinson'?s"
    r"|vertigo|claustrophobia|arachnophobia|a phobia|anaemia|anemia|raynaud'?s|an? "
    r"(?:\w+ )?(?:allergy|intolerance))"
)

# (key, pattern, whether it counts inside a question too)
RULES: tuple[tuple[str, re.Pattern[str], bool], ...] = tuple(
    (key, re.compile(pattern), strong)
    for key, pattern, strong in (
        (
            "allergy",
            (
                r"\b(?:i'm|im|i am|i've always been|turns out i'm)(?: \w+){0,2} (?:allergic"
                r"|intolerant|sensitive to (?!your|the way|criticism))|\bmy (?:\w+ "
                r"){0,2}(?:allergy|allergies|intolerance)\b|(?:^|[,.] )(?:(?:severely|very"
                r"|deathly|badly|highly) )?allergic to\b|\bi react (?:badly )?to\b|\b(?:gives?"
                r"|give) me (?:hives|migraines?|a rash|heartburn|headaches)\b|\bmakes? (?:me "
                r"(?:ill|sick|swell|wheeze|itch)|my (?:throat|lips|tongue|face|skin) \w+)|\bmy "
                r"(?:throat|lips|tongue|face) (?:swells?|closes?)|\bi carry an epi-?pen"
                r"|\b(?:will|would|could|nearly|almost|can) kill(?:ed)? me\b(?! with)|\bi "
                r"(?:can'?t|cannot|can not|mustn'?t|shouldn'?t|am not allowed to|'m not allowed "
                r"to) (?:eat|drink|have|digest|tolerate|touch) (?!it\b|this|that|you|any more of"
                r"|another)"
            ),
            True,
        ),
        (
            "diet",
            (
                rf"\b{_AM}(?: \w+)?{_ADV} (?!not )(?:\w+ ){{0,2}}?{DIET}\b|(?:^|[,.;] ){DIET} "
                r"here\b|\bi (?:only eat|don'?t eat|do not eat|never eat|no longer eat|stopped "
                r"eating|gave up|avoid|stay off|keep) (?:any )?(?:meat|fish|pork|beef|dairy"
                r"|gluten|sugar|eggs?|seafood|shellfish|kosher|halal|plant|vegetarian|vegan|red "
                r"meat|anything with|nuts|carbs|bread|cheese)|\bi (?:don'?t|do not|never) "
                r"(?:drink|smoke|do caffeine|touch)\b(?! (?:it|that|this)\b)|\b(?:we|i) (?:eat"
                r"|cook|keep) (?:only )?(?:halal|kosher|vegan|vegetarian|plant-based)\b|\bi "
                r"follow an? (?:\w+ )?diet"
            ),
            True,
        ),
        (
            "health",
            (
                r"\bi(?:'ve| have|'ve got| have got| suffer from| live with| was born with| was "
                rf"diagnosed with|'ve had| get| got diagnosed with)(?: \w+){{0,3}}? "
                rf"(?:{ILLNESS})\b|\b(?:i'm|im|i am) (?:\w+ )?(?:diabetic|asthmatic|epileptic"
                r"|dyslexic|colou?r-?blind|deaf|blind|hard of hearing|left[- ]handed|a lefty"
                r"|pregnant|autistic|short-?sighted|near-?sighted|scared of (?:heights|flying"
                r"|spiders|dogs|needles|water)|afraid of (?:heights|flying|spiders|dogs|needles"
                r"|water)|claustrophobic|a wheelchair user|in a wheelchair|squeamish)\b|\bmy "
                r"blood (?:type|group)\b"
                r"|\bas an? (?:deaf|blind|disabled|autistic|dyslexic|diabetic|wheelchair) "
                r"(?:\w+|user)\b|\bi (?:wear|need) (?:a )?hearing aids?|\bi use a "
                rf"wheelchair|\bi take (?:\w+ ){{1,3}}(?:every|daily|twice|for my)\b|\bi get "
                r"(?:car|sea|travel|motion|air)[- ]?sick|\bi (?:can'?t|cannot|never learnt to"
                r"|never learned to) (?:swim|drive|ride a bike)\b|\bmy (?:\w+ )?(?:asthma"
                r"|diabetes|migraines|epilepsy|adhd|dyslexia|arthritis|hearing loss)\b"
            ),
            True,
        ),
        (
            "name",
            (
                r"(?:^|, )just \w+,? (?:please|pls|will do|is fine)\b|\b\w+ for short\b"
                r"|^(?:hi|hello|hey)[,!]? \w+ here\b"
                r"|\bmy (?:full |real |first |last |middle |actual |legal |given )?(?:name is"
                r"|name's|names|surname is|nickname is)\b|(?<!don't )(?<!never )\bcall me (?!back"
                r"|later|when|if|at|on|tomorrow|tonight|today|asap|crazy|maybe|old|stupid|any "
                r"?time|again|in |for |this|next|after|before|once|up|out|about|from|mad|cynical"
                r"|paranoid|lazy|silly|a |an |the )|\bi(?:'m| am|m)? (?:go|goes|known|went) (?:by"
                r"|as)\b|\b(?:everyone|everybody|people|folks|friends|my friends|they all|most "
                r"people|the whole team) (?:just )?calls? me\b|\b(?:i'm|im|i am) called\b"
                r"|\baddress me as|\brefer to me as|\bi(?:'d)? prefer (?:to be called|being "
                r"called|if you call)|\b(?:on|in) (?:paper|my passport|the passport|my birth "
                r"certificate|official papers|documents),? (?:i'm|but)\b|\bon (?:the|my) "
                r"(?:passport|birth certificate|lease|forms?|payslip)\b.{0,20}\b(?:but|though)\b"
                r"|\bmy pronouns\b|\bit's pronounced|\b(?:not|never|nobody calls me|don't call "
                r"me) (?:mr|mrs|ms|miss|dr|sir|madam|ma'am)\b|\b(?:goes|go) by the name|\bshort "
                r"for\b.{0,30}\b(?:me|i)\b|\bi sign (?:off )?as\b|\bjust (?:use|say) \w+ (?:when"
                r"|for me)"
            ),
            True,
        ),
        (
            "home",
            (
                r"\b(?:i|we|i've|we've|i'm|we're|im)(?: \w+){0,3}? (?:live|lived here|living"
                r"|reside|based|settled|relocated|rent|rented|grew up|was born and raised|come "
                r"from|originally from|moved (?:back |out |here |over |up |down |house )?(?:to"
                r"|from|in|into|here)|moved house)\b(?! (?:off|for the|with it|without|the dream"
                r"|my best|on (?:coffee|caffeine|toast|noodles|takeaway|pizza)))|\b(?:i'm|im|i am"
                r"|we're) (?:originally |actually )?from (?!here to|now|work|the (?:future|bank"
                r"|team|office|school|council))\b|\b(?:my|our) (?:\w+ )?(?:flat|house|home"
                r"|apartment|place|hometown|home town|home base|studio flat|bedsit)(?: is|'s| "
                r"are) (?:now )?(?:in|on|at|near|above|by|a|an)\b|\bhome (?:is|for me is|base is"
                r"|town is|'s)\b|\bis (?:home|my home|where i live|our home|home now|my "
                r"hometown)\b|(?:^|[,.] )(?:based|living) (?:in|near|out of)\b|\bi was born in\b"
                r"|\bborn and (?:raised|bred)\b|\bmy (?:time ?zone|postcode area)\b|\bi bought "
                r"(?:a|my first) (?:flat|house|place|home)\b|\bi call \w+ home\b"
            ),
            False,
        ),
        (
            "job",
            (
                r"\b(?:i|i'm|im|i am|i've|i have|i'd)(?: \w+){0,3}? (?:work|working|worked"
                r"|freelance|freelancing|volunteer) (?:as|at|for|in|with|nights|days|part[- ]time"
                r"|full[- ]time|shifts|from home|remotely|the night|on the|offshore|out of)\b(?! "
                r"(?:the weekend|a bit|a while|it|this|that|now|all day))|(?:^|[,.] )(?:i )?work "
                r"as an?\b|\bfor a living\b|\bby (?:trade|profession)\b|\bmy (?:day |new |main "
                r"|current |actual )?(?:job|work|profession|role|title|job title|occupation)(?:'s"
                r"| is| has| involves| title is)\b|\b(?:i|we) (?:run|own|manage|founded|started"
                r"|opened|head|lead) (?:a|an|the|my own|our own|my|our) (?:\w+[ "
                r"-]){0,4}?(?:business|company|shop|store|bakery|cafe|café|restaurant|pub|farm"
                r"|studio|agency|practice|clinic|team|department|school|nursery|start-?up|salon"
                r"|garage|charity|firm|b&b|hotel|stall|label|gallery|lab|brewery|workshop"
                r"|bookshop)\b|\bi (?:teach|lecture|drive (?:a|the) (?:\w+ )?(?:bus|taxi|cab"
                r"|lorry|truck|van|tram|train|ambulance|forklift)|nurse|translate|write "
                r"(?:software|code) for|study|major in|fix \w+ for|design|train (?:dogs|horses"
                r"|people)|build|repair|restore|tune|keep (?:bees|sheep|books) for) (?!for (?:the"
                r"|my) (?:test|exam)|it\b|this\b|that\b|you\b)\w+|\b(?:i'm|im|i am|we're) (?:\w+ "
                r")?(?:retired|self-?employed|unemployed|between jobs|on (?:maternity|paternity"
                r"|parental) leave|in (?:my )?(?:first|second|third|fourth|final|last) year"
                r"|studying|doing (?:a|my) (?:phd|master'?s|degree|ma|msc|a-levels"
                r"|apprenticeship)|training (?:to be|as)|in charge of|the (?:head|manager"
                r"|director|owner|founder|captain|lead|boss)|head of)\b|(?:^|[,.;!] |\bi've |\bi "
                r"have |\bive |lol\. )been (?:an? |the )?(?:\w+ ){1,7}?for (?:over |almost "
                r"|nearly |about |the (?:last|past) )?(?:\w+[- ])?(?:years|decades|months)\b"
                r"|\b(?:years|decades) as an?\b|\bi got (?:a|the|my) (?:new )?job (?:as|at"
                r"|with)\b|\bi'?(?:ve)? (?:just |recently )?(?:started|joined|switched) (?:a new "
                r"job|as|at|work(?:ing)? (?:as|at|for))\b|\bi'?(?:ve)? (?:left|quit) my job|\bi "
                r"retired\b"
            ),
            False,
        ),
        (
            "family",
            (
                rf"\bmy {FAMILY}(?:'s name| is called| is named|'s called|s are called|,? "
                rf"(?:called|named))\b|\b(?:my|our) (?:\w+ )?{FAMILY}s?'?s? (?:names? (?:is"
                r"|are))\b|\b(?:i|we|i've|we've|i have|we have)(?: have| got| also have| only "
                rf"have| had|'ve got)?(?: just)? (?:{_COUNT} )+(?:\w+ )?(?:{FAMILY}|{PETS})\b"
                r"|\b(?:i've|we've|i have|we have|we) (?:got )?(?:a|an|one|two|three|four|five"
                rf"|six) (?:[\w-]+ ){{0,5}}?(?:{FAMILY}|{PETS}|babies|newborn|(?:year|month)[- "
                r"]olds?)\b|\b(?:i'm|im|i am|we're|we are|we've been|i've been|i got|we got)(?: "
                r"\w+)? (?:married|engaged|divorced|widowed|separated|single|an only child|the "
                r"(?:eldest|oldest|youngest|middle)|expecting|a (?:single )?(?:mum|mom|dad|father"
                r"|mother|parent|grandmother|grandfather|grandma|grandpa|widow|widower|stepmum"
                r"|stepdad|twin)|the (?:mum|mom|dad|father|mother))\b|\b(?:mum|mom|dad|mother"
                r"|father|parent) (?:of|to) (?:\w+ )?(?:one|two|three|four|five|six|a|twins"
                r"|triplets|\d)\b|\bthere(?:'s|'re|s| are| is) (?:\w+ )?(?:two|three|four|five"
                rf"|six|seven|eight|\d) of us\b|\b(?:is|are) my {FAMILY}\b|\bwe(?:'re| are) a "
                rf"family of\b|\bme,? (?:and )?(?:my|the) (?:{FAMILY}|{PETS})\b|\bi live with my\b"
                rf"|\b(?:it's )?just me and (?:my|the) {FAMILY}\b|\b(?:our|my) (?:household"
                rf"|family) (?:is|has|consists)\b|\b(?:a|an|our|my) (?:{PETS}) (?:called|named)\b"
                r"|\bhas? (?:two|three) (?:kids|children) with me\b|\bour (?:youngest|eldest"
                r"|oldest|middle one)(?: is|'s)\b"
            ),
            False,
        ),
        (
            "birthday",
            (
                r"\bmy (?:birthday|bday|birth ?date|date of birth|dob|star sign)(?:'s| is| "
                r"falls)\b|\bi was born (?:on|in (?:19|20)\d\d|the)\b|\b(?:i'm|im|i am) (?:\d\d"
                r"|twenty|thirty|forty|fifty|sixty|seventy|eighty)(?:[- ]\w+)?(?: years old| yo"
                r"|\b(?= and|,|\.|$))|\bi (?:just )?turn(?:ed)? (?:\d\d|thirty|forty|fifty|sixty"
                r"|seventy)\b"
            ),
            False,
        ),
        (
            "language",
            (
                r"\bi (?:only |also |mainly )?speak (?:\w+ )*?(?:english|french|german|spanish"
                r"|italian|portuguese|polish|dutch|arabic|urdu|hindi|mandarin|chinese|cantonese"
                r"|japanese|korean|russian|turkish|swedish|welsh|greek|czech|fluent|some|a little"
                r"|both)\b|\bmy (?:first|native|second|mother) (?:language|tongue)\b"
            ),
            False,
        ),
        (
            "response_style",
            (
                r"\b(?:from now on|in (?:the )?future|going forward|whenever you (?:reply|answer"
                r"|write)|when you (?:reply|answer|write)|always|please|pls|never|don'?t|stop) "
                r"(?:\w+ ){0,3}?(?:answer(?:ing)?|reply(?:ing)?|respond(?:ing)?|write|use|using"
                r"|keep|talk|speak|give me) (?:\w+ ){0,3}?(?:in (?:english|metric|celsius|short"
                r"|bullet|plain|kilomet\w+|euros|british)|short|brief|concise|emojis?|bullet "
                r"points?|metric|imperial|celsius|fahrenheit|jargon|exclamation marks|formal"
                r"|informal|simple|24[- ]hour)\b|\bkeep (?:your |the )?(?:answers|replies|it"
                r"|responses) (?:short|brief|concise)|\b(?:no|skip the) (?:emojis?|small talk"
                r"|fluff|bullet points) (?:please|pls)|\bi (?:think|work|count|measure) in "
                r"(?:metric|celsius|euros|kilomet\w+|miles|pounds)"
            ),
            True,
        ),
        (
            "preference",
            (
                r"\b(?:never|don'?t|do not|dont|please don'?t|stop|no more)(?: ever| you dare"
                r"|,)?(?: (?:please|again))? (?:suggest|recommend|book|offer|send|give|serve|show"
                r"|put|pick|choose|order|propos|buy|get|seat|schedule|plan|include|recommending"
                r"|suggesting|sending|booking)(?:ing)? (?:me |us |any|another|a |an |the "
                r")?(?!that again\?)|\balways (?:book|pick|choose|suggest|give|order|get|seat|go "
                r"for|put) me\b|\bmy (?:all[- ]time )?(?:favou?rite|fave|least favou?rite|go-?to"
                r"|comfort|guilty pleasure|preferred|pet hate|pet peeve|usual)\b(?! (?:so far"
                r"|part|thing about (?:you|this|that)|story|bit))|\bi (?:really |absolutely |just "
                r"|still |always |truly |simply |honestly |genuinely |do |actually |only |much "
                r"|generally |strongly |have always |'ve always |will always )*(?:love|loved|hate"
                r"|hated|adore|prefer|preferred|detest|loathe|despise|dislike|enjoy|can'?t stand"
                r"|cannot stand|can'?t bear|can'?t abide)\b(?! (?:it|this|that|you|u|your|how"
                r"|when|the way|these|those|him|her|them|us|to (?:see|know|hear)|seeing|hearing"
                r"|that'?s|what|my (?:life|job|boss)|the (?:colou?rs?|texture|vibe|view"
                r"|design|photo|idea|pic|painting|look|fact"
                r"|new)|reading (?:your|this))\b)|\bi'?(?:ve| have) always (?:loved|hated"
                r"|preferred|wanted|been (?:into|scared))|\b(?:i'm|im|i am)(?: \w+)? (?:not "
                r")?(?:a )?(?:\w+ )?(?:big fan|huge fan|fan of|night owl|early bird|morning "
                r"person|dog person|cat person|tea drinker|coffee drinker|coffee person|tea "
                r"person|homebody|introvert|extrovert|bookworm|foodie|picky eater|fussy eater"
                r"|minimalist|into \w+|keen on|obsessed with|crazy about|mad about|passionate "
                r"about|fond of|terrified of|scared of|afraid of)\b|\bnot (?:a )?(?:big |huge "
                r"|much of a |really )?(?:a )?(?:fan of|into|keen on)\b|\bi (?:always|never|only"
                r"|usually|only ever|don'?t ever|won'?t|rarely|don'?t) (?:eat|drink|fly|drive"
                r"|take|sit|sleep|wake|use|read|wear|buy|order|travel|book|choose|go for|want"
                r"|need|do|watch|listen|answer|shop|cook|get up|sit)\b(?! (?:it|that|this|to "
                r"(?:say|think)|you)\b)|\bi (?:collect|play (?:the )?(?:piano|guitar|violin|cello"
                r"|drums|bass|chess|tennis|football|trumpet|sax|flute|accordion|\w+ in a)|sing in"
                r"|support (?:arsenal|liverpool|\w+ united|\w+ city))"
                r"|^(?:really |just )?(?:can'?t|cannot) (?:stand|bear|abide) (?!it\b|this|that)|"
                r"\b(?:always has|always have"
                r"|always will|never (?:could|have|will|did)|all my life|since i was (?:little|a "
                r"kid|a child|small|five|six|seven|ten)|my whole life|ever since childhood"
                r"|without exception|hard no|deal-?breaker|no exceptions)\b"
            ),
            False,
        ),
    )
)
_QUICK = words(
    "i i'm im i've ive my me we we're we've our us i'd never don't dont been call "
    "based home living born allergic vegan vegetarian coeliac always is works "
    "there's theres keep no stop not years mum dad by here please married there "
    "raised"
)
# The words of which a rule needs at least one: a set look-up spares most sentences the pattern.
TRIGGERS: dict[str, frozenset[str]] = {
    key: frozenset(words.split())
    for key, words in {
        "allergy": (
            "kill killed allergic intolerant sensitive allergy allergies intolerance react give "
            "gives "
            "make makes throat lips tongue face epipen epi-pen epi can't cant cannot can "
            "mustn't shouldn't allowed am i'm"
        ),
        "diet": (
            "vegan vegetarian veggie pescatarian pescetarian coeliac celiac ceoliac lactose "
            "gluten gluten-free dairy dairy-free halal kosher teetotal sober keto diabetic "
            "prediabetic anaemic anemic lactose-intolerant gluten-intolerant hypoglycaemic "
            "hypoglycemic only eat don't dont do never stopped gave avoid stay keep cook "
            "follow no"
        ),
        "health": (
            "have i've had i've suffer with diagnosed get got diabetic asthmatic epileptic "
            "dyslexic colour-blind color-blind colour color deaf blind hearing left-handed "
            "left handed lefty pregnant autistic short-sighted near-sighted shortsighted "
            "scared afraid claustrophobic wheelchair as squeamish blood wear need use take "
            "can't cant cannot never my"
        ),
        "name": (
            "name name's here just short names surname nickname call calls called go goes known "
            "went address "
            "refer prefer i'd paper passport certificate pronouns pronounced mr mrs ms miss "
            "dr sir madam ma'am short sign use say"
        ),
        "home": (
            "live lived living reside based settled relocated rent rented grew born come "
            "originally moved from flat house home home's apartment place hometown bedsit "
            "bought zone timezone postcode call"
        ),
        "job": (
            "work working worked freelance freelancing volunteer living trade profession job "
            "job's role title work's occupation run own manage founded started opened head "
            "lead teach lecture drive nurse translate write study major fix design train "
            "build repair restore tune keep retired self-employed unemployed between on in "
            "studying doing training been years decades got joined switched left quit the"
        ),
        "family": (
            "my our have i've we've got has had married engaged divorced widowed separated "
            "single only expecting eldest oldest youngest middle mum mom dad father mother "
            "parent of family me live just household a an is are we're i'm"
        ),
        "birthday": "birthday bday date dob star born i'm im am turn turned",
        "language": "speak language tongue",
        "response_style": (
            "answer answering reply replying respond responding write use using keep talk "
            "speak give emojis emoji no skip think work count measure"
        ),
        "preference": (
            "never don't dont do stop no please always my love loved hate hated adore prefer "
            "preferred detest loathe despise dislike enjoy can't cant cannot fan night early "
            "morning dog cat tea coffee homebody introvert extrovert bookworm foodie picky "
            "fussy minimalist into keen obsessed crazy mad passionate fond terrified scared "
            "afraid only usually won't rarely collect play sing support life since ever hard "
            "deal-breaker dealbreaker exceptions exception not"
        ),
    }.items()
}
_IS_A = re.compile(
    rf"\b{_AM}(?: (?:now|currently|still|also|actually|just|only|basically|technically"
    r"|already|officially))* (?:(?:a|an|the)\b|(?=\w+ (?:at|by|in)\b)) ?(?P<np>[\w&'/ "
    rf"-]{{2,60}})|\b(?:working|work|worked|qualified|trained|training|job|day job"
    rf"|started|hired) as (?:a|an|the) (?P<np2>[\w&'/ -]{{2,60}})|^(?:a|an) "
    rf"(?P<np3>[\w' -]{{2,40}}) (?:by trade|here\b|myself\b)"
)
_NP_END = re.compile(
    r"\b(?:at|in|for|with|who|that|and|but|so|on|from|of|by|if|now|these|because"
    r"|since|working|specialising|specializing|to|when|until|myself|nights|today"
    r"|tonight|tomorrow|yesterday|living)\b"
)
_NOT_SELF = re.compile(
    r"\b(?:not|as if|as though|like|if|pretend|playing|play|felt like|feel like"
    r"|dressed as|dreamt|dreamed) $|\b(?:think|wonder|if|whether|say|says|said|thinks"
    r"|maybe|perhaps|guess|jokes?|swear) (?:that )?$"
)
_PASSING = re.compile(
    r"\b(?:hungry|tired|late|busy|home|back|ready|done|fine|ok|sorry|stuck|here)\b"
)


def core_matches(clause: Clause, asking: bool) -> Iterator[tuple[str, int]]:
    """Yield the key and the place of each statement about the speaker in the sentence.

    Args:
        clause: a sentence.
        asking: whether it is a question; then only what stays true in a question counts.
    """
    low = clause.plain
    if not _QUICK & clause.words and not re.match(r"(?:allergic|severe|gluten|work|mum|dad)", low):
        return
    if not asking and (found := _IS_A.search(low)):
        phrase = found["np"] or found["np2"] or found["np3"] or ""
        head = _NP_END.split(phrase)[0].split()
        if is_occupation(head) and not _NOT_SELF.search(low[: found.start()]):
            yield "job", found.start()
    for key, pattern, strong in RULES:
        if (asking and not strong) or TRIGGERS[key].isdisjoint(clause.words):
            continue
        match = pattern.search(low)
        if match and not _NOT_SELF.search(low[max(0, match.start() - 24) : match.start()]):
            if asking and key in ("name", "response_style"):
                continue
            yield key, match.start()


def core_key(key: str, sentence: str) -> str:
    """Return the full key: a fact of which there are several names its object."""
    if key in ("allergy", "preference", "family", "health"):
        return f"{key}:{slug(sentence, 3)}"
    return key
