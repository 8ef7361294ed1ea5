"""The entry: `pilar COMMAND`. What belongs here: the list of commands; each is a file of its own."""

from __future__ import annotations

from pilar_cli import (
    audit,
    budgets,
    credentials,
    dead,
    defaults,
    dictionary,
    doctor,
    down,
    effects,
    inbox,
    keys,
    leads,
    migration,
    models,
    queue,
    rates,
    sandbox_commands,
    templates,
    tokens,
    up,
    worker,
)
from pilar_cli.console import new_group
from pilar_cli.demo import command as demo

app = new_group(
    "PILAR runs the back office of fitness studios. Settings are environment variables: see `pilar doctor`."
)

app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("down")(down.down)
app.command("worker")(worker.worker)
app.command("migrate")(migration.migrate)
app.command("doctor")(doctor.doctor)
app.command("models")(models.models)
app.command("dictionary")(dictionary.dictionary)
app.add_typer(sandbox_commands.app, name="sandbox")
app.add_typer(inbox.app, name="inbox")
app.add_typer(tokens.app, name="token")
app.add_typer(audit.app, name="audit")
app.add_typer(effects.app, name="effects")
app.add_typer(queue.app, name="queue")
app.add_typer(dead.app, name="dead")
app.add_typer(budgets.app, name="budget")
app.add_typer(credentials.app, name="credentials")
app.add_typer(defaults.app, name="defaults")
app.add_typer(keys.app, name="keys")
app.add_typer(leads.app, name="leads")
app.add_typer(rates.app, name="rates")
app.add_typer(templates.app, name="templates")

if __name__ == "__main__":
    app()
