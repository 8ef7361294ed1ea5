"""The templates and follow-ups a new studio starts with. What belongs here: the defaults and putting them in place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from pilar.ids import new_id
from pilar.messaging.tables import followup, message_template


@dataclass(frozen=True)
class Template:
    """A template's text in each language; {{1}} is the lead's first name, {{2}} the studio's name."""

    name: str
    category: str
    bodies: dict[str, str]


TEMPLATES = (
    Template(
        "number_test",
        "utility",
        {
            "en": "Hi {{1}}, the WhatsApp number of {{2}} works: this message came from it.",
            "nl": "Hoi {{1}}, het WhatsApp-nummer van {{2}} werkt: dit bericht kwam ervandaan.",
            "de": "Hallo {{1}}, die WhatsApp-Nummer von {{2}} funktioniert: Diese Nachricht kam von ihr.",
        },
    ),
    Template(
        "coach_nudge",
        "marketing",
        {
            "en": "Hi {{1}}, your coach at {{2}} here: ready for a good day? Answer me and I'll help you along.",
            "nl": "Hoi {{1}}, je coach bij {{2}} hier: klaar voor een goede dag? Antwoord me en ik help je verder.",
            "de": "Hallo {{1}}, dein Coach bei {{2}} hier: Bereit für einen guten Tag? Antworte mir, ich helfe dir.",
        },
    ),
    Template(
        "welcome_lead",
        "utility",
        {
            "en": "Hi {{1}}, thanks for getting in touch with {{2}}. When would a first session suit you?",
            "nl": "Hoi {{1}}, leuk dat je contact opneemt met {{2}}. Wanneer komt een eerste training je uit?",
            "de": "Hallo {{1}}, schön, dass du dich bei {{2}} meldest. Wann passt dir ein erstes Training?",
        },
    ),
    Template(
        "followup_no_reply",
        "marketing",
        {
            "en": "Hi {{1}}, your trial session at {{2}} is still open. Shall we plan it?",
            "nl": "Hoi {{1}}, je proeftraining bij {{2}} staat nog open. Zullen we die plannen?",
            "de": "Hallo {{1}}, dein Probetraining bei {{2}} ist noch offen. Sollen wir es planen?",
        },
    ),
    Template(
        "session_reminder",
        "utility",
        {
            "en": "Hi {{1}}, a reminder of your session at {{2}} tomorrow.",
            "nl": "Hoi {{1}}, een herinnering aan je training bij {{2}} morgen.",
            "de": "Hallo {{1}}, eine Erinnerung an dein Training bei {{2}} morgen.",
        },
    ),
)

EXAMPLES = ("Anna", "Studio Noord")
"""What WhatsApp's reviewers see in place of the variables."""

FOLLOWUPS = (
    ("first_reminder", "followup_no_reply", timedelta(days=1), 1),
    ("second_reminder", "followup_no_reply", timedelta(days=4), 1),
)
"""Name, template, how long a lead may be silent, how often per lead."""


def install(connection: Connection, workspace_id: UUID, language: str, now: datetime) -> dict[str, int]:
    """Give a studio its templates, in its language and in English; what is there already stays."""
    templates = [
        {
            "workspace_id": workspace_id,
            "id": new_id(),
            "name": template.name,
            "language": spoken,
            "category": template.category,
            "body": template.bodies[spoken],
            "state": "draft",
            "created_at": now,
        }
        for template in TEMPLATES
        for spoken in sorted({"en", language} & template.bodies.keys())
    ]
    added = connection.execute(
        insert(message_template)
        .values(templates)
        .on_conflict_do_nothing(index_elements=["workspace_id", "name", "language"])
    ).rowcount
    followups = connection.execute(
        insert(followup)
        .values(
            [
                {
                    "workspace_id": workspace_id,
                    "id": new_id(),
                    "name": name,
                    "template_name": template,
                    "after_minutes": int(silence.total_seconds() // 60),
                    "at_most": at_most,
                    "active": True,
                    "created_at": now,
                }
                for name, template, silence, at_most in FOLLOWUPS
            ]
        )
        .on_conflict_do_nothing(index_elements=["workspace_id", "name"])
    ).rowcount
    return {"templates": added, "followups": followups}
