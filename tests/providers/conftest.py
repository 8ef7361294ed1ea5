"""Fixtures of the provider tests: the local server and settings that lead to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pilar.settings import Settings
from tests.providers.local_http import LocalServer, running_server


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def settings_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Complete settings whose providers all live at one base; keywords replace single ones."""

    def build(base: str, **others: Any) -> Settings:
        values: dict[str, Any] = {
            "stripe_api_key": "sk_test_0123456789abcdef",
            "stripe_api_base": base,
            "twilio_account_sid": "AC" + "0" * 32,
            "twilio_auth_token": "parent-token",
            "twilio_api_base": f"{base}/twilio/",
            "meta_app_id": "4711",
            "meta_app_secret": "newest-secret,older-secret",
            "meta_config_id": "815",
            "meta_api_base": base,
            "openai_api_key": "sk-openai",
            "openai_api_base": f"{base}/openai/v1",
            "groq_api_key": "gsk_groq",
            "groq_api_base": f"{base}/groq/openai/v1",
            "anthropic_api_key": "sk-ant-anthropic",
            "anthropic_api_base": f"{base}/anthropic/",
            "elevenlabs_api_key": "sk_elevenlabs",
            "elevenlabs_api_base": f"{base}/elevenlabs",
            "provider_timeout_seconds": 5.0,
        }
        return Settings(**(values | others))

    return build
