"""The templates and follow-ups a new studio starts with. What belongs here: the defaults.

In a text {{1}} is the lead's first name, {{2}} the studio's name; in the report of a goal {{3}} is the goal and {{4}}
how much of it is reached. Templates have no header here, so a report that goes by one has no picture.
"""

from __future__ import annotations

from datetime import timedelta

from pilar.workspaces.configuration import Followup, FollowupConfiguration
from pilar.workspaces.configuration import FollowupTemplate as Template

_MINUTE = timedelta(minutes=1)

TEMPLATES = (
    Template(
        name="number_test",
        category="utility",
        bodies={
            "en": "Hi {{1}}, the WhatsApp number of {{2}} works: this message came from it.",
            "nl": "Hoi {{1}}, het WhatsApp-nummer van {{2}} werkt: dit bericht kwam ervandaan.",
            "de": "Hallo {{1}}, die WhatsApp-Nummer von {{2}} funktioniert: Diese Nachricht kam von ihr.",
        },
    ),
    Template(
        name="coach_nudge",
        category="marketing",
        bodies={
            "en": "Hi {{1}}, your coach at {{2}} here: ready for a good day? Answer me and I'll help you along.",
            "nl": "Hoi {{1}}, je coach bij {{2}} hier: klaar voor een goede dag? Antwoord me en ik help je verder.",
            "de": "Hallo {{1}}, dein Coach bei {{2}} hier: Bereit für einen guten Tag? Antworte mir, ich helfe dir.",
        },
    ),
    Template(
        name="coach_last_question",
        category="utility",
        bodies={
            "en": "Hi {{1}}, your coach at {{2}} has not heard from you for a while. Shall I go on writing to you?",
            "nl": "Hoi {{1}}, je coach bij {{2}} heeft een tijdje niets van je gehoord. Zal ik je blijven schrijven?",
            "de": "Hallo {{1}}, dein Coach bei {{2}} hat länger nichts von dir gehört. Soll ich dir weiter schreiben?",
        },
        buttons={
            "en": ("Yes, go on", "No, thanks"),
            "nl": ("Ja, ga door", "Nee, dank je"),
            "de": ("Ja, weiter", "Nein, danke"),
        },
    ),
    Template(
        name="coach_goal_report",
        category="utility",
        bodies={
            "en": "Hi {{1}}, your goal at {{2}}: {{3}}. You have reached {{4}} of it. What is your next step?",
            "nl": "Hoi {{1}}, je doel bij {{2}}: {{3}}. Daarvan heb je nu {{4}} gehaald. Wat is je volgende stap?",
            "de": "Hallo {{1}}, dein Ziel bei {{2}}: {{3}}. Davon hast du jetzt {{4}} geschafft. Was kommt nun?",
        },
    ),
    Template(
        name="welcome_lead",
        category="utility",
        bodies={
            "en": "Hi {{1}}, thanks for getting in touch with {{2}}. When would a first session suit you?",
            "nl": "Hoi {{1}}, leuk dat je contact opneemt met {{2}}. Wanneer komt een eerste training je uit?",
            "de": "Hallo {{1}}, schön, dass du dich bei {{2}} meldest. Wann passt dir ein erstes Training?",
        },
    ),
    Template(
        name="followup_no_reply",
        category="marketing",
        bodies={
            "en": "Hi {{1}}, your trial session at {{2}} is still open. Shall we plan it?",
            "nl": "Hoi {{1}}, je proeftraining bij {{2}} staat nog open. Zullen we die plannen?",
            "de": "Hallo {{1}}, dein Probetraining bei {{2}} ist noch offen. Sollen wir es planen?",
        },
    ),
    Template(
        name="session_reminder",
        category="utility",
        bodies={
            "en": "Hi {{1}}, a reminder of your session at {{2}} tomorrow.",
            "nl": "Hoi {{1}}, een herinnering aan je training bij {{2}} morgen.",
            "de": "Hallo {{1}}, eine Erinnerung an dein Training bei {{2}} morgen.",
        },
    ),
)

EXAMPLES = ("Anna", "Studio Noord", "run ten kilometres", "40 %")
"""What WhatsApp's reviewers see in place of the variables."""

FOLLOWUPS = (
    Followup(name="first_reminder", template="followup_no_reply", after_minutes=timedelta(days=1) // _MINUTE),
    Followup(name="second_reminder", template="followup_no_reply", after_minutes=timedelta(days=4) // _MINUTE),
)


def default_followups() -> FollowupConfiguration:
    """What a studio that has not configured anything writes to leads of itself."""
    return FollowupConfiguration(templates=TEMPLATES, followups=FOLLOWUPS)
