"""The sandbox for tests. What belongs here: running one in a thread and asking it; nothing that only one test needs."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from provider_sandbox.config import Retry, SandboxConfig
from provider_sandbox.meta.playing import MetaPlays
from provider_sandbox.pages import Page
from provider_sandbox.server import SandboxServer
from provider_sandbox.trust import trusted
from provider_sandbox.twilio.playing import TwilioPlays


def sandbox_config(state: Path, **changes: Any) -> SandboxConfig:
    """A configuration with fresh random keys, people in no hurry to wait, and quick retries.

    Keep it to start the same sandbox again on the same state.
    """
    values: dict[str, Any] = {
        "stripe_api_key": f"sk_test_{secrets.token_hex(12)}",
        "stripe_webhook_secret": f"whsec_{secrets.token_hex(16)}",
        "twilio_account_sid": f"AC{secrets.token_hex(16)}",
        "twilio_auth_token": secrets.token_hex(16),
        "meta_app_id": str(10**14 + secrets.randbelow(10**14)),
        "meta_app_secret": secrets.token_hex(16),
        "meta_verify_token": secrets.token_hex(16),
        "openai_api_key": f"sk-{secrets.token_hex(16)}",
        "groq_api_key": f"gsk_{secrets.token_hex(16)}",
        "anthropic_api_key": f"sk-ant-{secrets.token_hex(16)}",
        "elevenlabs_api_key": f"sk_{secrets.token_hex(16)}",
        "owner_delay": 0.0,
        "status_delay": 0.0,
        "review_delay": 0.0,
        "lead_delay": 0.0,
        "retry": Retry(first=0.05, cap=1.0),
    }
    return SandboxConfig(state=state, **(values | changes))


@dataclass(frozen=True)
class RunningSandbox(MetaPlays, TwilioPlays):
    """A sandbox that listens, with the control API as methods."""

    base_url: str
    smtp_port: int
    config: SandboxConfig
    client: httpx.Client

    def set_targets(self, *, stripe_webhook_url: str | None = None, meta_webhook_url: str | None = None) -> None:
        """Say where webhooks go; what is left out stays as it is."""
        self._call(
            "PUT", "targets", json={"stripe_webhook_url": stripe_webhook_url, "meta_webhook_url": meta_webhook_url}
        )

    def sign_up(self, studio: str = "Studio Noord", **changes: Any) -> dict[str, Any]:
        """Play a visitor who pays; fields as of `POST /control/signups`. Returns the ids."""
        visitor = {
            "studio": studio,
            "owner_name": "Anna de Vries",
            "email": "anna@studio.example",
            "phone": "+31200009999",
            "country": "NL",
            "plan": "PRO",
            "time_zone": "Europe/Amsterdam",
        }
        return dict(self._call("POST", "signups", json=visitor | changes))

    def refund(self, **about: Any) -> dict[str, Any]:
        """Play a refund in Stripe's dashboard; fields as of `POST /control/stripe/refunds`. Returns the ids."""
        return dict(self._call("POST", "stripe/refunds", json=about))

    def dispute(self, **about: Any) -> dict[str, Any]:
        """Play a dispute; fields as of `POST /control/stripe/disputes`. Returns the ids."""
        return dict(self._call("POST", "stripe/disputes", json=about))

    def renew(self, subscription: str, seed: int = 1) -> dict[str, Any]:
        """Play a subscription's next month, paid. Returns the ids."""
        return dict(self._call("POST", "stripe/renew", json={"subscription": subscription, "seed": seed}))

    def cancel(self, subscription: str, *, at_period_end: bool = False, seed: int = 1) -> dict[str, Any]:
        """Play the end of a subscription in Stripe's own pages, now or with its period. Returns its state."""
        wanted = {"subscription": subscription, "at_period_end": at_period_end, "seed": seed}
        return dict(self._call("POST", "stripe/cancellations", json=wanted))

    def change_plan(self, subscription: str, plan: str, **more: Any) -> dict[str, Any]:
        """Play a change of plan in Stripe's own pages; `more` is proration or seed. Returns its state."""
        return dict(self._call("POST", "stripe/plans", json={"subscription": subscription, "plan": plan, **more}))

    def fail_payments(self, subscription: str, seed: int = 1) -> dict[str, Any]:
        """Let a subscription's card stop working: what is due from now on is not paid. Returns its state."""
        return dict(
            self._call("POST", "stripe/paying", json={"subscription": subscription, "failing": True, "seed": seed})
        )

    def recover_payments(self, subscription: str, seed: int = 1) -> dict[str, Any]:
        """Let another card take its place, which pays what is open. Returns the subscription's state."""
        return dict(
            self._call("POST", "stripe/paying", json={"subscription": subscription, "failing": False, "seed": seed})
        )

    def end_trial(self, subscription: str, seed: int = 1) -> dict[str, Any]:
        """Play a trial's end, now. Returns the subscription's state."""
        return dict(self._call("POST", "stripe/trial-ends", json={"subscription": subscription, "seed": seed}))

    def after_last_attempt(self, status: str) -> None:
        """Say whether a subscription is `canceled` or `unpaid` when its last payment attempt has failed."""
        self._call("PUT", "stripe/after-last-attempt", json={"status": status})

    def complete_onboarding(self, account: str, seed: int = 1) -> dict[str, Any]:
        """Play an affiliate who tells Stripe everything, without the page. Returns the ids."""
        return dict(self._call("POST", "stripe/onboarding", json={"account": account, "seed": seed}))

    def walk_onboarding(self, url: str, *, name: str = "Anna Sandbox", iban: str = "NL00SAND0123456789") -> str:
        """Play an affiliate who follows an account link and fills its page in. Returns where it led."""
        return self._fill(url, "Agree and submit", name=name, iban=iban)

    def walk_checkout(self, url: str, *, card: str = "4242 4242 4242 4242", **typed: str) -> str:
        """Play a visitor who pays on the hosted page; `typed` by the fields' names. Returns where it led.

        Raises `AssertionError` with what the page says where the card is not taken.
        """
        person = {"email": "anna@studio.example", "name": "Anna de Vries", "phone": "+31200009999", "country": "NL"}
        return self._fill(url, None, **(person | typed), card=card)

    def restrict_account(self, account: str, due: Sequence[str] = ("individual.id_number",)) -> dict[str, Any]:
        """Play Stripe, which asks a connected account for more and holds its money. Returns the ids."""
        return dict(self._call("POST", "stripe/restrictions", json={"account": account, "due": list(due)}))

    def top_up(self, amount: int, currency: str = "eur") -> None:
        """Add money to the platform's balance, in minor units; it is available at once."""
        self._call("POST", "stripe/top-ups", json={"amount": amount, "currency": currency})

    def fail_payout(self, payout: str, seed: int = 1) -> dict[str, Any]:
        """Play a bank that sends a payout back. Returns the ids."""
        return dict(self._call("POST", "stripe/failed-payouts", json={"payout": payout, "seed": seed}))

    def set_clock(
        self, *, real_anchor: datetime, business_anchor: datetime, rate: float = 1.0, skip: bool = False
    ) -> None:
        """Move business time, as `pilar.clocks.ClockSetting` has it; `skip` charges nothing for the months between."""
        anchors = {"real_anchor": real_anchor.isoformat(), "business_anchor": business_anchor.isoformat()}
        self._call("PUT", "clock", json={**anchors, "rate": rate, "skip": skip})

    def reset_clock(self) -> None:
        """Let business time be real time again."""
        self._call("DELETE", "clock")

    def add_lead(self, *, to: str, sender: str, persona: str, name: str = "Bo", **more: Any) -> dict[str, Any]:
        """Let a simulated lead write to a studio; `more` is seed or language."""
        lead = {"to": to, "from": sender, "name": name, "persona": persona}
        return dict(self._call("POST", "leads", json=lead | more))

    def add_leads(self, leads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Let several leads write in one delivery; fields as of `POST /control/leads`."""
        return list(self._call("POST", "leads/batch", json=list(leads)))

    def speak(self, *, to: str, sender: str, topic: str) -> dict[str, Any]:
        """Let a lead write without being asked: again, stop or back."""
        return dict(self._call("POST", "leads/words", json={"to": to, "from": sender, "topic": topic}))

    def set_owner_habit(self, email: str, hours: float | None) -> None:
        """Let an owner leave mail unread for so many hours of business time; None: for ever."""
        self._call("PUT", "owners", json={"email": email, "hours": hours})

    def leads(self) -> list[dict[str, Any]]:
        """Each simulated lead with what they sent and received."""
        return list(self._call("GET", "leads"))

    def set_faults(self, seed: int, rules: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Let providers misbehave; rules as of `PUT /control/faults`, which replace the former ones."""
        return dict(self._call("PUT", "faults", json={"seed": seed, "rules": list(rules)}))

    def clear_faults(self) -> dict[str, Any]:
        """Let providers behave again. Returns what the plan had done."""
        return dict(self._call("DELETE", "faults"))

    def faults(self) -> dict[str, Any]:
        """The plan with how often each rule fitted (`seen`) and struck."""
        return dict(self._call("GET", "faults"))

    def effects(self, **wanted: str) -> dict[str, int]:
        """How often each kind of effect happened; `wanted` is provider, kind (a pattern), key or since."""
        return dict(self._call("GET", "effects", params=wanted)["by_kind"])

    def effects_by_key(self) -> dict[tuple[str, str], int]:
        """How often each effect happened to each key."""
        return {(row["kind"], row["key"]): row["count"] for row in self._call("GET", "effects")["by_kind_and_key"]}

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Every object of a kind (`twilio.number`, `meta.phone`, …), oldest first."""
        return list(self._call("GET", f"objects/{kind}"))

    def deliveries(self) -> list[dict[str, Any]]:
        """Each webhook and how it fared."""
        return list(self._call("GET", "deliveries"))

    def send_again(self, delivery: int) -> int:
        """Play a provider that sends a webhook once more, byte for byte. Returns the number of the new delivery."""
        return int(self._call("POST", f"deliveries/{delivery}/again")["id"])

    def owners(self) -> list[dict[str, Any]]:
        """Each visit of an owner and how it went."""
        return list(self._call("GET", "owners"))

    def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        """Mail that arrived, for one recipient or for everybody."""
        return list(self._call("GET", "mails", params={"to": to} if to else {}))

    def script_models(self, *answers: dict[str, Any], seed: int = 0) -> None:
        """Put models' answers ready, in place of all that were; fields as of `PUT /control/models/answers`."""
        self._call("PUT", "models/answers", json={"seed": seed, "answers": list(answers)})

    def questions(self, provider: str | None = None) -> list[dict[str, Any]]:
        """What models were asked, with what came of it, oldest first."""
        return list(self._call("GET", "models/questions", params={"provider": provider} if provider else {}))

    def model_usage(self) -> list[dict[str, Any]]:
        """The bill: answers, tokens and cost by model."""
        return list(self._call("GET", "models/usage"))

    def set_voice_quota(self, characters: int) -> None:
        """Let the account at ElevenLabs have so many characters a month."""
        self._call("PUT", "elevenlabs/quota", json={"characters": characters})

    def wait_idle(self, seconds: float = 30.0) -> None:
        """Wait until nothing is under way; raise `AssertionError` when that takes too long."""
        answer = self._call("POST", "wait-idle", params={"timeout": seconds})
        if not answer["idle"]:
            raise AssertionError(f"still busy after {seconds} s: {answer}")

    def _fill(self, url: str, button: str | None, **typed: str) -> str:
        """Open a page, fill its first form in as far as it asks, press the button, and tell where that led."""
        page = self.client.get(url)
        page.raise_for_status()
        [form] = Page(page.text).forms
        pressed = form.buttons[button] if button else next(iter(form.buttons.values()))
        fields = {**form.fields, **{name: text for name, text in typed.items() if name in form.fields}}
        if "name" in pressed:
            fields[pressed["name"]] = pressed.get("value", "")
        answer = self.client.post(url, data=fields)
        if not answer.is_redirect:
            raise AssertionError(f"{url} answered {answer.status_code}: {answer.text}")
        return answer.headers["location"]

    def _call(self, method: str, path: str, **request: Any) -> Any:
        answer = self.client.request(method, f"/control/{path}", **request)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running_sandbox(config: SandboxConfig) -> Iterator[RunningSandbox]:
    """Serve a sandbox from a thread for as long as the block lasts."""
    ports: list[int] = []
    settled = threading.Event()

    def listening(port: int, smtp_port: int) -> None:
        ports.extend((port, smtp_port))
        settled.set()

    server = SandboxServer(config, listening, log_level="warning")

    def serve() -> None:
        try:
            server.serve_forever()
        finally:
            settled.set()

    thread = threading.Thread(target=serve, name="provider-sandbox", daemon=True)
    thread.start()
    settled.wait()
    if not ports:
        thread.join()
        raise RuntimeError("the sandbox did not start: see the log")
    base_url = f"http://{config.host}:{ports[0]}"
    try:
        with httpx.Client(base_url=base_url, trust_env=False, verify=trusted(), timeout=60.0) as client:
            yield RunningSandbox(base_url, ports[1], config, client)
    finally:
        server.should_exit = True
        thread.join()
