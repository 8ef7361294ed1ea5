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

CHOOSE: Mapping[str, str] = {
    "en": "These times are free:\n{slots}\nChoose one, or answer with its number.",
    "nl": "Deze tijden zijn vrij:\n{slots}\nKies er een, of antwoord met het nummer.",
    "de": "Diese Zeiten sind frei:\n{slots}\nWähle eine, oder antworte mit der Nummer.",
}
"""Several times are offered."""

BOOKED: Mapping[str, str] = {
    "en": "Done: {slot} is yours. See you at {studio}!",
    "nl": "Geregeld: {slot} is van jou. Tot dan bij {studio}!",
    "de": "Erledigt: {slot} gehört dir. Bis dann bei {studio}!",
}
"""One of them was chosen and is booked."""

BOOKED_BEFORE: Mapping[str, str] = {
    "en": "You have {slot} already: see you then! Write to us if you can't make it.",
    "nl": "Je hebt al een plek op {slot}: tot dan! Schrijf ons als het niet lukt.",
    "de": "Du hast schon {slot}: Bis dann! Schreib uns, wenn es nicht klappt.",
}
"""A time was chosen from an offer that has led to a booking."""

OTHERS_FREE: Mapping[str, str] = {
    "en": "That time is no longer free, sorry. These are:\n{slots}\nChoose one, or answer with its number.",
    "nl": "Die tijd is helaas niet meer vrij. Deze nog wel:\n{slots}\nKies er een, of antwoord met het nummer.",
    "de": "Der Termin ist leider nicht mehr frei. Diese sind es:\n{slots}\nWähle einen, oder antworte mit der Nummer.",
}
"""The time that was chosen is gone, and others are free."""

OFFER_EXPIRED: Mapping[str, str] = {
    "en": "That offer is too old by now. These times are free:\n{slots}\nChoose one, or answer with its number.",
    "nl": "Dat aanbod is inmiddels verlopen. Deze tijden zijn vrij:\n{slots}\nKies er een, of antwoord met het nummer.",
    "de": "Das Angebot ist abgelaufen. Diese Zeiten sind frei:\n{slots}\nWähle eine, oder antworte mit der Nummer.",
}
"""A time was chosen too late."""
