"""The few sentences that the system itself says to leads. What belongs here: their texts, in each language."""

from __future__ import annotations

_PHRASES = {
    "opted_out": {
        "en": "You won't get any more messages from {studio}. Write START if you change your mind.",
        "nl": "Je krijgt geen berichten meer van {studio}. Schrijf START als je je bedenkt.",
        "de": "Du bekommst keine Nachrichten mehr von {studio}. Schreib START, wenn du es dir anders überlegst.",
        "fr": "Vous ne recevrez plus de messages de {studio}. Écrivez START si vous changez d'avis.",
        "es": "Ya no recibirás mensajes de {studio}. Escribe START si cambias de opinión.",
        "pt": "Você não receberá mais mensagens de {studio}. Escreva START se mudar de ideia.",
        "it": "Non riceverai più messaggi da {studio}. Scrivi START se cambi idea.",
    },
    "handed_over": {
        "en": "I'm passing this on: somebody from {studio} will answer you here.",
        "nl": "Ik geef het door: iemand van {studio} antwoordt je hier.",
        "de": "Ich gebe das weiter: Jemand von {studio} antwortet dir hier.",
        "fr": "Je transmets : quelqu'un de {studio} vous répondra ici.",
        "es": "Lo paso: alguien de {studio} te responderá aquí.",
        "pt": "Vou passar adiante: alguém de {studio} responderá aqui.",
        "it": "Passo la richiesta: qualcuno di {studio} ti risponderà qui.",
    },
    "sms_opt_out": {
        "en": "{studio}. Reply STOP to get no more.",
        "nl": "{studio}. Antwoord STOP om niets meer te krijgen.",
        "de": "{studio}. Antworte STOP, um nichts mehr zu bekommen.",
    },
}


def phrase(name: str, language: str, studio: str) -> str:
    """A sentence in the lead's language, or in English where we don't speak it."""
    texts = _PHRASES[name]
    return texts.get(language, texts["en"]).format(studio=studio)
