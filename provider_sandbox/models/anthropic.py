"""Anthropic's Messages API. What belongs here: paths, and the shapes of both ways.

What is answered is the neighbours' (`answering.py`). There is no streaming.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from provider_sandbox.models import bodies, catalogue, errors
from provider_sandbox.models.answering import Answered, answer
from provider_sandbox.models.asked import Asked, Tool, Turn
from provider_sandbox.models.errors import Refused
from provider_sandbox.state import State

FINISHES = {"done": "end_turn", "tools": "tool_use", "cut_off": "max_tokens", "refused": "refusal"}
HIGHEST_TEMPERATURE = 1.0
VERSION = "2026-10-21"


def anthropic_app(api_key: str, state: State) -> FastAPI:
    """The application to mount."""
    app = FastAPI(openapi_url=None)

    async def refused(_request: Request, error: Exception) -> Response:
        if not isinstance(error, Refused):
            raise error
        return errors.response("anthropic", error, f"req_{secrets.token_hex(8)}")

    app.add_exception_handler(Refused, refused)

    @app.get("/v1/models")
    async def list_models(request: Request) -> dict[str, Any]:
        _authenticate(request, api_key)
        names = list(catalogue.MODELS["anthropic"])
        data = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2025-10-01T00:00:00Z"} for name in names
        ]
        return {"data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]}

    @app.post("/v1/messages")
    async def create_message(request: Request) -> Response:
        _authenticate(request, api_key)
        body = await bodies.document(request)
        _refuse_what_is_gone(body, request.headers["anthropic-version"])
        asked = _asked(body)
        answered = answer(state, asked)
        return JSONResponse(_message(asked, answered), headers={"request-id": f"req_{answered.number}"})

    return app


def _authenticate(request: Request, api_key: str) -> None:
    # Both are documented; the SDK of today sends the second.
    given = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
    if not api_key or not secrets.compare_digest(given.encode(), api_key.encode()):
        raise Refused("invalid_key")
    if not request.headers.get("anthropic-version"):
        raise Refused("bad_request", "anthropic-version: header is required")


def _asked(body: dict[str, Any]) -> Asked:
    bodies.refuse_streaming(body)
    most = bodies.whole(body, "max_tokens", least=1)
    if most is None:
        raise Refused("bad_request", "max_tokens: Field required")
    tools = tuple(map(_tool, bodies.objects(body, "tools")))
    model = bodies.text(body, "model")
    must_use = _must_use(body.get("tool_choice"), tools)
    if must_use and _thinks(model):
        raise Refused("bad_request", f"tool_choice: {model} can't be made to use a tool.")
    return Asked(
        "anthropic",
        model,
        _system(body.get("system")),
        _turns(bodies.objects(body, "messages", required=True), thinks=_thinks(model)),
        tools,
        must_use,
        _schema(body.get("output_config")),
        most,
    )


def _refuse_what_is_gone(body: dict[str, Any], version: str) -> None:
    """Version 2026-10-21 has no sampling parameters; in the one before they are numbers up to 1."""
    for name in ("temperature", "top_p", "top_k"):
        if name in body and version >= VERSION:
            raise Refused("bad_request", f"{name}: Extra inputs are not permitted")
    bodies.within(body, "temperature", HIGHEST_TEMPERATURE)


def _thinks(model: str) -> bool:
    listed = catalogue.find("anthropic", model)
    return listed is not None and listed.thinks


def _schema(config: object) -> Mapping[str, Any] | None:
    form = config.get("format") if isinstance(config, dict) else None
    if form is None:
        return None
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        raise Refused("bad_request", "output_config.format.type: json_schema is required.")
    return bodies.strict(form.get("schema"), "output_config.format")


def _system(system: object) -> str:
    if isinstance(system, list):
        return "\n".join(str(block.get("text", "")) for block in system if isinstance(block, dict))
    return str(system or "")


def _turns(messages: list[dict[str, Any]], *, thinks: bool) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    open_calls: set[str] = set()
    for number, message in enumerate(messages):
        role = message.get("role")
        if role not in ("user", "assistant"):
            raise Refused("bad_request", f"messages.{number}.role: {role!r} is neither user nor assistant.")
        if number == 0 and role != "user":
            raise Refused("bad_request", "messages.0: the first message must be the user's.")
        blocks = _blocks(message, number)
        told = {bodies.text(block, "tool_use_id") for block in blocks if block.get("type") == "tool_result"}
        if told != open_calls:
            raise Refused("bad_request", f"messages.{number}: each tool_use must have its tool_result right after it.")
        open_calls = {bodies.text(block, "id") for block in blocks if block.get("type") == "tool_use"}
        if open_calls and thinks and blocks[0] != _thought(min(open_calls)):
            raise Refused("bad_request", f"messages.{number}: the thinking before a tool_use must come back unchanged.")
        turns.extend(_turn(str(role), block) for block in blocks if block.get("type") != "thinking")
    if messages[-1].get("role") == "assistant":
        raise Refused("bad_request", "messages: the last message must be the user's.")
    if open_calls:
        raise Refused("bad_request", "messages: the last message leaves calls without a result.")
    return tuple(turns)


def _blocks(message: dict[str, Any], number: int) -> list[dict[str, Any]]:
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else bodies.objects(message, "content")
    if not blocks or any(block.get("type") == "text" and not block.get("text") for block in blocks):
        raise Refused("bad_request", f"messages.{number}: text content blocks must be non-empty")
    return blocks


def _turn(role: str, block: dict[str, Any]) -> Turn:
    kind = block.get("type")
    if kind == "tool_result":
        content = block.get("content")
        return Turn("tool", content if isinstance(content, str) else _system(content))
    if kind == "tool_use":
        return Turn(role, f"{block.get('name')} {block.get('input')}")
    if kind != "text":
        raise Refused("bad_request", f"content.type: {kind!r} is not known to the sandbox.")
    return Turn(role, str(block["text"]))


def _tool(written: dict[str, Any]) -> Tool:
    schema = written.get("input_schema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise Refused("bad_request", "tools.input_schema: a schema of an object is required.")
    name = bodies.named(written.get("name"), "tools.name")
    return Tool(
        name, written.get("description") or "", bodies.strict(schema, name) if written.get("strict") else schema
    )


def _must_use(choice: object, tools: tuple[Tool, ...]) -> str:
    if choice is None:
        return ""
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "tool" and isinstance(choice, dict):
        if choice.get("name") not in [tool.name for tool in tools]:
            raise Refused("bad_request", f"tool_choice.name: there is no tool {choice.get('name')!r}.")
        return str(choice["name"])
    if kind not in ("auto", "any", "none"):
        raise Refused("bad_request", "tool_choice.type: auto, any, none or tool is required.")
    if kind == "any" and not tools:
        raise Refused("bad_request", "tool_choice: there are no tools to choose from.")
    return "*" if kind == "any" else ""


def _message(asked: Asked, answered: Answered) -> dict[str, Any]:
    made = answered.answer
    identity = hashlib.sha256(f"anthropic\0{answered.number}".encode()).hexdigest()[:24]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": made.text}] if made.text else []
    for number, call in enumerate(made.calls):
        call_id = f"toolu_{identity[:22]}{number}"
        if number == 0 and _thinks(asked.model):
            blocks.insert(0, _thought(call_id))
        blocks.append({"type": "tool_use", "id": call_id, "name": call.name, "input": _input(call.arguments)})
    return {
        "id": f"msg_{identity}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": blocks,
        "stop_reason": FINISHES[made.finish],
        "stop_sequence": None,
        "usage": {
            "input_tokens": answered.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": answered.output_tokens,
        },
    }


def _thought(call_id: str) -> dict[str, Any]:
    """What was thought before a call: sealed, so that it can be told whether it comes back as it was."""
    return {"type": "thinking", "thinking": "", "signature": hashlib.sha256(call_id.encode()).hexdigest()}


def _input(arguments: str) -> dict[str, Any]:
    """Arguments are an object in this protocol; what was scripted to be none is put into one."""
    try:
        found = json.loads(arguments)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"unreadable": arguments}
