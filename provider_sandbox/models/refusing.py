"""A model reads whether a message refuses to be written to. What belongs here: small rules for questions of that kind.

It knows the question by the answers that it may give, and goes by a few words of seven languages; what it can't make
out, it says so. A test that needs certain answers scripts them (`scripts.py`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

ANSWERS = frozenset({"refuses_all", "refuses_marketing", "does_not_refuse", "cannot_tell"})

_MARKETING = re.compile(
    r"\b(offers?|promotions?|reminders?|newsletters?|aanbiedingen|herinneringen|reclame|angebote|werbung|erinnerungen"
    r"|promos?|ofertas?|publicidad|promociones|promocoes|offerte|promozioni|publicite)\b"
)
_MESSAGES = re.compile(
    r"\b(messages?|texts?|texting|msgs?|berichten|appjes|appen|nachrichten|mensajes?|mensagens|messaggi|spam"
    r"|stop(pen)?|unsubscribe|chega de|basta de|assez de)\b"
)
_REFUSES = re.compile(
    r"\b(enough|no more|stop\w*|sick of|tired of|spam|annoying|not interested|genoeg|ophouden|geen interesse|genug"
    r"|nervt|kein interesse|assez|pas interesse\w*|basta|no me interesa|chega|nao tenho interesse|non mi interessa"
    r"|unsubscribe)\b"
)
_ABOUT_ELSE = re.compile(
    r"\b(training|class|session|workout|coffee|water|protein|price|today|les|lessen|trainen|trainieren|kurs|cours"
    r"|entrenar|clase|treino|aula|allenamento|lezione|sleep|weight|gewicht|knee|knie)\b"
)


def finding_of(schema: Mapping[str, Any] | None) -> str | None:
    """The field of a schema that takes such an answer; None: it is no question of that kind."""
    fields = (schema or {}).get("properties", {})
    return next((name for name, one in fields.items() if set(one.get("enum", ())) >= ANSWERS), None)


def read(said: str) -> str:
    """The answer about a message, as it comes in the question: the `message` of a document, or the words alone."""
    words = _plain(message_of(said))
    if not _REFUSES.search(words):
        return "does_not_refuse"
    if _MARKETING.search(words):
        return "refuses_marketing"
    if _ABOUT_ELSE.search(words):
        return "does_not_refuse"
    return "refuses_all" if _MESSAGES.search(words) else "cannot_tell"


def message_of(said: str) -> str:
    """The message itself."""
    try:
        document = json.loads(said)
    except ValueError:
        return said
    told = document.get("message") if isinstance(document, dict) else None
    return told if isinstance(told, str) else said


def _plain(words: str) -> str:
    split = unicodedata.normalize("NFKD", words.lower())
    return "".join(one for one in split if not unicodedata.combining(one))
