"""The sandbox, asked from outside. What belongs here: signing studios up, and what the simulated providers saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from pilar.clocks import ClockSetting
from pilar.errors import Permanent, Transient
from pilar_cli.demo.people import Writer
from pilar_cli.demo.studios import Visitor

PROVIDERS = {"meta": "whatsapp"}
"""The product's names for providers, where the sandbox has others."""


class NotPlayed(Permanent):
    """The sandbox says that something can't be played."""


@dataclass(frozen=True)
class Deliveries:
    """Webhooks that the product answered 200, by the product's names for providers."""

    accepted: Counter[str]
    different: Counter[str]
    """The same without repetitions."""
    under_way: int
    lost: int = 0
    """By a plan of faults."""

    @staticmethod
    def told(counts: Mapping[str, Mapping[str, int]]) -> Deliveries:
        """From what the sandbox's `GET /control/deliveries/counts` answers."""
        by_name = {PROVIDERS.get(provider, provider): found for provider, found in counts.items()}
        return Deliveries(
            Counter({name: found["accepted"] for name, found in by_name.items()}),
            Counter({name: found["different"] for name, found in by_name.items()}),
            sum(found["pending"] for found in by_name.values()),
            sum(found["dropped"] for found in by_name.values()),
        )

    def since(self, before: Deliveries) -> Deliveries:
        """What came after an earlier look."""
        return Deliveries(self.accepted - before.accepted, self.different - before.different, self.under_way, self.lost)


class Outside:
    """The sandbox's control API."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False, verify=False, timeout=30.0)  # noqa: S501 - loopback

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def sign_up(self, visitor: Visitor, click: str | None = None) -> str:
        """Have somebody pay, who may have come by an affiliate's link; return the subscription's id."""
        body = visitor.body() | ({"client_reference_id": click} if click else {})
        return str(self.ask("POST", "signups", json=body)["subscription"])

    def write_in(self, writers: Sequence[Writer]) -> None:
        """Have leads write their first messages, all in one delivery."""
        self.ask("POST", "leads/batch", json=[writer.body() for writer in writers])

    def leads(self) -> list[dict[str, Any]]:
        """Each lead with what they sent and received."""
        return list(self.ask("GET", "leads"))

    def set_clock(self, setting: ClockSetting) -> None:
        """Have the providers live in the same time as the product."""
        body = {
            "real_anchor": setting.real_anchor.isoformat(),
            "business_anchor": setting.business_anchor.isoformat(),
            "rate": setting.rate,
        }
        self.ask("PUT", "clock", json=body)

    def refund(self, subscription: str, amount_minor: int) -> None:
        """Have a part of a subscription's last invoice paid back."""
        self.ask("POST", "stripe/refunds", json={"subscription": subscription, "amount": amount_minor})

    def effects(self) -> dict[str, int]:
        """How often each kind of effect really happened."""
        return dict(self.ask("GET", "effects")["by_kind"])

    def deliveries(self) -> Deliveries:
        """How webhooks fared."""
        return Deliveries.told(self.ask("GET", "deliveries/counts"))

    def wait_idle(self, seconds: float) -> bool:
        """Wait until no webhook is under way; whether that came about in time."""
        return bool(self.ask("POST", "wait-idle", params={"timeout": seconds}, timeout=seconds + 10)["idle"])

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Ask for anything else.

        Args:
            method: of HTTP.
            path: below `/control/`.
            request: the further arguments of an HTTP client.

        Raises:
            NotPlayed: the sandbox says that this can't be.
            Transient: it does not answer, or has a fault.
        """
        try:
            answer = self._client.request(method, f"/control/{path}", **request)
        except httpx.HTTPError as error:
            raise Transient(f"The sandbox does not answer: {type(error).__name__}.") from error
        if answer.is_client_error:
            raise NotPlayed(f"The sandbox answered {answer.status_code} to {method} {path}: {_reason(answer)}")
        if not answer.is_success:
            raise Transient(f"The sandbox answered {answer.status_code} to {method} {path}.")
        return answer.json()


def _reason(answer: httpx.Response) -> str:
    """Why, in the sandbox's words."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text
