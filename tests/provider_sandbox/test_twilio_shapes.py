"""What the sandbox's Twilio answers and tells has the published shapes: which fields, of what type, with what values."""

from __future__ import annotations

import re
from typing import Any

import httpx

from provider_sandbox.testing import RunningSandbox
from tests.provider_sandbox.graph import Graph
from tests.provider_sandbox.product import Product
from tests.provider_sandbox.shapes import Shape, problems


def sid(prefix: str) -> re.Pattern[str]:
    return re.compile(f"{prefix}[0-9a-f]{{32}}")


DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} \+0000")
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
SENDER_ID = re.compile(r"whatsapp:\+[1-9][0-9]{6,14}")
METHOD = {"GET", "POST"}
URI = re.compile(r"/2010-04-01/.+")
ACCOUNT = {
    "sid": sid("AC"),
    "auth_token": re.compile("[0-9a-f]{32}"),
    "date_created": DATE,
    "date_updated": DATE,
    "friendly_name": str,
    "owner_account_sid": sid("AC"),
    "status": {"active", "suspended", "closed"},
    "subresource_uris": dict,
    "type": {"Full", "Trial"},
    "uri": URI,
}
CAPABILITIES = {"fax?": bool, "mms": bool, "sms": bool, "voice": bool}
OFFER = {
    "address_requirements": {"none", "any", "local", "foreign"},
    "beta": bool,
    "capabilities": CAPABILITIES,
    "friendly_name": str,
    "iso_country": re.compile("[A-Z]{2}"),
    "lata": str | None,
    "latitude": float | None,
    "locality": str | None,
    "longitude": float | None,
    "phone_number": NUMBER,
    "postal_code": str | None,
    "rate_center": str | None,
    "region": str | None,
}
INCOMING: dict[str, Shape] = {
    "sid": sid("PN"),
    "account_sid": sid("AC"),
    "address_requirements": {"none", "any", "local", "foreign"},
    "address_sid": str | None,
    "api_version": str,
    "beta": bool,
    "bundle_sid": str | None,
    "capabilities": CAPABILITIES,
    "date_created": DATE,
    "date_updated": DATE,
    "emergency_address_sid": str | None,
    "emergency_address_status": {"registered", "unregistered"},
    "emergency_status": {"Active", "Inactive"},
    "friendly_name": str,
    "identity_sid": str | None,
    "origin": {"twilio", "hosted"},
    "phone_number": NUMBER,
    **{f"sms_{name}": str for name in ("application_sid", "fallback_url", "url")},
    **{f"voice_{name}": str for name in ("application_sid", "fallback_url", "url")},
    **{f"{name}_method": METHOD for name in ("sms", "sms_fallback", "status_callback", "voice", "voice_fallback")},
    "status": str,
    "status_callback": str,
    "trunk_sid": str | None,
    "type": {"local", "mobile", "national", "toll-free"},
    "uri": URI,
    "voice_caller_id_lookup": bool,
    "voice_receive_mode": {"voice", "fax"},
}
MESSAGE = {
    "sid": sid("SM"),
    "account_sid": sid("AC"),
    "api_version": str,
    "body": str,
    "date_created": DATE,
    "date_sent": (DATE, type(None)),
    "date_updated": DATE,
    "direction": {"inbound", "outbound-api", "outbound-call", "outbound-reply"},
    "error_code": int | None,
    "error_message": str | None,
    "from": NUMBER,
    "messaging_service_sid": str | None,
    "num_media": re.compile("[0-9]+"),
    "num_segments": re.compile("[0-9]+"),
    "price": str | None,
    "price_unit": re.compile("[A-Z]{3}"),
    "status": {"queued", "sending", "sent", "delivered", "undelivered", "failed", "received"},
    "subresource_uris": {"media": URI},
    "to": NUMBER,
    "uri": URI,
}
KEY = {"sid": sid("SK"), "friendly_name": str, "date_created": DATE, "date_updated": DATE}
SENDER = {
    "sid": sid("XE"),
    "status": {"CREATING", "VERIFYING", "ONLINE", "ONLINE:UPDATING", "OFFLINE", "PENDING_VERIFICATION"},
    "sender_id": SENDER_ID,
    "configuration": {"waba_id": str, "verification_method": {"sms", "voice"}},
    "webhook": {"callback_url?": str, "callback_method?": {"POST", "PUT"}},
    "profile": {"name": str},
    "properties": {"quality_rating": str | None, "messaging_limit": str | None},
    "offline_reasons": ([{"code": str, "message": str, "more_info": str}], type(None)),
    "url": re.compile(r"https://messaging\.twilio\.com/v2/Channels/Senders/XE[0-9a-f]{32}"),
}
ERROR = {"code": int, "message": str, "more_info": re.compile("https://.+"), "status": int}
CALLBACK = {
    "AccountSid": sid("AC"),
    "ApiVersion": {"2010-04-01"},
    "From": NUMBER,
    "MessageSid": sid("SM"),
    "MessageStatus": {"sent", "delivered", "undelivered", "failed"},
    "SmsSid": sid("SM"),
    "SmsStatus": {"sent", "delivered", "undelivered", "failed"},
    "To": NUMBER,
    "ErrorCode?": re.compile("[0-9]{5}"),
}
INBOUND = {
    **{name: sid("SM") for name in ("MessageSid", "SmsMessageSid", "SmsSid")},
    "AccountSid": sid("AC"),
    "ApiVersion": {"2010-04-01"},
    "Body": str,
    "From": NUMBER,
    "NumMedia": {"0"},
    "NumSegments": re.compile("[0-9]+"),
    "SmsStatus": {"received"},
    "To": NUMBER,
    **{f"To{name}": str for name in ("City", "Country", "State", "Zip")},
}


def page(name: str, item: Shape) -> Shape:
    link = re.compile(r"/2010-04-01/.+\?.+")
    return {
        name: [item],
        **dict.fromkeys(("end", "page", "page_size", "start"), int),
        "first_page_uri": link,
        "next_page_uri": (link, type(None)),
        "previous_page_uri": (link, type(None)),
        "uri": link,
    }


def test_answers_and_webhooks_have_their_shapes(sandbox: RunningSandbox, graph: Graph, product: Product):
    parent = (sandbox.config.twilio_account_sid, sandbox.config.twilio_auth_token)
    graph.connect("studio-1")
    wrong: list[Any] = []

    def call(method: str, path: str, shape: Shape, *, auth: tuple[str, str] = parent, **request: Any) -> Any:
        answer: httpx.Response = sandbox.client.request(method, f"/twilio{path}", auth=auth, **request)
        document = answer.json()
        wrong.extend(f"{method} {path} {problem}" for problem in problems(document, shape))
        return document

    base = "/2010-04-01/Accounts"
    account = call("POST", f"{base}.json", ACCOUNT, data={"FriendlyName": "studio-1"})
    own = (account["sid"], account["auth_token"])
    path = f"{base}/{account['sid']}"
    call("GET", f"{base}.json", page("accounts", ACCOUNT))
    created = call("POST", f"{path}/Keys.json", {**KEY, "secret": str}, data={"FriendlyName": "pilar"})
    call("GET", f"{path}/Keys.json", page("keys", KEY))
    by_key = (created["sid"], created["secret"])
    offers = {"available_phone_numbers": [OFFER], "uri": str}
    found = call("GET", f"{path}/AvailablePhoneNumbers/US/Local.json", offers, auth=by_key)
    number = found["available_phone_numbers"][0]["phone_number"]
    wish = {"PhoneNumber": number, "SmsUrl": f"{product.url}/sms"}
    bought = call("POST", f"{path}/IncomingPhoneNumbers.json", INCOMING, auth=own, data=wish)
    call("GET", f"{path}/IncomingPhoneNumbers/{bought['sid']}.json", INCOMING, auth=own)
    call("GET", f"{path}/IncomingPhoneNumbers.json", page("incoming_phone_numbers", INCOMING), auth=own)

    sandbox.set_line("+12025550124", "landline")
    sandbox.receive_sms(to=number, sender="+12025550123", text="STOP")
    for to in ("+12025550125", "+12025550124"):
        message = {"To": to, "From": number, "Body": "Hi", "StatusCallback": f"{product.url}/status"}
        call("POST", f"{path}/Messages.json", MESSAGE, auth=own, data=message)
    sandbox.wait_idle()
    listed = call("GET", f"{path}/Messages.json", page("messages", MESSAGE), auth=own)
    assert {one["status"] for one in listed["messages"]} == {"received", "sent", "delivered", "undelivered"}

    sender = {"sender_id": f"whatsapp:{number}", "configuration": {"waba_id": graph.waba}, "profile": {"name": "Noord"}}
    made = call("POST", "/v2/Channels/Senders", SENDER, auth=own, json=sender)
    sandbox.wait_idle()
    call("GET", f"/v2/Channels/Senders/{made['sid']}", SENDER, auth=own)
    meta = {"key": {"senders"}, "page": int, "page_size": int, "url": str, "first_page_url": str}
    meta |= {"previous_page_url": str | None, "next_page_url": str | None}
    query = {"Channel": "whatsapp"}
    call("GET", "/v2/Channels/Senders", {"senders": [SENDER], "meta": meta}, auth=own, params=query)
    sandbox.set_sender_status(made["sid"], "OFFLINE")
    call("GET", f"/v2/Channels/Senders/{made['sid']}", SENDER, auth=own)

    stopped = {"To": "+12025550123", "From": number, "Body": "Hi"}
    call("POST", f"{path}/Messages.json", ERROR, auth=own, data=stopped)
    call("POST", "/v2/Channels/Senders", ERROR, auth=own, json={})
    call("GET", f"{path}.json", ERROR, auth=("AC0", "wrong"))
    call("GET", "/2010-04-01/Unheard.json", ERROR)
    call("DELETE", f"{path}/Messages.json", ERROR)
    for place, shape in (("/status", CALLBACK), ("/sms", INBOUND)):
        told = product.at(place)
        assert told, place
        wrong.extend(problem for request in told for problem in problems(request.form, shape, place))
    assert wrong == []
