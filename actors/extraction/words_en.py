"""English vocabulary of the rules: occupations, relations, verbs of events."""

from __future__ import annotations

import re

from actors.extraction.vocabulary import words

OCCUPATIONS = words(
    "accountant actor actress actuary admin analyst apprentice archaeologist "
    "architect archivist artist assistant astronomer auditor author baker banker "
    "barber barista barrister bartender beekeeper biologist blacksmith bookkeeper "
    "bookseller botanist bricklayer broker builder butcher buyer cabbie captain "
    "caretaker carer carpenter cashier caterer chauffeur chef chemist chiropractor "
    "choreographer cleaner clerk coach cobbler coder comedian composer conductor "
    "conservator consultant contractor cook copywriter coroner counsellor counselor "
    "courier croupier curator dancer decorator dentist dermatologist designer dev "
    "developer dietitian diplomat director dispatcher diver doctor driver economist "
    "editor electrician embalmer engineer entrepreneur estimator farmer farrier "
    "firefighter fisherman fitter florist freelancer founder gardener geologist "
    "geophysicist glazier goldsmith grocer guard guide hairdresser handyman "
    "headteacher historian housekeeper illustrator inspector instructor interpreter "
    "intern investigator janitor jeweller jeweler joiner journalist judge labourer "
    "landlord landscaper lawyer lecturer librarian lifeguard linguist locksmith "
    "logistician luthier machinist magistrate manager marketer masseuse mason "
    "mathematician mechanic medic midwife miller miner model musician nanny "
    "neurologist notary novelist nurse nutritionist officer optician optometrist "
    "orthodontist painter paralegal paramedic pastor pathologist pediatrician "
    "paediatrician pharmacist photographer physicist physio physiotherapist pianist "
    "piercer pilot planner plasterer plumber podiatrist poet policeman policewoman "
    "politician porter postdoc postman potter priest principal producer professor "
    "programmer psychiatrist psychologist publisher radiographer radiologist ranger "
    "realtor receptionist recruiter referee reporter researcher retiree roofer "
    "sailor salesman salesperson saleswoman scientist screenwriter sculptor "
    "seamstress secretary sergeant shepherd singer socialworker soldier solicitor "
    "sommelier statistician stonemason stylist student surgeon surveyor tailor "
    "tattooist teacher tech technician tester therapist tiler toolmaker trader "
    "trainee trainer translator trucker tutor undertaker upholsterer urologist valet "
    "vet veterinarian videographer vicar violinist waiter waitress warden weaver "
    "welder winemaker woodworker worker writer zookeeper zoologist phd undergrad "
    "undergraduate postgrad freshman sophomore sysadmin dba sre cto ceo cfo pm rabbi "
    "imam nun monk stagehand technologist bellringer cartographer signwriter "
    "signaller clockmaker watchmaker saddler thatcher glassblower brewer distiller "
    "cheesemaker beautician manicurist groom jockey umpire paediatric cabby steward "
    "stewardess purser deckhand boatbuilder shipwright falconer"
)
_OCCUPATION_ENDING = re.compile(
    r"\w{3,}(?:ologist|ographer|smith|wright|monger|keeper|maker|therapist|ician"
    r"|nurse|(?:teach|driv|weld|bind|tun|plan|writ|mak|design|develop|engine|manag"
    r"|clean|operat|work)er|operator|specialist|officer|assistant)s?$"
)


def is_occupation(words: list[str]) -> bool:
    """Tell whether a noun phrase, given as its words, names an occupation."""
    return any(
        w in OCCUPATIONS or w.removesuffix("s") in OCCUPATIONS or _OCCUPATION_ENDING.fullmatch(w)
        for w in words
    )


FAMILY = (
    r"(?:wife|husband|hubby|spouse|partner|fianc[eé]e?|girlfriend|boyfriend|(?:step"
    r"|grand|god|foster )?-?(?:mother|father|mum|mom|dad|son|daughter|child|children"
    r"|kids?|parents?|sister|brother)"
    r"|twins?|triplets?|toddler|baby|boys|girls|sons|daughters|sisters|brothers"
    r"|siblings?|gran|grandma|grandpa|granny|nan|nana|grandad|granddad|aunt|auntie"
    r"|uncle|cousin|niece|nephew|(?:mother|father|sister|brother|son|daughter)-in-law"
    r"|mil|in-laws)"
)
PETS = (
    r"(?:dogs?|cats?|kittens?|pupp(?:y|ies)|rabbits?|hamsters?|parrots?|budgies?|hens"
    r"|chickens|horses?|pon(?:y|ies)|tortoises?|gecko|snake|guinea pigs?|goldfish"
    r"|ferrets?)"
)
OTHERS = (
    r"(?:boss|manager|colleague|co-?worker|workmate|teammate|team ?lead|supervisor"
    r"|assistant|intern|neighbou?r|landlord|landlady|tenant|flat-?mate|room-?mate"
    r"|house-?mate|friend|mate|best friend|bestie|buddy|pal|ex"
    r"|teacher|tutor|professor|supervisor|coach|trainer|instructor|doctor|gp|dentist"
    r"|physio|therapist|vet|hairdresser|barber|accountant|lawyer|solicitor|plumber"
    r"|electrician|builder|mechanic|gardener|cleaner|nanny|babysitter|childminder"
    r"|client|customer|supplier|mentor|pen ?pal|classmate|bandmate|lodger|handyman"
    r"|postman|butcher|baker|director|ceo|cto|head of \w+|driver|guide)"
)
RELATION = rf"(?:{FAMILY[3:-1]}|{OTHERS[3:-1]})"

# Verbs of things that happen at a time; -ed forms are recognised by their ending.
PAST = re.compile(
    r"\b(?:went|had|got|took|saw|came|did|made|said|told|ate|ran|drove|left|found|met"
    r"|fell|broke|lost|won|bought|sold|gave|flew|rode|swam|sang|wrote|read|built"
    r"|caught|brought|thought|taught|felt|kept|began|began"
    r"|spent|sent|slept|spoke|stood|threw|wore|woke|hit|cut|hurt|quit|put|set|paid"
    r"|drank|drew|grew|knew|held|heard|led|lent|lit|rang|rose|shook|shot|shut|sat"
    r"|stole|stuck|stung|struck|swore|tore|understood|was|were|died|burnt|learnt|bit"
    r"|bent|bled|blew|chose|crept|dealt|dug|fought|forgot|forgave|froze|hid|laid"
    r"|leapt|split|spilt|sprained|binned|been|began|became|\w{2,}ed)\b"
)
NOT_PAST = words(
    "need feed seed speed red bed shed indeed tired bored excited married allergic "
    "used supposed based sacred naked wicked embed hundred related interested "
    "worried scared retired divorced engaged shared united limited fixed"
)
FUTURE = re.compile(
    r"(?:\b(?:will|won't|shall|gonna|going to|about to|due (?:to|on|in|back)|planning "
    r"to|plan to|off to|have to|need to|got to|gotta|must|should|booked|scheduled"
    r"|supposed to|is set)\b|'ll\b|\b(?:i'm|im|i am|we're|we are|he's|she's|they're"
    r"|is|are|am) (?:\w+ )?(?!being|going through)\w{2,}ing\b|^\W*\w{2,}ing\b)"
)
EVENT = re.compile(
    r"\b(?:appointment|appt|dentist|doctor|doctors|gp|physio|optician|hospital"
    r"|surgery|operation|scan|x-?ray|check-?up|blood test|vaccin\w+|jab|therapy"
    r"|haircut|interview|meeting|call|deadline|exam|test|finals|class|lesson|course"
    r"|workshop|lecture|conference|seminar|webinar|presentation|pitch|demo|launch"
    r"|release|training"
    r"|flight|train|ferry|bus|trip|holiday|vacation|cruise|camping|road trip|journey"
    r"|visit|move|moving|moving day|viewing|inspection|delivery|dinner|lunch|brunch"
    r"|breakfast|coffee|drinks|date|party|birthday|bday|wedding|engagement"
    r"|anniversary|funeral|memorial|christening|baptism|graduation|reunion"
    r"|housewarming|baby shower|hen do|stag do|barbecue|bbq|picnic|concert|gig|show"
    r"|festival|theatre|play|film|movie|cinema|opera|ballet|exhibition|museum|match"
    r"|game|race|marathon|half marathon|10k|5k|triathlon|tournament|regatta|final"
    r"|practice|rehearsal|recital|audition|parade|fair|market|hike|climb|swim|run"
    r"|walk|ride|workout|yoga|sleepover|playdate|parents' evening|school play|court"
    r"|hearing|mot|service|repair|plumber|electrician|removal|vet|recording|signing"
    r"|handover|audit|review|standup|offsite|retreat|shift|first day|last day|due "
    r"date|accident|crash|fire|flood|storm|power cut|earthquake)s?\b"
)
# Undated life events that are worth keeping when told in the first person.
LIFE = re.compile(
    r"\b(?:i|we)(?:'ve| have) been \w{3,}ing (?:\w+[ ,]+){2}"
    r"|\b(?:i'm|we're|i am|we are) (?:also |now |currently |really )?(?:planning"
    r"|organi[sz]ing|starting"
    r"|launching|working on|taking|training for|preparing|putting together|writing) (?:\w+ ){2}"
    r"|\b(?:i|we)(?:'ve| have|'d)? (?:just |finally |recently |already |also |actually "
    r"|even )*(?:got|been|gotten) (?:engaged|married|divorced|promoted|fired|sacked"
    r"|laid off|made redundant|accepted|hired|an offer|the (?:job|keys|offer|results"
    r"|part)|a (?:job|puppy|dog|cat|kitten|new)|robbed|mugged|burgled|stung|bitten"
    r"|pregnant|my (?:degree|licen[cs]e|results|diploma))"
    r"|\b(?:i|we)(?:'ve| have|'d)? (?:just |finally |recently |actually )+(?:\w+ed"
    r"|won|lost|bought|sold|broke|finished|ran|met|went|saw|did|made|had|took|left"
    r"|quit|found|began|started|came|wrote|built|read|became|sent|given|done|gone"
    r"|seen|taken)\b"
    r"|\b(?:i|we) (?:passed|graduated|adopted|eloped|proposed|retired|moved|quit|won"
    r"|lost|broke|bought|sold|sprained|fractured|crashed|visited|attended|volunteered"
    r"|signed up|enrolled|hiked|travelled|traveled|camped|joined|hosted|organi[sz]ed"
    r"|performed|competed|ran|flew|drove|met|went|saw|took|painted|built|cooked|baked"
    r"|planted|launched|published|finished|completed|started|opened|closed|received"
    r"|decided|tried|celebrated|found|discovered|watched|read|wrote|made|had)\b"
    r"|\bmy (?:\w+ ){1,2}(?:died|passed away|was born|got married|passed|graduated"
    r"|broke|proposed|gave birth)\b|^(?:finally|just|finaly|finnally) (?:\w+ed|got"
    r"|won|bought|sold|finished|did|made|had|met|ran|saw|took|booked)\b"
)
