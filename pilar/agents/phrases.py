"""What the agent says where no rule of the studio's tells it. What belongs here: the texts, in each language."""

from __future__ import annotations

from collections.abc import Mapping

FALLBACK: Mapping[str, str] = {
    "en": "Thanks for your message! I can't answer that myself: a colleague will look at it.",
    "nl": "Dank je voor je bericht! Daar kan ik zelf geen antwoord op geven: een collega kijkt ernaar.",
    "de": "Danke für deine Nachricht! Das kann ich selbst nicht beantworten: Jemand aus dem Team sieht es sich an.",
}
"""No rule matches."""

NOTHING_FREE: Mapping[str, str] = {
    "en": "I can't see a free time in the calendar just now. A colleague will look for one with you.",
    "nl": "Ik zie op dit moment geen vrije plek in de agenda. Een collega zoekt er samen met jou een.",
    "de": "Im Kalender ist gerade kein Termin frei. Jemand aus dem Team sucht mit dir einen.",
}
"""There is no time to offer or to book."""

TAKEN: Mapping[str, str] = {
    "en": "That time is no longer free, sorry. {slot} is: reply YES and it's yours.",
    "nl": "Die tijd is helaas niet meer vrij. Nog wel vrij is {slot}: antwoord JA en de plek is van jou.",
    "de": "Der Termin ist leider nicht mehr frei. Noch frei ist {slot}: Antworte JA, und er gehört dir.",
}
"""The time that was offered is gone, and another is."""
