"""A sandbox that runs. What belongs here: finding it and asking it; what is asked is each command's."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pilar.errors import Transient
from pilar_cli import kept, sandbox
from pilar_cli.configuration import read_settings
from pilar_cli.console import wrong_usage

Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Where the sandbox listens; the one of this home if not told."),
]


def ask(method: str, path: str, url: str | None, **request: Any) -> dict[str, Any]:
    """Ask the running sandbox.

    Args:
        method: of HTTP.
        path: below `/control/`.
        url: where it listens; None: the sandbox of this home, by the address that it keeps beside its state.
        request: the further arguments of an HTTP client (`json`, `params`).

    Raises:
        Transient: none runs, or it doesn't answer.
        typer.Exit: it says that the request is wrong; what it says has been told.
    """
    import httpx

    base = url or address()
    try:
        with httpx.Client(base_url=base, trust_env=False, timeout=30.0) as client:
            answer = client.request(method, f"/control/{path}", **request)
            if answer.status_code == 422:
                wrong_usage(_reasons(answer.json()["detail"]))
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Transient(f"The sandbox at {base} doesn't answer ({error}): is it running?") from error
    return found


def address() -> str:
    """Where the sandbox of this home listens, by the address that it keeps beside its state.

    Raises:
        Transient: none runs.
    """
    from provider_sandbox.server import ADDRESS

    home = read_settings().home_path
    url = kept.read(home / sandbox.STATE / ADDRESS).get("url")
    if not url:
        raise Transient(
            f"No sandbox runs in {home}: start one with `pilar demo` or `pilar sandbox`,"
            " or name its address with --url."
        )
    return str(url)


def _reasons(detail: Any) -> str:
    """What the sandbox says is wrong, in one line for each."""
    if isinstance(detail, str):
        return detail
    return "\n".join(f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}." for one in detail)
