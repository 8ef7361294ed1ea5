"""What a page's form does. What belongs here: the one way that each takes; what is asked and shown is the page's.

A form is tried in one transaction. What a rule refuses is said on the page that it stands on, beside what was typed;
what is done leads to a page that can be loaded again without doing it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from pilar.app import App
from pilar.database.engine import Scope
from pilar.errors import Conflict, Invalid, PilarError

REFUSED: tuple[type[PilarError], ...] = (Conflict, Invalid)
"""What whoever fills in a form can mend; anything else is a page about an error."""


@dataclass(frozen=True)
class Typed:
    """What a form holds that was refused.

    Attributes:
        at: which form of the page, by its id; empty: none was refused.
        values: what was typed, by field.
        error: what is wrong, in a sentence.
    """

    at: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    def of(self, form: str, name: str, otherwise: object = "") -> object:
        """What a form's field shows: what was typed in it, else what is known."""
        return self.values.get(name, otherwise) if form == self.at else otherwise


def done(
    app: App,
    act: Callable[[Connection], str],
    refused: Callable[[PilarError], Response],
    kinds: tuple[type[PilarError], ...] = REFUSED,
) -> Response:
    """Do what a form asks, and go on from there; or show what it stands on again.

    Args:
        app: the system.
        act: does it in a transaction of the fleet's scope (who may was checked before), and returns the address of the
            page that tells of it.
        refused: the page with what is wrong.
        kinds: of errors that are told there.
    """
    try:
        with app.database.transaction(Scope.fleet()) as connection:
            address = act(connection)
    except kinds as error:
        return refused(error)
    return see(address)


def see(address: str) -> Response:
    """Go on to a page of ours, from where going back repeats nothing."""
    return RedirectResponse(address, 303, {"cache-control": "no-store"})
