"""What the sandbox's Meta answers and tells has the published shapes: which fields, of what type, with what values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from provider_sandbox.meta.inbound_kinds import KINDS
from provider_sandbox.meta.media import picture
from provider_sandbox.testing import RunningSandbox
from tests.provider_sandbox.graph import LEAD, STUDIO, Studio, values
from tests.provider_sandbox.shapes import Shape, problems

Told = Callable[[], list[dict[str, Any]]]

NODE = re.compile(r"[0-9]{10,20}")
DIGITS = re.compile(r"[0-9]{7,15}")
SECONDS = re.compile(r"[0-9]{10}")
WAMID = re.compile(r"wamid\..+")
SCOPED = re.compile(r"[A-Z]{2}\.[0-9]+")
SHA256 = re.compile(r"[A-Za-z0-9+/]{43}=")
TIER = {"TIER_250", "TIER_2K", "TIER_10K", "TIER_100K", "TIER_UNLIMITED"}
METADATA = {"display_phone_number": DIGITS, "phone_number_id": NODE}
CONTACT = {"profile?": {"name": str}, "wa_id?": DIGITS, "user_id": SCOPED}
ERROR = {"code": int, "title": str, "message": str, "error_data": {"details": str}, "href?": str}
CATEGORY = {"service", "utility", "marketing", "authentication"}
PRICING = {"billable": bool, "pricing_model": {"PMP", "CBP"}, "category": CATEGORY}
CONVERSATION = {"id": str, "expiration_timestamp?": SECONDS, "origin": {"type": CATEGORY}}
STATUS = {"id": WAMID, "timestamp": SECONDS, "recipient_id": DIGITS, "biz_opaque_callback_data?": str}
STATUSES = (
    {**STATUS, "status": {"sent", "delivered", "read"}, "conversation": CONVERSATION, "pricing": PRICING},
    {**STATUS, "status": {"failed"}, "errors": [ERROR]},
)
FILE = {"id": NODE, "mime_type": str, "sha256": SHA256}
CAPTIONED = {**FILE, "caption?": str}
PERSON = {
    "name": {"formatted_name": str, "first_name?": str, "last_name?": str},
    "phones": [{"phone": str, "type": str, "wa_id?": str}],
}
ITEM = {"product_retailer_id": str, "quantity": int, "item_price": int, "currency": str}
REPLY = {"id": str, "title": str, "description?": str}
PARTS: dict[str, dict[str, Shape]] = {
    "text": {"text": {"body": str}},
    "button": {"button": {"payload": str, "text": str}},
    "reaction": {"reaction": {"message_id": WAMID, "emoji?": str}},
    "interactive": {
        "interactive": (
            {"type": {"button_reply"}, "button_reply": REPLY},
            {"type": {"list_reply"}, "list_reply": REPLY},
        )
    },
    "location": {
        "location": {"latitude": float, "longitude": float, "name?": str, "address?": str, "url?": str},
    },
    "contacts": {"contacts": [PERSON]},
    "order": {"order": {"catalog_id": str, "text": str, "product_items": [ITEM]}},
    "system": {"system": {"body": str, "wa_id": DIGITS, "type": {"user_changed_number"}}},
    "edit": {"edit": {"original_message_id": WAMID, "message": {"type": {"text"}, "text": {"body": str}}}},
    "revoke": {"revoke": {"original_message_id": WAMID}},
    "unsupported": {"errors": [ERROR], "unsupported?": {"type": str}},
    "image": {"image": CAPTIONED},
    "video": {"video": CAPTIONED},
    "document": {"document": {**CAPTIONED, "filename": str}},
    "audio": {"audio": {**FILE, "voice": bool}},
    "sticker": {"sticker": {**FILE, "animated": bool}},
}
MESSAGES = tuple(
    {
        "id": WAMID,
        "timestamp": SECONDS,
        "type": {kind},
        "from?": DIGITS,
        "from_user_id?": SCOPED,
        "group_id?": str,
        "context?": {"from": DIGITS, "id": WAMID},
        "referral?": {"source_url": str, "source_id": str, "source_type": {"ad", "post"}, "ctwa_clid?": str},
        **part,
    }
    for kind, part in PARTS.items()
)
CALL = {
    "id": re.compile(r"wacid\..+"),
    "from": DIGITS,
    "to": DIGITS,
    "event": {"connect", "terminate"},
    "direction": {"USER_INITIATED", "BUSINESS_INITIATED"},
    "timestamp": SECONDS,
}
ABOUT = {"messaging_product": {"whatsapp"}, "metadata": METADATA}
TEMPLATE = {
    "message_template_id": int,
    "message_template_name": str,
    "message_template_language": str,
}
SCORE = {"GREEN", "YELLOW", "RED", "UNKNOWN"}
OWNER = {"waba_id": NODE, "owner_business_id": NODE}
FIELDS: dict[str, Shape] = {
    "messages": (
        {**ABOUT, "contacts": [CONTACT], "messages": [MESSAGES]},
        {**ABOUT, "contacts": [CONTACT], "statuses": [STATUSES]},
        {**ABOUT, "errors": [ERROR]},
    ),
    "calls": {**ABOUT, "contacts": [CONTACT], "calls": [CALL]},
    "user_preferences": {
        **ABOUT,
        "contacts": [CONTACT],
        "user_preferences": [
            {
                "wa_id": DIGITS,
                "user_id": SCOPED,
                "detail": str,
                "category": {"marketing_messages"},
                "value": {"stop", "resume"},
                "timestamp": int,
            }
        ],
    },
    "message_template_status_update": {
        **TEMPLATE,
        "event": {"APPROVED", "PAUSED", "DISABLED", "REJECTED", "PENDING"},
        "reason": str,
        "message_template_category": {"UTILITY", "MARKETING", "AUTHENTICATION"},
        "other_info?": {
            "title": {"FIRST_PAUSE", "SECOND_PAUSE", "RATE_LIMITING_PAUSE", "UNPAUSE", "DISABLED"},
            "description": str,
        },
        "disable_info?": {"disable_date": SECONDS},
        "rejection_info?": {"reason": str, "recommendation": str},
    },
    "message_template_quality_update": {**TEMPLATE, "previous_quality_score": SCORE, "new_quality_score": SCORE},
    "account_update": (
        {"event": {"DISABLED_UPDATE"}, "ban_info": {"waba_ban_state": str, "waba_ban_date": str}},
        {
            "event": {"ACCOUNT_RESTRICTION"},
            "restriction_info": [{"restriction_type": re.compile("RESTRICTED_.+"), "expiration": int}],
        },
        {"event": {"ACCOUNT_VIOLATION"}, "violation_info": {"violation_type": str}},
        {"event": {"PARTNER_REMOVED"}, "waba_info": OWNER},
        {
            "event": {"PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE"},
            "partner_client_certification_info": {
                "client_business_id": NODE,
                "status": {"APPROVED", "PENDING", "FAILED", "REVOKED"},
                "rejection_reasons": [{"NONE", "LEGAL_NAME_NOT_MATCHING"}],
            },
        },
    ),
    "account_review_update": {"decision": {"APPROVED", "REJECTED", "PENDING"}},
    "phone_number_name_update": {
        "display_phone_number": DIGITS,
        "decision": {"APPROVED", "REJECTED", "DEFERRED"},
        "requested_verified_name": str,
        "rejection_reason": str | None,
    },
    "phone_number_quality_update": {
        "display_phone_number": DIGITS,
        "event": {"FLAGGED", "UNFLAGGED", "UPGRADE", "DOWNGRADE", "THROUGHPUT_UPGRADE"},
        "old_limit?": TIER,
        "current_limit": TIER,
        "max_daily_conversations_per_business": TIER,
    },
    "business_capability_update": {
        "max_daily_conversation_per_phone": int,
        "max_daily_conversations_per_business": TIER,
        "max_phone_numbers_per_business?": int,
        "max_phone_numbers_per_waba?": int,
    },
}


def unfit(bodies: list[dict[str, Any]]) -> list[str]:
    """What is wrong with deliveries, down to each field."""
    found = []
    for body in bodies:
        change = {"field": set(FIELDS), "value": dict}
        entry = {"id": NODE, "time?": int, "changes": [change]}
        found += problems(body, {"object": {"whatsapp_business_account"}, "entry": [entry]}, "delivery")
        for one in body["entry"]:
            for told in one["changes"]:
                found += problems(told["value"], FIELDS[told["field"]], told["field"])
    return found


def test_a_shape_tells_what_does_not_fit():
    shape = {"id": NODE, "name?": str, "tags": [{"a", "b"}], "size": (int, {"of": int})}
    assert problems({"id": "1234567890", "tags": ["a"], "size": {"of": 1}}, shape) == []
    wrong = {"id": "x", "name": 1, "tags": ["c"], "size": True, "more": 1}
    assert [problem.split(":")[0].split(" ")[0] for problem in problems(wrong, shape)] == [
        ".more",
        ".id",
        ".name",
        ".tags[0]",
        ".size",
    ]
    assert problems({}, shape) == [".id is missing", ".tags is missing", ".size is missing"]


def test_whatever_people_send_is_told_in_its_shape(sandbox: RunningSandbox, studio: Studio, told: Told):
    ours = studio.send()["messages"][0]["id"]
    for kind in KINDS:
        text = "+31687654321" if kind == "system" else "Hoi"
        sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text=text, name="Bo", type=kind, context=ours)
    kinds = [message["type"] for value in values(told()) for message in value.get("messages", [])]
    assert sorted(kinds) == sorted(set(KINDS) - {"call", "errors"})

    reply = {"type": "list_reply"}
    ad = {"source_url": "https://studio.example/ad", "source_id": "1", "source_type": "ad", "ctwa_clid": "x"}
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Kies", type="interactive", fields=reply)
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hoi", referral=ad)
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hoi", group="group-1")
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, type="unsupported", fields={"type": "poll"})
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, type="reaction", context=ours)
    place = {"latitude": 48.8, "longitude": 2.3, "address": "Rue 1"}
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hier", type="location", fields=place)
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="Hoi", hidden=True)
    assert unfit(told()) == []

    hidden = values(told())[-1]
    assert "from" not in hidden["messages"][0]
    assert hidden["contacts"][0]["user_id"] == hidden["messages"][0]["from_user_id"]
    assert "wa_id" not in hidden["contacts"][0]


def test_what_nobody_wrote_opens_no_window_and_a_call_does(sandbox: RunningSandbox, studio: Studio, told: Told):
    def failed() -> bool:
        before = len(told())
        studio.send()
        return any("errors" in one for value in values(told()[before:]) for one in value["statuses"])

    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, type="errors", fields={"code": 131052})
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, text="31687654321", type="system")
    assert failed()
    sandbox.receive_whatsapp(to=STUDIO, sender=LEAD, type="call")
    assert not failed()
    wrong = {"entries": [{"to": STUDIO, "messages": [{"from": LEAD, "type": "telepathy"}]}]}
    assert sandbox.client.post("/control/meta/inbound", json=wrong).status_code == 422


def test_every_decision_of_meta_is_told_in_its_shape(sandbox: RunningSandbox, studio: Studio, told: Told):
    graph = studio.graph
    graph.submit("offer", "Kom langs!", category="MARKETING")
    sandbox.wait_idle()
    for score in ("GREEN", "RED"):
        sandbox.set_template_quality(graph.waba, "offer", "nl", score)
    for event in ("APPROVED", "REJECTED", "PENDING", "DISABLED"):
        sandbox.set_template_status(graph.waba, "offer", "nl", event)
    for quality in ("RED", "GREEN"):
        assert sandbox.decide_on_number(STUDIO, quality=quality)["quality_rating"] == quality
    for name, known in (("REJECTED", "DECLINED"), ("DEFERRED", "PENDING_REVIEW"), ("APPROVED", "APPROVED")):
        assert sandbox.decide_on_number(STUDIO, name=name)["name_status"] == known
    assert "pin" not in sandbox.decide_on_number(STUDIO, throughput="HIGH")
    for verification, known in (("PENDING", "pending"), ("FAILED", "failed"), ("APPROVED", "verified")):
        decided = sandbox.decide_on_business(graph.waba, verification=verification)
        assert decided["business_verification_status"] == known
    for tier in ("TIER_UNLIMITED", "TIER_250"):
        sandbox.decide_on_business(graph.waba, tier=tier)
    restriction = {"kinds": ["RESTRICTED_BIZ_INITIATED_MESSAGING"]}
    sandbox.decide_on_business(graph.waba, review="REJECTED", ban="SCHEDULE_FOR_DISABLE", violation="SPAM")
    sandbox.decide_on_business(graph.waba, restriction=restriction)
    sandbox.set_preference(to=STUDIO, sender=LEAD)
    sandbox.decide_on_business(graph.waba, connected=False)
    assert unfit(told()) == []
    fields = {change["field"] for body in told() for entry in body["entry"] for change in entry["changes"]}
    assert fields == set(FIELDS) - {"messages", "calls"}


CAN_SEND = {"AVAILABLE", "LIMITED", "BLOCKED"}
ANSWERS: dict[str, Shape] = {
    "waba": {
        "id": NODE,
        "name": str,
        "account_review_status": {"APPROVED", "PENDING", "REJECTED"},
        "business_verification_status": {"not_verified", "pending", "verified", "failed"},
        "currency": re.compile("[A-Z]{3}"),
        "message_template_namespace": str,
        "timezone_id": str,
        "owner_business_info": {"id": NODE, "name": str},
        "whatsapp_business_manager_messaging_limit": TIER,
        "health_status?": {
            "can_send_message": CAN_SEND,
            "entities": [{"entity_type": str, "id": NODE, "can_send_message": CAN_SEND}],
        },
    },
    "phone": {
        "id": NODE,
        "display_phone_number": str,
        "verified_name": str,
        "code_verification_status": {"VERIFIED", "NOT_VERIFIED", "EXPIRED"},
        "status": {"CONNECTED", "PENDING", "DISCONNECTED", "FLAGGED", "RESTRICTED", "BANNED"},
        "quality_rating": SCORE,
        "platform_type": {"CLOUD_API", "NOT_APPLICABLE", "ON_PREMISE"},
        "name_status": {"APPROVED", "DECLINED", "PENDING_REVIEW", "NONE"},
        "account_mode": {"LIVE", "SANDBOX"},
        "throughput": {"level": {"STANDARD", "HIGH", "NOT_APPLICABLE"}},
        "messaging_limit_tier": TIER,
        "whatsapp_business_manager_messaging_limit": TIER,
    },
    "template": {
        "id": NODE,
        "name": str,
        "components": [{"type": {"HEADER", "BODY", "FOOTER", "BUTTONS"}, "text?": str}],
        "language": str,
        "status": {"APPROVED", "PENDING", "REJECTED", "PAUSED", "DISABLED"},
        "category": {"UTILITY", "MARKETING", "AUTHENTICATION"},
    },
    "sent": {
        "messaging_product": {"whatsapp"},
        "contacts": [{"input": str, "wa_id": DIGITS}],
        "messages": [{"id": WAMID, "message_status": {"accepted", "held_for_quality_assessment", "paused"}}],
    },
    "media": {
        "messaging_product": {"whatsapp"},
        "url": re.compile("http.+"),
        "mime_type": str,
        "sha256": re.compile("[0-9a-f]{64}"),
        "file_size": re.compile("[0-9]+"),
        "id": NODE,
    },
    "error": {
        "error": {
            "message": str,
            "type": {"OAuthException", "GraphMethodException"},
            "code": int,
            "error_subcode?": int,
            "error_data?": {"messaging_product": {"whatsapp"}, "details": str},
            "fbtrace_id": str,
        }
    },
}


@pytest.mark.usefixtures("told")
def test_answers_have_their_shapes(sandbox: RunningSandbox, studio: Studio):
    graph = studio.graph
    template = graph.submit("offer", "Kom langs!", category="MARKETING")["id"]
    sandbox.wait_idle()
    form = {"messaging_product": "whatsapp", "type": "image/png"}
    file = {"file": ("chart.png", picture(), "image/png")}
    media = graph.call("POST", f"{studio.phone_id}/media", data=form, files=file)["id"]
    answers = {
        "waba": graph.call("GET", graph.waba),
        "phone": graph.call("GET", studio.phone_id),
        "template": graph.call("GET", template),
        "sent": studio.send(),
        "media": graph.call("GET", media),
    }
    assert [problem for name, answer in answers.items() for problem in problems(answer, ANSWERS[name], name)] == []
    listed = {"data": [ANSWERS["phone"]], "paging?": dict}
    assert problems(graph.call("GET", f"{graph.waba}/phone_numbers"), listed) == []
    pages = {"data": [ANSWERS["template"]], "paging": {"cursors": {"before": str, "after": str}}}
    assert problems(graph.call("GET", f"{graph.waba}/message_templates"), pages) == []
    wrong = [
        studio.send("1"),
        studio.send(text=None),
        graph.call("GET", "1"),
        graph.call("GET", "oauth/unheard_of"),
        graph.call("POST", f"{studio.phone_id}/register", json={}),
        graph.call("DELETE", f"{graph.waba}/message_templates", params={"name": "unheard_of"}),
        graph.call("GET", studio.phone_id, params={"fields": "colour"}),
    ]
    assert [problem for answer in wrong for problem in problems(answer, ANSWERS["error"])] == []
