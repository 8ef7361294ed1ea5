"""Message templates. What belongs here: submitting, listing, Meta's review, and filling one in; sending is not."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from provider_sandbox.meta import errors
from provider_sandbox.meta.accounts import new_node_id
from provider_sandbox.meta.errors import GraphError
from provider_sandbox.meta.webhooks import Change, tell
from provider_sandbox.state import Body, State, Transaction
from provider_sandbox.tasks import Dropped, TaskQueue

KIND = "meta.template"
QUEUE = "review"
WIDTH = 4
CATEGORIES = ("AUTHENTICATION", "MARKETING", "UTILITY")
FIELDS = ("name", "components", "language", "status", "category", "id", "rejected_reason", "quality_score")
SHOWN = FIELDS[:6]
"""What is shown where nothing in particular is asked for."""
PAGE = 25
LONGEST = 1024
REFUSED = "[[reject]]"
"""A body that holds this is rejected by the review."""
VARIABLE = re.compile(r"\{\{(\d+)\}\}")


def submit(tx: Transaction, waba: Body, document: Mapping[str, Any]) -> Body:
    """Take a template in for review, by Meta's rules for names, variables and examples."""
    name, language, category = (document.get(field) for field in ("name", "language", "category"))
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9_]{1,512}", name):
        raise errors.invalid("Param name must consist of lower-case letters, digits and underscores.")
    if not isinstance(language, str) or not re.fullmatch(r"[a-z]{2,3}(_[A-Za-z]{2,4})?", language):
        raise errors.invalid("Param language must be the code of a language.")
    if category not in CATEGORIES:
        raise errors.invalid(f"Param category must be one of {{{', '.join(CATEGORIES)}}}.")
    components = document.get("components")
    _check_body(components)
    if find(tx, waba["id"], name, language):
        raise GraphError(100, "Invalid parameter", subcode=2388024, details=f"There is {name} in {language} already.")
    body = {
        "id": new_node_id(),
        "waba": waba["id"],
        "name": name,
        "language": language,
        "category": category,
        "components": components,
        "status": "PENDING",
        "rejected_reason": "NONE",
        "quality_score": {"score": "UNKNOWN"},
    }
    tx.effect("meta.template_submitted", f"{waba['id']}:{name}:{language}")
    return tx.put(KIND, body["id"], body, owner=waba["id"], key=f"{name}:{language}")


def find(tx: Transaction, waba: str, name: str, language: str) -> Body | None:
    """A business's template by name and language."""
    found = tx.find(KIND, owner=waba, key=f"{name}:{language}")
    return found[0] if found else None


def listed(tx: Transaction, waba: str, query: Mapping[str, str]) -> Body:
    """A page of a business's templates, oldest first; `after` is the cursor of the page before."""
    names = set(query["fields"].split(",")) | {"id"} if query.get("fields") else set(SHOWN)
    if unknown := sorted(names - set(FIELDS)):
        raise errors.invalid(f"Tried accessing nonexisting field ({unknown[0]})")
    limit = query.get("limit", str(PAGE))
    if not limit.isascii() or not limit.isdigit() or limit == "0":
        raise errors.invalid("Param limit must be a positive number.")
    found = [body for body in tx.find(KIND, owner=waba) if query.get("name") in (None, body["name"])]
    begin = _place_behind(found, query.get("after"))
    page = found[begin : begin + int(limit)]
    data = [{name: body[name] for name in FIELDS if name in names} for body in page]
    if not page:
        return {"data": data}
    paging: Body = {"cursors": {"before": page[0]["id"], "after": page[-1]["id"]}}
    if begin + len(page) < len(found):
        paging["next"] = f"?after={page[-1]['id']}"
    return {"data": data, "paging": paging}


def text_of(template: Body) -> str:
    """The text with its variables."""
    return str(_body_of(template["components"])["text"])


def variables(text: str) -> list[int]:
    """The numbers of a text's variables, each once, in ascending order."""
    return sorted({int(number) for number in VARIABLE.findall(text)})


def filled(text: str, values: Sequence[str]) -> str:
    """The text as somebody reads it."""
    return VARIABLE.sub(lambda found: values[int(found[1]) - 1], text)


def set_status(tx: Transaction, deliveries: TaskQueue, template: Body, event: str, reason: str | None) -> Body:
    """Change a template's status and tell its business's apps."""
    rejected = event == "REJECTED"
    reason = reason or ("INVALID_FORMAT" if rejected else "NONE")
    changed = {**template, "status": event, "rejected_reason": reason if rejected else "NONE"}
    value = {
        "event": event,
        "message_template_id": int(template["id"]),
        "message_template_name": template["name"],
        "message_template_language": template["language"],
        "reason": reason,
        "message_template_category": template["category"],
    }
    tell(tx, deliveries, [Change(template["waba"], "message_template_status_update", value)])
    return tx.change(KIND, template["id"], changed)


class Reviews:
    """Meta's reviewers."""

    def __init__(self, state: State, tasks: TaskQueue, deliveries: TaskQueue, delay: float) -> None:
        """`tasks` holds what is under review; `delay` is how many seconds a review takes."""
        self._state = state
        self._tasks = tasks
        self._deliveries = deliveries
        self._delay = delay

    def ask(self, tx: Transaction, template: Body) -> None:
        """Have a template reviewed."""
        self._tasks.add(tx, topic="review", name=template["id"], lane=template["id"], delay=self._delay)

    async def decide(self, task: sqlite3.Row) -> None:
        """Approve or reject, unless that has been done."""
        with self._state.transaction() as tx:
            template = tx.get(KIND, task["name"])
            if template is None or template["status"] != "PENDING":
                raise Dropped("it is no longer under review")
            event = "REJECTED" if REFUSED in text_of(template) else "APPROVED"
            set_status(tx, self._deliveries, template, event, None)
            self._tasks.end(tx, task)


def _check_body(components: Any) -> None:
    if not isinstance(components, list) or not all(isinstance(one, dict) for one in components):
        raise errors.invalid("Param components must be an array of objects.")
    body = _body_of(components)
    text = body.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise errors.invalid(f"The BODY component needs a text of at most {LONGEST} characters.")
    numbers = variables(text)
    if numbers != list(range(1, len(numbers) + 1)):
        raise errors.invalid("Variables must be numbered from {{1}} on without a gap.")
    if re.match(r"\s*\{\{", text) or re.search(r"\}\}\s*$", text):
        raise GraphError(100, "Invalid parameter", subcode=2388299, details="A variable begins or ends the text.")
    example = body.get("example")
    samples = example.get("body_text") if isinstance(example, dict) else None
    given = samples[0] if isinstance(samples, list) and samples and isinstance(samples[0], list) else samples or []
    if len(given) != len(numbers):
        raise GraphError(100, "Invalid parameter", subcode=2388043, details="Each variable needs an example.")


def _body_of(components: Sequence[Body]) -> Body:
    for component in components:
        if str(component.get("type")).upper() == "BODY":
            return component
    raise errors.invalid("A BODY component is required.")


def _place_behind(found: Sequence[Body], cursor: str | None) -> int:
    if cursor is None:
        return 0
    places = {body["id"]: place for place, body in enumerate(found, start=1)}
    if cursor not in places:
        raise errors.invalid("The cursor is none of this list.")
    return places[cursor]
