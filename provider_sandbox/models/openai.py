"""OpenAI's chat protocol, which Groq speaks as well. What belongs here: paths, and the shapes of both ways.

What is answered is the neighbours' (`answering.py`). There is no streaming, and one choice only.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from provider_sandbox.models import bodies, catalogue, errors
from provider_sandbox.models.answering import Answered, answer
from provider_sandbox.models.asked import Asked, Provider, Tool, Turn
from provider_sandbox.models.errors import Refused
from provider_sandbox.state import State

FINISHES = {"done": "stop", "tools": "tool_calls", "cut_off": "length", "refused": "stop"}
HIGHEST_TEMPERATURE = 2.0


def openai_app(provider: Provider, api_key: str, state: State) -> FastAPI:
    """The application to mount; its paths begin with the version."""
    app = FastAPI(openapi_url=None)

    async def refused(_request: Request, error: Exception) -> Response:
        if not isinstance(error, Refused):
            raise error
        return errors.response(provider, error, f"req_{secrets.token_hex(8)}")

    app.add_exception_handler(Refused, refused)

    @app.get("/v1/models")
    async def list_models(request: Request) -> dict[str, Any]:
        _authenticate(request, api_key)
        return {"object": "list", "data": [_model(provider, name) for name in catalogue.MODELS[provider]]}

    @app.get("/v1/models/{name:path}")
    async def one_model(request: Request, name: str) -> dict[str, Any]:
        _authenticate(request, api_key)
        if catalogue.find(provider, name) is None:
            raise Refused("unknown_model", f"The model `{name}` does not exist.")
        return _model(provider, name)

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        _authenticate(request, api_key)
        asked = _asked(provider, await bodies.document(request))
        answered = answer(state, asked)
        return JSONResponse(_completion(asked, answered), headers={"x-request-id": f"req_{answered.number}"})

    return app


def _authenticate(request: Request, api_key: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not api_key or not secrets.compare_digest(given.encode(), api_key.encode()):
        raise Refused("invalid_key")


def _model(provider: Provider, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_735_689_600, "owned_by": provider}


def _asked(provider: Provider, body: dict[str, Any]) -> Asked:
    bodies.refuse_streaming(body)
    bodies.within(body, "temperature", HIGHEST_TEMPERATURE)
    if bodies.whole(body, "n", least=1) not in (None, 1):
        raise Refused("bad_request", "n: the sandbox gives one choice.")
    listed = catalogue.find(provider, bodies.text(body, "model"))
    if listed is not None and listed.thinks and body.get("temperature", 1) != 1:
        raise Refused("unsupported_value", "temperature: this model takes its own only, which is 1.")
    wanted = body.get("response_format")
    is_held = isinstance(wanted, dict) and wanted.get("type") == "json_schema"
    if is_held and listed is not None and not listed.takes_schema:
        raise Refused("bad_request", "This model does not support response format `json_schema`.")
    turns, system = _turns(bodies.objects(body, "messages", required=True))
    tools = tuple(map(_tool, bodies.objects(body, "tools")))
    most = bodies.whole(body, "max_completion_tokens", least=1) or bodies.whole(body, "max_tokens", least=1)
    return Asked(
        provider,
        bodies.text(body, "model"),
        system,
        turns,
        tools,
        _must_use(body.get("tool_choice"), tools),
        _schema(wanted, system),
        most,
        bodies.whole(body, "seed") or 0,
    )


def _turns(messages: list[dict[str, Any]]) -> tuple[tuple[Turn, ...], str]:
    turns, system = [], []
    open_calls: set[str] = set()
    for number, message in enumerate(messages):
        role, said = message.get("role"), _content(message, number)
        if open_calls and role != "tool":
            raise Refused("bad_request", f"messages[{number}]: the calls {sorted(open_calls)} have no result yet.")
        if role in ("system", "developer"):
            system.append(said)
        elif role == "user":
            turns.append(Turn("user", said))
        elif role == "assistant":
            calls = bodies.objects(message, "tool_calls")
            open_calls = {bodies.text(call, "id") for call in calls}
            turns.append(Turn("assistant", said + "".join(str(call.get("function")) for call in calls)))
        elif role == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise Refused("bad_request", f"messages[{number}]: a result must follow the call that it is of.")
            open_calls.discard(message["tool_call_id"])
            turns.append(Turn("tool", said))
        else:
            raise Refused("bad_request", f"messages[{number}].role: {role!r} is none of the roles.")
    if open_calls or not turns:
        raise Refused("bad_request", "messages: there is nothing to answer.")
    return tuple(turns), "\n".join(system)


def _content(message: dict[str, Any], number: int) -> str:
    content = message.get("content")
    if content is None and message.get("role") == "assistant":
        return ""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "".join(str(part.get("text", "")) for part in content)
    if not isinstance(content, str):
        raise Refused("bad_request", f"messages[{number}].content: a text is required.")
    return content


def _tool(written: dict[str, Any]) -> Tool:
    function = written.get("function")
    if written.get("type") != "function" or not isinstance(function, dict):
        raise Refused("bad_request", "tools: only functions are known.")
    name = bodies.named(function.get("name"), "tools.function.name")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return Tool(
        name, function.get("description") or "", bodies.strict(schema, name) if function.get("strict") else schema
    )


def _must_use(choice: object, tools: tuple[Tool, ...]) -> str:
    if isinstance(choice, dict):
        name = str((choice.get("function") or {}).get("name", ""))
        if name not in [tool.name for tool in tools]:
            raise Refused("bad_request", f"tool_choice: there is no tool {name!r}.")
        return name
    return "*" if choice == "required" else ""


def _schema(wanted: object, system: str) -> dict[str, Any] | None:
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("type") not in ("text", "json_object", "json_schema"):
        raise Refused("bad_request", "response_format: text, json_object or json_schema is required.")
    if wanted["type"] == "text":
        return None
    if wanted["type"] == "json_object":
        return _schema_told(system)
    form = wanted.get("json_schema")
    if not isinstance(form, dict):
        raise Refused("bad_request", "response_format.json_schema: an object is required.")
    name = bodies.named(form.get("name"), "response_format.json_schema.name")
    if form.get("strict"):
        return dict(bodies.strict(form.get("schema"), name))
    return dict(form.get("schema") or {})


def _schema_told(system: str) -> dict[str, Any]:
    """The schema that the prompt tells where the protocol doesn't; without one, any object will do."""
    found = re.search(r"\{.*\}", system, re.DOTALL)
    try:
        told = json.loads(found[0]) if found else None
    except ValueError:
        told = None
    return told if isinstance(told, dict) else {"type": "object", "properties": {"answer": {"type": "string"}}}


def _completion(asked: Asked, answered: Answered) -> dict[str, Any]:
    made = answered.answer
    is_refusal = made.finish == "refused"
    identity = hashlib.sha256(f"{asked.provider}\0{answered.number}".encode()).hexdigest()[:24]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if is_refusal or (made.calls and not made.text) else made.text,
        "refusal": made.text if is_refusal else None,
    }
    if made.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{identity[:20]}{number}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for number, call in enumerate(made.calls)
        ]
    return {
        "id": f"chatcmpl-{identity}",
        "object": "chat.completion",
        "created": answered.created,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": FINISHES[made.finish]}],
        "usage": {
            "prompt_tokens": answered.input_tokens,
            "completion_tokens": answered.output_tokens,
            "total_tokens": answered.input_tokens + answered.output_tokens,
        },
        "system_fingerprint": None,
    }
