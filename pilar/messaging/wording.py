"""What a lead asks of us beyond the conversation: no more messages, messages again, or a person, in anger or not.

What belongs here: the words, as data, and the pure rule that reads them. Any reasonable wording of a refusal counts
(TCPA); a whole message that is one of the carriers' keywords always does. Who asks us not to stop does not refuse.
"""

from __future__ import annotations

import re
from enum import Enum

from pilar.messaging.folding import folded


class Wish(Enum):
    """What a message asks for."""

    STOP = "no more messages"
    STOP_EVERYWHERE = "no more messages from any studio"
    START = "messages again"
    PERSON = "a person"
    REDRESS = "a person, in anger"


KEYWORDS = frozenset(
    {
        *("stop", "quit", "end", "revoke", "optout", "opt out", "opt-out", "cancel", "unsubscribe"),
        *("stop maar", "afmelden", "uitschrijven", "stopp", "abmelden", "abbestellen", "austragen"),
        *("arret", "arreter", "desabonner", "desinscrire"),
        *("baja", "parar", "pare", "dar de baja", "cancelar", "alto"),
        *("sair", "descadastrar", "remover", "cancelar inscricao"),
        *("fermati", "basta", "annulla", "disiscrivimi", "cancellami", "disiscrizione"),
    }
)
"""Whole messages that withdraw consent, folded (`folding.py`).

English, Dutch, German, French, Spanish, Portuguese and Italian.
"""

EVERYWHERE = frozenset({"stopall", "stop all"})
"""Whole messages that mean every studio: the widest reading of the carriers' keyword."""

RESUME = frozenset(
    {
        *("start", "unstop", "subscribe", "resume", "aanmelden", "hervatten", "anmelden", "starten", "wieder anmelden"),
        *("reprendre", "s'abonner", "reanudar", "suscribir", "alta", "retomar", "inscrever", "iniciar", "riprendi"),
        *("iscrivimi", "riattiva"),
    }
)
"""Whole messages that agree anew."""

_POLITE = re.compile(
    r"\b(please|pls|plz|thanks|thank you|now|bitte|danke|alstublieft|alsjeblieft|aub|svp|s'il (vous|te) plait|merci"
    r"|por favor|gracias|obrigad[oa]|per favore|grazie)\b"
)
_KEEP_ON = re.compile(
    r"\b(do not|don'?t|dont|never|won'?t|cannot|can'?t) (ever |want (you )?to |wanna )?"
    r"(stop|quit|unsubscribe|remove me|cancel|opt out)\b"
    r"|\b(niet|nooit) (mee |meer )?(stoppen|ophouden|afmelden|uitschrijven)\b|\bstop (er )?(niet|nooit)\b"
    r"|\b(nicht|nie) (auf\w*|stoppen|abmelden)\b|\bhor\w* (bitte )?(nicht|nie)\b.{0,12}\bauf\b"
    r"|\bn'?\s?arret\w*( \w+)? (pas|jamais)\b|\bne (t'|vous )?(arret\w+|desabonn\w+) (pas|jamais)\b"
    r"|\b(no|nunca) (me )?(pares?|pareis|paren|dej\w+ de|des de baja)\b"
    r"|\b(nao|nunca) (me )?(pares?|parem|deix\w+ de|remov\w+)\b"
    r"|\bnon (ti |vi )?(ferm\w+|smett\w+|disiscriv\w+|cancell\w+mi)\b"
)
_REFUSALS = re.compile(
    r"\b(stop|quit|don'?t|do not|never|no more|please stop)\b.{0,30}\b(messag\w*|text\w*|writ\w*|contact\w*|messages)\b"
    r"|\b(unsubscribe|remove|take) me\b|\bleave me alone\b|\bopt me out\b"
    r"|\bstop\b.{0,20}\b(met )?(berichten|appen|appjes|sturen)\b|\b(geen|nooit) (berichten|appjes)\b"
    r"|\bschrijf me uit\b|\bmeld me af\b|\blaat me met rust\b|\bniet meer (appen|sturen|berichten|schrijven)\b"
    r"|\bkeine (nachrichten|werbung)\b|\bschreib\w* mir nicht mehr\b|\bhor\w* auf\b.{0,20}\bschreiben\b"
    r"|\b(melde|trag\w*|nehm\w*) mich (bitte )?(ab|aus)\b|\blass\w* mich in ruhe\b"
    r"|\bne m'?\s?(ecri\w+|envoy\w+|contact\w+) plus\b|\b(plus de|arret\w+ (les|vos|tes)) messages\b"
    r"|\b(desabonn\w+|desinscri\w+)[- ]moi\b|\blaissez?[- ]moi tranquille\b"
    r"|\barret\w+ de m'?\s?(ecrire|envoyer|contacter)\b"
    r"|\bno (me )?(escrib|mand|envi|contact)\w+ mas\b|\bno mas mensajes\b|\b(dej\w+|para) de (escrib|mand|envi)\w+\b"
    r"|\bno quiero (recibir )?(mas )?mensajes\b|\b(dame|denme|deme) de baja\b|\bdej\w*me en paz\b"
    r"|\bnao (me )?(mand|envi|escrev|contat|contact)\w+( \w+)? mais\b|\bnao quero (mais |receber (mais )?)mensagens\b"
    r"|\b(pare|parem|deix\w+) de (me )?(mand|envi|escrev|contat|contact)\w+\b|\bmais nenhuma mensagem\b"
    r"|\b(me remov\w+|remov\w+[- ]me|me tir\w+ da lista)\b|\bme deix\w+ em paz\b"
    r"|\bnon (mi |voglio )?(scriv|mand|invi|contatt|ricev)\w+ (piu|altri messaggi)\b|\bbasta messaggi\b"
    r"|\bnon mi scriv\w+\b"
    r"|\bsmett\w+(la)? di (scriver|mandar|inviar|contattar)\w+\b|\bnon voglio (piu )?(ricevere )?(piu )?messaggi\b"
    r"|\b(cancell\w+mi|toglietemi|toglimi|disiscriv\w+mi) (dalla|dalle|da)\b|\blascia(te)?mi in pace\b"
)
_PERSONS = re.compile(
    r"\b(talk|speak|chat)\b.{0,20}\b(person|human|someone|somebody|staff|colleague|manager)\b"
    r"|\b(real|actual) (person|human)\b|\bhuman please\b"
    r"|\b(medewerker|mens|persoon|iemand)\b.{0,20}\b(spreken|praten|bellen)\b|\bmet een (medewerker|mens|echt)\b"
    r"|\b(mit|einen|einem) (menschen|mitarbeiter\w*|jemandem)\b.{0,20}\b(sprechen|reden)\b|\becht\w* mensch\w*\b"
)
_MAY_REFUSE = re.compile(
    r"\b(stop\w*|unsubscrib\w*|annoying|spam|enough|ophouden|afmeld\w*|genoeg|abmeld\w*|nervt|arret\w*|desabonn\w*|assez"
    r"|basta|molest\w*|baja|pare|chega|descadastr\w*|smett\w*|disiscriv\w*|not interested|geen interesse"
    r"|kein interesse|pas interesse\w*|no me interesa|nao tenho interesse|non mi interessa)\b"
)
_LONGEST_UNCLEAR = 200
"""Characters: in a longer text such a word says little."""
_ANGER = re.compile(
    r"\b(this is|it'?s|that'?s|what an?|how) (\w+ )?(ridiculous|a scam|scam|unacceptable|outrageous|disgusting|a joke|"
    r"absurd|a disgrace|disgraceful)\b|\b(i am|i'm) (\w+ )?(furious|angry|fed up|sick of|disappointed)\b"
    r"|\b(worst|terrible|awful|horrible) (service|studio|gym|experience)\b|\b(my money back|refund me|want a refund)\b"
    r"|\b(complaint|lawyer|sue you|ripped off)\b|\b(stupid|useless|fucking|damn) (bot|robot|computer|answer\w*)\b"
    r"|\bik ben (\w+ )?(boos|woedend|teleurgesteld|er klaar mee)\b|\b(belachelijk|schandalig|oplichter\w*|oplichting)\b"
    r"|\b(klacht|advocaat|geld terug)\b|\b(slechtste|waardeloze|vreselijke) (service|studio|sportschool)\b"
    r"|\bstomme (bot|robot|computer)\b"
    r"|\bich bin (\w+ )?(wutend|sauer|stinksauer|enttauscht)\b|\b(unverschamt\w*|frechheit|betrug|abzocke|lacherlich)\b"
    r"|\b(beschwerde|anwalt|geld zuruck)\b|\b(schlechteste|furchtbare[rs]?) (service|studio)\b"
    r"|\bdumme[rs]? (bot|roboter)\b"
)


def wish_of(text: str | None) -> Wish | None:
    """What a message asks for, None for the ordinary one."""
    words = folded(text or "")
    if not words:
        return None
    bare = folded(_POLITE.sub(" ", words))
    if bare in EVERYWHERE:
        return Wish.STOP_EVERYWHERE
    if bare in KEYWORDS:
        return Wish.STOP
    # What is left may refuse all the same: «don't stop my plan, just don't text me at work».
    if _REFUSALS.search(_KEEP_ON.sub(" ", words)):
        return Wish.STOP
    if words in RESUME:
        return Wish.START
    if _PERSONS.search(words):
        return Wish.PERSON
    if _ANGER.search(words):
        return Wish.REDRESS
    return None


def may_refuse(text: str | None) -> bool:
    """Whether an ordinary message may be a refusal all the same, so that who understands more should read it."""
    words = folded(text or "")
    if len(words) > _LONGEST_UNCLEAR or _KEEP_ON.search(words) or wish_of(text) is not None:
        return False
    return _MAY_REFUSE.search(words) is not None
