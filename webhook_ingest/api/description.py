"""The description of the API (OpenAPI). What belongs here: making it complete from the table of routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse

from webhook_ingest.route import Route

_PROBLEM = {
    "description": "A problem document (RFC 9457).",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "code"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "errors": {"type": "array", "items": {"type": "object"}},
                    "known_types": {"type": "array", "items": {"type": "string"}},
                },
            }
        }
    },
}
_REPEAT = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same key with the same request is answered once and replayed for 24 hours.",
}


def openapi(request: Request) -> JSONResponse:
    """The description, for the founder."""
    return JSONResponse(request.app.openapi())


def describe(app: FastAPI, table: Sequence[Route]) -> dict[str, Any]:
    """The description of every route that programs call: those of the application, and the providers' doors."""
    document = get_openapi(
        title="PILAR",
        version="0.1.0",
        description="The back office of fitness studios. Errors are problem documents; lists go on by `cursor`.",
        routes=app.routes,
    )
    document.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for entry in table:
        if entry.answers == "door":
            operation: dict[str, Any] = {
                "operationId": entry.name,
                "summary": entry.summary,
                "tags": ["webhooks"],
                "responses": {"200": {"description": "The delivery is kept."}},
            }
            document["paths"].setdefault(entry.path, {})[entry.method.lower()] = operation
        elif entry.answers == "json":
            operation = document["paths"][entry.path][entry.method.lower()]
            answers = operation["responses"]
            answers.pop("422", None)
            for status, description in entry.responses.items():
                like = answers[str(entry.status)] if status < 300 else _PROBLEM
                answers[str(status)] = {**like, "description": description}
            if entry.is_repeatable:
                operation.setdefault("parameters", []).append(_REPEAT)
            if not entry.requires.is_public:
                operation["security"] = [{"token": []}]
                operation["x-principals"] = sorted(entry.requires.kinds)
        else:
            continue
        operation["responses"]["default"] = _PROBLEM
    document.get("components", {}).get("schemas", {}).pop("HTTPValidationError", None)
    document.get("components", {}).get("schemas", {}).pop("ValidationError", None)
    return document
