"""The rules a new studio starts with. What belongs here: their words, in English, Dutch and German, as data.

They invent nothing: a price is the studio's to tell. Each studio changes them as it likes.
"""

from __future__ import annotations

from pilar.agents.functions import WANTS_TRIAL
from pilar.agents.rules import CallFunction, KeywordMatch, LeadProperty, RuleDocument, SendText, TagLead

_THANKS = (
    r"^((ok(ay|e)?|top|super|great|perfect|prima|mooi|thanks?|thank you|thx|cheers|a lot|so much|very much"
    r"|bedankt|dank je( wel)?|dankjewel|dank u( wel)?|hoor|alvast|danke( schon| dir)?|vielen dank|sehr"
    r"|done|gedaan|erledigt)[^\pL\pN?]*)+$|^[^\pL\pN?]+$"
)
"""A message that is thanks, or nothing but signs such as a thumb, from end to end."""

_GREETING = (
    r"^(hi|hello|hey|good (morning|afternoon|evening)|hoi|hallo|goede(morgen|middag|navond)|dag"
    r"|guten (morgen|tag|abend)|moin|servus|gruss gott)( \pL+){0,2}[^\pL\pN?]*$"
)
"""A message that greets and asks nothing."""

_TAGGED = TagLead(tag=WANTS_TRIAL)
_QUESTION = (
    _TAGGED,
    SendText(
        texts={
            "en": "Gladly! When would a trial session at {studio} suit you?",
            "nl": "Graag! Wanneer komt een proeftraining bij {studio} je uit?",
            "de": "Gern! Wann passt dir ein Probetraining bei {studio}?",
        }
    ),
)
_OFFER = (
    _TAGGED,
    CallFunction(
        function="offer_trial_slot",
        texts={
            "en": "Gladly! You could come for a trial session on {slot}. Reply YES and the spot is yours.",
            "nl": "Graag! Je kunt voor een proeftraining komen op {slot}. Antwoord JA en de plek is van jou.",
            "de": "Gern! Für ein Probetraining ist frei: {slot}. Antworte JA, und der Platz gehört dir.",
        },
    ),
)

RULES = (
    RuleDocument(
        name="accept",
        goal="booking",
        priority=90,
        conditions=(
            KeywordMatch(
                operator="equals",
                value=(
                    *("yes", "yes please", "yes, please", "yep", "yeah", "sure"),
                    *("ja", "ja graag", "ja, graag", "jazeker", "ja bitte", "ja, bitte", "ja gern", "ja, gern"),
                    *("ja gerne", "ja, gerne"),
                ),
            ),
            # A «yes» to anything else is no booking.
            LeadProperty(property="tags", operator="contains", value=WANTS_TRIAL),
        ),
        actions=(
            CallFunction(
                function="book_offered_slot",
                texts={
                    "en": "Done: your trial session is booked for {slot}. See you at {studio}!",
                    "nl": "Geregeld: je proeftraining staat gepland op {slot}. Tot dan bij {studio}!",
                    "de": "Erledigt: Dein Probetraining ist gebucht, {slot}. Bis dann bei {studio}!",
                },
            ),
        ),
    ),
    RuleDocument(
        name="coach",
        priority=80,
        conditions=(KeywordMatch(operator="equals", value=("coach", "coaching", "start coach", "start coaching")),),
        actions=(
            CallFunction(
                function="ask_for_coaching",
                texts={
                    "en": "Your coach at {studio} is on board and will write to you. Write STOP to end it at any time.",
                    "nl": "Je coach bij {studio} staat klaar en schrijft je. Met STOP eindigt het wanneer je wilt.",
                    "de": "Dein Coach bei {studio} ist dabei und schreibt dir. Mit STOPP endet es, wann du willst.",
                },
            ),
        ),
    ),
    RuleDocument(
        name="trial",
        goal="booking",
        priority=70,
        conditions=(
            KeywordMatch(
                operator="any_of",
                value=(
                    *("trial", "trial session", "try out", "free session", "first session", "taster"),
                    *("proeftraining", "proefles", "proefsessie", "uitproberen", "gratis les", "eerste training"),
                    *("probetraining", "probestunde", "schnuppertraining", "ausprobieren", "erstes training"),
                ),
            ),
        ),
        actions=_QUESTION,
        variants={"question": _QUESTION, "offer": _OFFER},
    ),
    RuleDocument(
        name="prices",
        priority=60,
        conditions=(
            KeywordMatch(
                operator="any_of",
                value=(
                    *("cost", "costs", "price", "prices", "fee", "fees", "how much", "membership", "memberships"),
                    *("kost", "kosten", "prijs", "prijzen", "tarief", "tarieven", "abonnement", "abonnementen"),
                    *("kostet", "preis", "preise", "beitrag", "wie teuer", "mitgliedschaft", "mitgliedsbeitrag"),
                ),
            ),
        ),
        actions=(
            SendText(
                texts={
                    "en": "That depends on how often and how long you'd like to train. The best start is a trial "
                    "session: ask me for one, and the team goes through the memberships with you.",
                    "nl": "Dat hangt ervan af hoe vaak en hoe lang je wilt trainen. Het beste begin is een "
                    "proeftraining: vraag mij erom, en het team loopt de abonnementen met je door.",
                    "de": "Das hängt davon ab, wie oft und wie lange du trainieren willst. Am besten beginnst du mit "
                    "einem Probetraining: Frag mich danach, und das Team geht die Mitgliedschaften mit dir durch.",
                }
            ),
        ),
    ),
    RuleDocument(
        name="opening_hours",
        priority=50,
        conditions=(
            KeywordMatch(
                operator="any_of",
                value=(
                    *("opening hours", "opening times", "open", "closed", "when are you open"),
                    *("openingstijden", "openingsuren", "geopend", "gesloten"),
                    *("offnungszeiten", "geoffnet", "geschlossen", "wann habt ihr auf"),
                ),
            ),
        ),
        actions=(
            SendText(
                texts={
                    "en": "{studio} is open: {opening_hours}.",
                    "nl": "{studio} is open: {opening_hours}.",
                    "de": "{studio} ist geöffnet: {opening_hours}.",
                }
            ),
        ),
    ),
    RuleDocument(
        name="thanks",
        priority=20,
        # It gives no answer: it is there so that nobody is told that a colleague will look at their thanks.
        conditions=(KeywordMatch(operator="regex", value=(_THANKS,)),),
    ),
    RuleDocument(
        name="greeting",
        priority=10,
        conditions=(KeywordMatch(operator="regex", value=(_GREETING,)),),
        actions=(
            SendText(
                texts={
                    "en": "Hi {first_name}! Ask me about a trial session at {studio}, our opening hours or "
                    "memberships.",
                    "nl": "Hoi {first_name}! Vraag me naar een proeftraining bij {studio}, onze openingstijden of "
                    "abonnementen.",
                    "de": "Hallo {first_name}! Frag mich nach einem Probetraining bei {studio}, unseren Öffnungszeiten "
                    "oder den Mitgliedschaften.",
                }
            ),
        ),
    ),
)
