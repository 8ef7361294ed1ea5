"""`python -m provider_sandbox`. What belongs here: reading the command line and telling the ports."""

from __future__ import annotations

import argparse
from pathlib import Path

from provider_sandbox.config import SandboxConfig
from provider_sandbox.meta.limits import FIRST_TIER, MetaLimits
from provider_sandbox.server import SandboxServer, write_json

REQUIRED = (
    *("stripe-api-key", "stripe-webhook-secret", "twilio-account-sid", "twilio-auth-token"),
    *("meta-app-id", "meta-app-secret", "meta-verify-token"),
)
OPTIONAL = ("openai-api-key", "groq-api-key", "anthropic-api-key", "elevenlabs-api-key")


def arguments() -> argparse.ArgumentParser:
    """The command line: one option for each field of the configuration."""
    parser = argparse.ArgumentParser(
        prog="python -m provider_sandbox",
        description="Stripe, Twilio, Meta, language models, voices and a mail server on this machine.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4010, help="HTTP port; 0 takes any free one")
    parser.add_argument("--smtp-port", type=int, default=4025, help="mail port; 0 takes any free one")
    parser.add_argument("--state", type=Path, required=True, help="directory of the state, which survives restarts")
    parser.add_argument("--stripe-webhook-url", help="replaces the address that was remembered")
    parser.add_argument("--meta-webhook-url", help="replaces the address that was remembered")
    for name in REQUIRED:
        parser.add_argument(f"--{name}", required=True)
    for name in OPTIONAL:
        parser.add_argument(f"--{name}", default="", help="without it the provider refuses every call")
    parser.add_argument("--owner-delay", type=float, default=1.0, help="seconds from a mail to the click on its link")
    parser.add_argument(
        "--status-delay", type=float, default=0.1, help="seconds from one status of a message to the next"
    )
    parser.add_argument("--review-delay", type=float, default=0.5, help="seconds that a template's review takes")
    parser.add_argument("--lead-delay", type=float, default=0.5, help="seconds until a lead reads a message")
    parser.add_argument(
        "--meta-tier",
        choices=MetaLimits().names(),
        default=FIRST_TIER,
        help="how many people a new business on WhatsApp may write to in a day, outside their windows",
    )
    parser.add_argument("--port-file", type=Path, help="where to write the ports as JSON once they listen")
    return parser


def main() -> None:
    """Serve until a signal comes."""
    given = vars(arguments().parse_args())
    port_file: Path | None = given.pop("port_file")
    config = SandboxConfig(**given)

    def listening(port: int, smtp_port: int) -> None:
        if port_file:
            write_json(port_file, {"port": port, "smtp_port": smtp_port})
        print(f"sandbox: http://{config.host}:{port} smtp://{config.host}:{smtp_port}", flush=True)

    SandboxServer(config, listening).serve_forever()


if __name__ == "__main__":
    main()
