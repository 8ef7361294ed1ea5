"""What can be asked of Stripe. What belongs here: the shape of one operation; each file has a table of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from provider_sandbox.state import Body
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.params import Params

Ids = Mapping[str, str]
"""The ids in a path, by their names there."""


@dataclass(frozen=True)
class Operation:
    """A method and a path, and what it does; a refusal is a `StripeError`."""

    method: str
    path: str
    does: Callable[[Desk, Params, Ids], Body]
