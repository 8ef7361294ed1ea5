"""Settings, read from the environment once. What belongs here: their names, defaults and what a missing one turns off.

Every name starts with `PILAR_`. Base URLs default to the providers' own, so that the sandbox differs from
production in these values only. `pilar doctor` prints this file's descriptions.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _setting(default: Any, description: str, turns_off: str = "", **limits: Any) -> Any:
    return Field(default, description=description, json_schema_extra={"turns_off": turns_off}, **limits)


Secrets = Annotated[tuple[SecretStr, ...], NoDecode]
"""Comma-separated in the environment, newest first, so that one can be rotated without a gap."""


class Settings(BaseSettings):
    """Everything that differs between two installations."""

    model_config = SettingsConfigDict(env_prefix="PILAR_", extra="ignore", frozen=True)

    home: Path = _setting(Path(".pilar"), "where generated state is kept")
    database_url: SecretStr | None = _setting(
        None, "the PostgreSQL server, as the owner of its database", "nothing: an embedded server is used"
    )
    dagster_database_url: SecretStr | None = _setting(
        None, "Dagster's own database", "nothing: `pilar_dagster` on the same server"
    )
    spool_dir: Path | None = _setting(
        None, "where deliveries wait while the database is away", "nothing: they wait in `spool` under PILAR_HOME"
    )
    spool_max_bytes: int = _setting(1024**3, "how much of this machine's disk they may take, in bytes", ge=1024**2)
    spool_max_rows: int = _setting(1_000_000, "how many one process may keep there", ge=1)
    redis_url: SecretStr | None = _setting(
        None,
        "a Redis of this installation's own, 6.2 or later: redis://host:6379/0",
        "nothing: the database keeps the locks, it is only asked more often",
    )
    public_url: str = _setting(
        "http://127.0.0.1:8000", "the address under which providers and people reach the web service"
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = _setting(
        (),
        "proxies in front of the web service whose X-Forwarded-* headers count, as addresses or networks (CIDR)",
        "nothing: the connection's own address and PILAR_PUBLIC_URL count",
    )
    door_body_seconds: float = _setting(
        10.0, "the longest that a provider may take to send a delivery's body before it is cut off", gt=0, le=600
    )
    door_refusals_at_most: int = _setting(
        100, "how many refused deliveries of a provider in one window are no security incident", ge=1
    )
    door_refusals_window_seconds: int = _setting(300, "how long that window is", ge=1, le=86_400)
    secret_keys: Secrets = _setting(
        (), "keys that encrypt stored credentials, newest first", "provisioning: credentials can't be kept"
    )
    founder_email: str | None = _setting(
        None, "who signs in as the founder", "sign-in to the overview until `pilar token founder` names one"
    )

    stripe_api_key: SecretStr | None = _setting(None, "Stripe's secret key", "signups: payments can't be read")
    stripe_api_base: str = _setting("https://api.stripe.com", "Stripe's API")
    stripe_webhook_secret: Secrets = _setting(
        (), "signing secrets of the Stripe webhook", "signups: Stripe's webhooks are refused"
    )
    stripe_price_basic: str = _setting("", "Stripe price of the BASIC plan", "signups for BASIC")
    stripe_price_pro: str = _setting("", "Stripe price of the PRO plan", "signups for PRO")

    grace_days: int = _setting(7, "how many days a studio has to pay what it owes before it is suspended", ge=0)
    closes_after_days: int = _setting(
        30, "how many days a studio is suspended, or its subscription over, before it is closed", ge=1
    )
    erased_after_days: int = _setting(90, "how many days the data of a closed studio is kept", ge=1)

    twilio_account_sid: str | None = _setting(
        None, "Twilio's parent account", "phone numbers: provisioning waits on us"
    )
    twilio_auth_token: SecretStr | None = _setting(
        None, "the parent account's token", "phone numbers: provisioning waits on us"
    )
    twilio_secondary_auth_token: SecretStr | None = _setting(
        None, "the parent account's other token while one is rotated: both sign", "nothing: one token signs"
    )
    twilio_parents: Secrets = _setting(
        (), "further parent accounts at Twilio, as SID:token", "nothing: all studios are under the first"
    )
    twilio_parent_capacity: int = _setting(1_000, "subaccounts that Twilio lets each parent account have", ge=1)
    twilio_api_base: str | None = _setting(None, "Twilio's API, where it is not Twilio's own")

    meta_app_id: str | None = _setting(None, "the Meta app", "WhatsApp: studios can't be connected")
    meta_app_secret: Secrets = _setting(
        (), "the Meta app's secrets", "WhatsApp: webhooks are refused and studios can't be connected"
    )
    meta_config_id: str | None = _setting(
        None, "the Embedded Signup configuration", "WhatsApp: studios can't be connected"
    )
    meta_verify_token: SecretStr | None = _setting(
        None, "what Meta repeats when it verifies the webhook", "WhatsApp: the webhook can't be verified"
    )
    meta_access_token: SecretStr | None = _setting(None, "the system user's token", "WhatsApp: fleet-wide calls")
    meta_api_base: str = _setting("https://graph.facebook.com", "Meta's Graph API")
    meta_dialog_base: str = _setting("https://www.facebook.com", "Meta's sign-up dialog")

    openai_api_key: SecretStr | None = _setting(
        None, "OpenAI's key", "asking OpenAI's models: agents go by their rules"
    )
    openai_api_base: str = _setting("https://api.openai.com/v1", "OpenAI's API, its version included")
    groq_api_key: SecretStr | None = _setting(None, "Groq's key", "asking Groq's models: agents go by their rules")
    groq_api_base: str = _setting("https://api.groq.com/openai/v1", "Groq's API, its version included")
    anthropic_api_key: SecretStr | None = _setting(
        None, "Anthropic's key", "asking Anthropic's models: agents go by their rules"
    )
    anthropic_api_base: str = _setting("https://api.anthropic.com", "Anthropic's API")
    elevenlabs_api_key: SecretStr | None = _setting(None, "ElevenLabs' key", "voices: nothing can be spoken or cloned")
    elevenlabs_api_base: str = _setting("https://api.elevenlabs.io", "ElevenLabs' API")

    smtp_url: SecretStr | None = _setting(
        None,
        "mail server: smtp(s)://user:password@host:port",
        "mail: owners get no link; the overview shows it",
    )
    mail_from: str = _setting("PILAR <no-reply@localhost>", "sender of mail")

    worker_threads: int = _setting(8, "provider calls at once in one worker", ge=1, le=128)
    lease_seconds: int = _setting(30, "how long claimed work is held between heartbeats", ge=1, le=3600)
    provider_timeout_seconds: float = _setting(15.0, "the longest a provider is waited for", gt=0)
    dagster_url: str = _setting("http://127.0.0.1:3000", "where Dagster's webserver listens")

    log_kept_days: int = _setting(30, "how long the log of attempts at work is kept", ge=1)
    keys_kept_days: int = _setting(
        90,
        "how long idempotency keys are kept: the same key is the same fact; no older webhook is replayed",
        ge=30,
    )
    deliveries_kept_days: int = _setting(
        90, "how long webhooks are kept with their bodies, once worked on; providers repeat one for days", ge=30
    )
    facts_kept_days: int = _setting(400, "how long events and jobs are kept that are done", ge=30)
    effects_kept_days: int = _setting(400, "how long settled sends and the like are kept; purchases for good", ge=30)
    windows_kept_days: int = _setting(
        90, "how long session windows that were about to close on leads who waited are kept (business time)", ge=7
    )
    offers_kept_days: int = _setting(
        90, "how long times that were on offer are kept once they can't be chosen any more (business time)", ge=30
    )
    audit_kept_days: int = _setting(2_557, "how long audit entries are kept; their seal is for good", ge=366)

    @field_validator(
        *("secret_keys", "stripe_webhook_secret", "meta_app_secret", "trusted_proxies", "twilio_parents"), mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        *("public_url", "stripe_api_base", "meta_api_base", "meta_dialog_base", "dagster_url"),
        *("openai_api_base", "groq_api_base", "anthropic_api_base", "elevenlabs_api_base"),
    )
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ip_network(one)
            except ValueError as error:
                raise ValueError(f"{one!r} is no address and no network such as 10.0.0.0/8") from error
        return value

    @property
    def home_path(self) -> Path:
        """`home` as an absolute path."""
        return self.home.expanduser().absolute()

    @property
    def spool_path(self) -> Path:
        """Where deliveries wait while the database is away, as an absolute path."""
        return (self.spool_dir or self.home / "spool").expanduser().absolute()


def reveal(secrets: tuple[SecretStr, ...]) -> list[str]:
    """The plain texts of comma-separated secrets."""
    return [secret.get_secret_value() for secret in secrets]
