"""What a sandbox is started with. What belongs here: names, defaults, meaning; the command line is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from provider_sandbox.meta.limits import FIRST_TIER, MetaLimits


@dataclass(frozen=True)
class Retry:
    """Growing pauses between attempts, in seconds: `first`, then twice as long each time, never above `cap`."""

    first: float = 0.25
    cap: float = 5.0

    def pause(self, attempts: int) -> float:
        """Seconds to wait after the given number of failed attempts (1 or more)."""
        return float(min(self.first * 2 ** min(attempts - 1, 32), self.cap))


@dataclass(frozen=True)
class SandboxConfig:
    """Keys that the product and the sandbox share, where to listen, and how fast the simulated people are."""

    state: Path
    stripe_api_key: str = field(repr=False)
    stripe_webhook_secret: str = field(repr=False)
    twilio_account_sid: str
    twilio_auth_token: str = field(repr=False)
    meta_app_id: str
    meta_app_secret: str = field(repr=False)
    meta_verify_token: str = field(repr=False)
    openai_api_key: str = field(default="", repr=False)
    """Without a key a provider of models or voices refuses every call."""
    groq_api_key: str = field(default="", repr=False)
    anthropic_api_key: str = field(default="", repr=False)
    elevenlabs_api_key: str = field(default="", repr=False)
    stripe_webhook_url: str | None = None
    meta_webhook_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    smtp_port: int = 0
    owner_delay: float = 1.0
    """Seconds between a mail's arrival and the studio owner's click on its link."""
    status_delay: float = 0.1
    """Seconds between a message's acceptance and its first status, and between one status and the next."""
    review_delay: float = 0.5
    """Seconds that Meta takes to review a template."""
    lead_delay: float = 0.5
    """Seconds until a simulated lead reads a message, and replies or not."""
    retry: Retry = Retry()
    twilio_subaccount_cap: int = 1000
    meta_tier: str = FIRST_TIER
    """How many people a new business may write to in a day: the name of a tier of `meta_limits`."""
    meta_limits: MetaLimits = field(default_factory=MetaLimits)
