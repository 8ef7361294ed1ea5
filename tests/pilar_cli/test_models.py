"""`pilar models` and the keys that product and sandbox share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pilar.providers.llm.client import PROVIDERS
from pilar_cli import kept
from pilar_cli.main import app
from pilar_cli.models import USUAL
from pilar_cli.sandbox import sandbox_keys
from provider_sandbox.testing import RunningSandbox, running_sandbox, sandbox_config

KEYS = [f"PILAR_{name.upper()}_API_KEY" for name in (*PROVIDERS, "elevenlabs")]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    state: Path = tmp_path_factory.mktemp("models")
    with running_sandbox(sandbox_config(state)) as running:
        yield running


@pytest.fixture
def sandbox(served: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    served.script_models()
    bases = {"openai": "openai/v1", "groq": "groq/openai/v1", "anthropic": "anthropic", "elevenlabs": "elevenlabs"}
    for name, path in bases.items():
        monkeypatch.setenv(f"PILAR_{name.upper()}_API_KEY", getattr(served.config, f"{name}_api_key"))
        monkeypatch.setenv(f"PILAR_{name.upper()}_API_BASE", f"{served.base_url}/{path}")
    return served


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["models", *words], env={"COLUMNS": "250"})


def test_each_provider_with_a_key_is_asked(sandbox: RunningSandbox) -> None:
    done = run("--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["missing"] == []
    assert {one["provider"]: one["model"] for one in told["asked"]} == {**USUAL, "elevenlabs": None}
    assert [one["said"] for one in told["asked"]] == ["ok", "ok", "ok", "3 voices, 100000 characters left"]
    assert all(one["cost_micro_usd"] > 0 for one in told["asked"][:3])


def test_one_that_does_not_answer_fails_the_command_and_says_why(sandbox: RunningSandbox) -> None:
    sandbox.script_models({"provider": "groq", "error": "out_of_credit", "message": "You have no credit left."})
    done = run()
    assert done.exit_code == 1
    assert "does not answer" in done.stdout
    assert "You have no credit left." in done.stdout
    assert run("--provider", "openai", "--say", "Hoi").exit_code == 0


def test_what_is_missing_is_named_and_a_wrong_use_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    done = run()
    assert done.exit_code == 0
    assert done.stdout == f"There is no key of any provider.\nNot set: {', '.join(KEYS)}.\n"
    assert "PILAR_GROQ_API_KEY is not set" in run("--provider", "groq").stdout
    assert run("--provider", "elsewhere").exit_code == 2
    assert run("--model", "gpt-4o").exit_code == 2


def test_a_home_of_an_earlier_release_gets_the_keys_that_it_lacks(tmp_path: Path) -> None:
    old = {"stripe-api-key": "sk_test_kept"}
    kept.secret(tmp_path, "sandbox", lambda: old)
    keys = sandbox_keys(tmp_path)
    assert keys["stripe-api-key"] == "sk_test_kept"
    assert keys["anthropic-api-key"].startswith("sk-ant-")
    assert sandbox_keys(tmp_path) == keys
