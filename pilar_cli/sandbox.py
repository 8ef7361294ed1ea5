"""`pilar sandbox`. What belongs here: starting the provider sandbox with the keys that are kept in the home."""

from __future__ import annotations

import secrets
from pathlib import Path

import typer

from pilar_cli import kept
from pilar_cli.configuration import read_settings
from pilar_cli.console import answer, answer_json

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Options are the sandbox's own, its help included."""

STATE = "sandbox"


def sandbox_keys(home: Path) -> dict[str, str]:
    """What product and sandbox share, by the sandbox's options; made once, so that both agree in every run."""
    keys, _ = kept.secret(home, "sandbox", _new_keys)
    if added := {name: key for name, key in _new_keys().items() if name not in keys}:
        # A home of an earlier release lacks the keys of providers that have come since.
        keys = kept.replace_secret(home, "sandbox", keys | added)
    return keys


def sandbox(context: typer.Context) -> None:
    """Run Stripe, Twilio, Meta, models, voices and mail on this machine; keys and state are those of `pilar demo`."""
    from pilar.database.server_files import make_home
    from provider_sandbox.__main__ import arguments
    from provider_sandbox.config import SandboxConfig
    from provider_sandbox.server import SandboxServer

    home = read_settings().home_path
    words = list(context.args)
    as_json = "--json" in words
    parser = arguments()
    parser.prog = "pilar sandbox"
    parser.epilog = "While it runs: `pilar sandbox faults --help`, `… effects --help`, `… fleet --help`."
    parser.add_argument("--json", action="store_true", help="tell the addresses as one JSON object")
    if not {"-h", "--help"} & set(words):
        make_home(home)
        defaults = sandbox_keys(home) | {"state": str(home / STATE)}
        words = [f"--{name}={value}" for name, value in defaults.items()] + words
    given = vars(parser.parse_args(words))
    port_file: Path | None = given.pop("port_file")
    given.pop("json")
    config = SandboxConfig(**given)

    def listening(port: int, mail_port: int) -> None:
        if port_file:
            kept.write(port_file, {"port": port, "smtp_port": mail_port})
        addresses = {"url": f"http://{config.host}:{port}", "smtp": f"smtp://{config.host}:{mail_port}"}
        if as_json:
            answer_json(addresses)
        else:
            answer("The sandbox listens: " + ", ".join(addresses.values()))

    SandboxServer(config, listening).serve_forever()


def _new_keys() -> dict[str, str]:
    return {
        "stripe-api-key": f"sk_test_{secrets.token_hex(16)}",
        "stripe-webhook-secret": f"whsec_{secrets.token_hex(24)}",
        "twilio-account-sid": f"AC{secrets.token_hex(16)}",
        "twilio-auth-token": secrets.token_hex(16),
        "meta-app-id": str(10**14 + secrets.randbelow(10**14)),
        "meta-app-secret": secrets.token_hex(16),
        "meta-verify-token": secrets.token_hex(16),
        "openai-api-key": f"sk-{secrets.token_hex(16)}",
        "groq-api-key": f"gsk_{secrets.token_hex(16)}",
        "anthropic-api-key": f"sk-ant-{secrets.token_hex(16)}",
        "elevenlabs-api-key": f"sk_{secrets.token_hex(16)}",
    }
