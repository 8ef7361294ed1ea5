"""Cards that people pay with. What belongs here: Stripe's published test numbers and what each does, purely."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A test card: whether it pays, whether it can be kept for later, and whether its money is available at once."""

    number: str
    brand: str = "visa"
    decline_code: str | None = None
    attaches: bool = True
    at_once: bool = False

    @property
    def last4(self) -> str:
        """Its last four digits, which are what the sandbox knows it again by."""
        return self.number[-4:]


GOOD = Card("4242424242424242")
FAILS_LATER = Card("4000000000000341", decline_code="generic_decline")
CARDS = (
    GOOD,
    FAILS_LATER,
    Card("5555555555554444", brand="mastercard"),
    Card("4000000000000002", decline_code="generic_decline", attaches=False),
    Card("4000000000009995", decline_code="insufficient_funds", attaches=False),
    Card("4000000000000077", at_once=True),
)
BY_NUMBER = {card.number: card for card in CARDS}
BY_LAST4 = {card.last4: card for card in CARDS}
TOKENS = {
    "pm_card_visa": GOOD,
    "pm_card_mastercard": BY_LAST4["4444"],
    "pm_card_chargeDeclined": BY_LAST4["0002"],
    "pm_card_chargeDeclinedInsufficientFunds": BY_LAST4["9995"],
    "pm_card_chargeCustomerFail": FAILS_LATER,
    "pm_card_bypassPending": BY_LAST4["0077"],
}
"""Names that stand for a new payment method with a test card, as in Stripe's test mode."""


def read(number: str) -> Card | None:
    """The test card of a number as a person types it; None for any other: no real card may ever be typed in here."""
    return BY_NUMBER.get("".join(number.split()).replace("-", ""))
