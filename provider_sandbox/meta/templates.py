"""Message templates. What belongs here: submitting, listing, Meta's review, and filling one in; sending is not."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from provider_sandbox.meta import agenda, errors
from provider_sandbox.meta.accounts import new_node_id
from provider_sandbox.meta.errors import GraphError
from provider_sandbox.meta.limits import MetaLimits
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
LONGEST_BUTTON = 25
MOST_BUTTONS = 10
REFUSED = "[[reject]]"
"""A body that holds this is rejected by the review."""
UNPAUSE = "unpause"
"""The plan that ends a pause."""
DELETED = "meta.template_deleted"
GRACE = timedelta(days=30)
VARIABLE = re.compile(r"\{\{(\d+)\}\}")


def submit(tx: Transaction, waba: Body, document: Mapping[str, Any], limits: MetaLimits) -> Body:
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
    deleted = tx.get(DELETED, f"{waba['id']}:{name}:{language}")
    if deleted and deleted["until"] > tx.business_now().isoformat():
        raise GraphError(100, "Invalid parameter", subcode=2388023, details=f"{name} in {language} is being deleted.")
    if tx.count(KIND, owner=waba["id"]) >= limits.templates:
        raise errors.invalid(f"The business has {limits.templates} templates already, as many as it may.")
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
    names = _names(query.get("fields"))
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


def shown(template: Body, wanted: str | None) -> Body:
    """The fields of one template that were asked for (comma-separated; None: the usual ones), and always the id."""
    names = _names(wanted)
    return {name: template[name] for name in FIELDS if name in names}


def text_of(template: Body) -> str:
    """The text with its variables."""
    return str(_body_of(template["components"])["text"])


def component(components: Sequence[Body], kind: str) -> Body | None:
    """The component of a kind (HEADER, BODY, FOOTER, BUTTONS), None where there is none."""
    return next((one for one in components if str(one.get("type")).upper() == kind), None)


def variables(text: str) -> list[int]:
    """The numbers of a text's variables, each once, in ascending order."""
    return sorted({int(number) for number in VARIABLE.findall(text)})


def filled(text: str, values: Sequence[str]) -> str:
    """The text as somebody reads it."""
    return VARIABLE.sub(lambda found: values[int(found[1]) - 1], text)


def set_status(
    tx: Transaction, deliveries: TaskQueue, template: Body, event: str, reason: str | None, title: str | None = None
) -> Body:
    """Change a template's status and tell its business's apps; a pause that was to end is over with it.

    Args:
        tx: the open transaction.
        deliveries: the queue of webhooks.
        template: which.
        event: the status.
        reason: Meta's, NONE where there is none.
        title: which pause it is, or that one has ended.
    """
    agenda.cancel(tx, UNPAUSE, template["id"])
    rejected = event == "REJECTED"
    reason = reason or ("INVALID_FORMAT" if rejected else "NONE")
    changed = {**template, "status": event, "rejected_reason": reason if rejected else "NONE"}
    value: Body = {
        "event": event,
        "message_template_id": int(template["id"]),
        "message_template_name": template["name"],
        "message_template_language": template["language"],
        "reason": reason,
        "message_template_category": template["category"],
    }
    if rejected:
        advice = "Change the text and hand the template in again."
        value["rejection_info"] = {"reason": f"The review said {reason}.", "recommendation": advice}
    if title:
        value["other_info"] = {"title": title, "description": f"{template['name']} is {event} now."}
    if title == "DISABLED":
        value["disable_info"] = {"disable_date": str(int(tx.business_now().timestamp()))}
    tell(tx, deliveries, [Change(template["waba"], "message_template_status_update", value)])
    return tx.change(KIND, template["id"], changed)


def edit(tx: Transaction, template: Body, document: Mapping[str, Any], limits: MetaLimits) -> Body:
    """Change a template's components or category, which takes it back into review.

    An approved one can be changed once in a day and ten times in thirty, by business time; one that was rejected or
    paused, at will.
    """
    if template["status"] not in ("APPROVED", "REJECTED", "PAUSED"):
        raise errors.invalid(f"A template that is {template['status']} can't be changed.")
    category = document.get("category", template["category"])
    if category not in CATEGORIES:
        raise errors.invalid(f"Param category must be one of {{{', '.join(CATEGORIES)}}}.")
    if category != template["category"] and template["status"] == "APPROVED":
        raise errors.invalid("The category of an approved template can't be changed.")
    components = document.get("components", template["components"])
    _check_body(components)
    edits = template.get("edits", [])
    if template["status"] == "APPROVED":
        now = tx.business_now()
        for days, most in ((1, limits.edits_a_day), (30, limits.edits_a_month)):
            since = (now - timedelta(days=days)).isoformat()
            if sum(moment > since for moment in edits) >= most:
                raise errors.invalid(f"An approved template can be changed {most} times in {days} days.")
        edits = [*edits, now.isoformat()]
    changed = {**template, "category": category, "components": components, "status": "PENDING", "edits": edits}
    agenda.cancel(tx, UNPAUSE, template["id"])
    tx.effect("meta.template_edited", f"{template['waba']}:{template['name']}:{template['language']}")
    return tx.change(KIND, template["id"], changed)


def delete(tx: Transaction, waba: str, name: str | None, identity: str | None) -> None:
    """Delete a template in every language, or the one with this id; an approved one's name is taken for thirty days."""
    if not name:
        raise errors.invalid("The parameter name is required.")
    found = [one for one in tx.find(KIND, owner=waba) if one["name"] == name and identity in (None, one["id"])]
    if not found:
        raise GraphError(100, "Invalid parameter", subcode=2593002, details=f"There is no template {name}.")
    for template in found:
        agenda.cancel(tx, UNPAUSE, template["id"])
        tx.remove(KIND, template["id"])
        language = f"{name}:{template['language']}"
        if template["status"] == "APPROVED":
            until = (tx.business_now() + GRACE).isoformat()
            tx.put(DELETED, f"{waba}:{language}", {"until": until}, owner=waba)
        tx.effect("meta.template_deleted", f"{waba}:{language}")


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


def _names(wanted: str | None) -> set[str]:
    names = set(wanted.split(",")) | {"id"} if wanted else set(SHOWN)
    if unknown := sorted(names - set(FIELDS)):
        raise errors.invalid(f"Tried accessing nonexisting field ({unknown[0]})")
    return names


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
    _check_buttons(components)


def _check_buttons(components: Sequence[Body]) -> None:
    """Quick replies have words of their own, short and each another; other kinds of buttons are taken as they come."""
    part = component(components, "BUTTONS")
    if part is None:
        return
    buttons = part.get("buttons")
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= MOST_BUTTONS:
        raise errors.invalid(f"The BUTTONS component takes between one and {MOST_BUTTONS} buttons.")
    words = [one.get("text") for one in buttons if isinstance(one, dict) and one.get("type") == "QUICK_REPLY"]
    if any(not isinstance(one, str) or not 1 <= len(one) <= LONGEST_BUTTON for one in words):
        raise errors.invalid(f"The text of a button has between one and {LONGEST_BUTTON} characters.")
    if len(set(words)) < len(words):
        raise errors.invalid("Each button needs a text of its own.")


def _body_of(components: Sequence[Body]) -> Body:
    if body := component(components, "BODY"):
        return body
    raise errors.invalid("A BODY component is required.")


def _place_behind(found: Sequence[Body], cursor: str | None) -> int:
    if cursor is None:
        return 0
    places = {body["id"]: place for place, body in enumerate(found, start=1)}
    if cursor not in places:
        raise errors.invalid("The cursor is none of this list.")
    return places[cursor]
