"""Lists. What belongs here: filters and pages, newest first, as every list of Stripe's has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from provider_sandbox.state import Body
from provider_sandbox.stripe import billing, errors
from provider_sandbox.stripe.desk import Desk
from provider_sandbox.stripe.errors import StripeError
from provider_sandbox.stripe.store import Resource

COMMON = {"limit", "starting_after", "ending_before", "expand", "created"}
COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gt": int.__gt__,
    "gte": int.__ge__,
    "lt": int.__lt__,
    "lte": int.__le__,
}


def listed(desk: Desk, resource: Resource, wanted: dict[str, Any]) -> tuple[list[Body], bool]:
    """One page of a kind of objects, and whether there are more.

    Raises:
        StripeError: a parameter is unknown or wrong.
    """
    for name in wanted:
        if name not in COMMON | resource.parameters:
            raise errors.unknown_parameter(name)
    owner, key = resource.wanted(wanted, desk.account)
    found = desk.tx.find(resource.kind, owner=owner, key=key)
    matching = [body for body in reversed(found) if not body.get("deleted") and _matches(body, resource, wanted)]
    return _page(matching, wanted, resource)


def _matches(body: Body, resource: Resource, wanted: dict[str, Any]) -> bool:
    for name in resource.also:
        if name == "status" and body["object"] == "subscription":
            if not _has_wanted_status(body, wanted.get(name)):
                return False
        elif name in wanted and str(body.get(name)).lower() != str(wanted[name]).lower():
            return False
    limits = wanted.get("created", {})
    if not isinstance(limits, dict):
        limits = {"gte": limits, "lte": limits}
    for name, limit in limits.items():
        if name not in COMPARE or not str(limit).isdigit():
            raise errors.wrong(f"created[{name}]", "a timestamp under gt, gte, lt or lte")
    return all(COMPARE[name](body["created"], int(limit)) for name, limit in limits.items())


def _has_wanted_status(body: Body, status: str | None) -> bool:
    if status is None:
        return bool(body["status"] != "canceled")
    if status == "ended":
        return body["status"] in billing.ENDED
    return status in ("all", body["status"])


def _page(found: list[Body], wanted: dict[str, Any], resource: Resource) -> tuple[list[Body], bool]:
    limit = int(text) if (text := str(wanted.get("limit", 10))).isdigit() else 0
    if not 1 <= limit <= 100:
        raise StripeError(400, "Invalid limit: it is between 1 and 100.", param="limit")
    positions = {body["id"]: position for position, body in enumerate(found)}
    for name in ("starting_after", "ending_before"):
        if name in wanted and wanted[name] not in positions:
            raise errors.no_such(resource.label, wanted[name], name)
    if "ending_before" in wanted:
        end = positions[wanted["ending_before"]]
        return found[max(0, end - limit) : end], end > limit
    start = positions[wanted["starting_after"]] + 1 if "starting_after" in wanted else 0
    return found[start : start + limit], start + limit < len(found)
