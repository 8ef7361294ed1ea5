"""`pilar sandbox …`. What belongs here: telling a word that is a command from the sandbox's own options."""

from __future__ import annotations

from typing import Any

import typer

from pilar_cli import sandbox, sandbox_effects, sandbox_faults
from pilar_cli.console import PlainGroup
from pilar_cli.fleet import command as fleet

RUN = "run"


class SandboxGroup(PlainGroup):
    """Without a command's name the sandbox is run, and every word is its own: so it was before there were commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the usual command in front where there is none."""
        if not args or args[0].startswith("-"):
            args = [RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=SandboxGroup,
    help="Run the providers on this machine; `faults` lets them misbehave, `fleet` lets studios live beside them.",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command(RUN, context_settings=sandbox.PASSED_ON)(sandbox.sandbox)
app.add_typer(sandbox_faults.app, name="faults")
app.command("effects")(sandbox_effects.effects)
app.command("fleet")(fleet.fleet)
