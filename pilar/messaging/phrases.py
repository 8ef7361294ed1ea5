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
    # Below each e-mail, and on the page behind its link.
    "mail_why": {
        "en": "You get this e-mail because you agreed to e-mail from {studio}.",
        "nl": "Je krijgt deze e-mail omdat je toestemming gaf voor e-mail van {studio}.",
        "de": "Du bekommst diese E-Mail, weil du E-Mails von {studio} zugestimmt hast.",
        "fr": "Vous recevez cet e-mail car vous avez accepté les e-mails de {studio}.",
        "es": "Recibes este correo porque aceptaste recibir correos de {studio}.",
        "pt": "Você recebe este e-mail porque aceitou receber e-mails de {studio}.",
        "it": "Ricevi questa e-mail perché hai accettato le e-mail di {studio}.",
    },
    "mail_answers": {
        "en": "An answer goes to the studio's own mailbox, not to the conversation on WhatsApp.",
        "nl": "Een antwoord komt in de eigen mailbox van de studio, niet in het gesprek op WhatsApp.",
        "de": "Eine Antwort geht an das Postfach des Studios, nicht in das Gespräch auf WhatsApp.",
        "fr": "Une réponse arrive dans la boîte du studio, pas dans la conversation sur WhatsApp.",
        "es": "Una respuesta llega al buzón del estudio, no a la conversación de WhatsApp.",
        "pt": "Uma resposta chega à caixa de correio do estúdio, não à conversa no WhatsApp.",
        "it": "Una risposta arriva alla casella dello studio, non alla conversazione su WhatsApp.",
    },
    "mail_stop": {
        "en": "Get no more e-mail from {studio}",
        "nl": "Geen e-mail meer van {studio}",
        "de": "Keine E-Mails mehr von {studio}",
        "fr": "Ne plus recevoir d'e-mails de {studio}",
        "es": "No recibir más correos de {studio}",
        "pt": "Não receber mais e-mails de {studio}",
        "it": "Non ricevere più e-mail da {studio}",
    },
    "mail_stopped": {
        "en": "You get no more e-mail from {studio}.",
        "nl": "Je krijgt geen e-mail meer van {studio}.",
        "de": "Du bekommst keine E-Mails mehr von {studio}.",
        "fr": "Vous ne recevrez plus d'e-mails de {studio}.",
        "es": "Ya no recibirás correos de {studio}.",
        "pt": "Você não receberá mais e-mails de {studio}.",
        "it": "Non riceverai più e-mail da {studio}.",
    },
    "mail_again": {
        "en": "That was a mistake: get e-mail again",
        "nl": "Dat was een vergissing: weer e-mail krijgen",
        "de": "Das war ein Versehen: wieder E-Mails bekommen",
        "fr": "C'était une erreur : recevoir à nouveau des e-mails",
        "es": "Fue un error: volver a recibir correos",
        "pt": "Foi um engano: voltar a receber e-mails",
        "it": "È stato un errore: ricevere di nuovo e-mail",
    },
}


def phrase(name: str, language: str, studio: str) -> str:
    """A sentence in the lead's language, or in English where we don't speak it."""
    texts = _PHRASES[name]
    return texts.get(language, texts["en"]).format(studio=studio)
