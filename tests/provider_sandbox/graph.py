"""The Graph API as the product's client calls it, without the product; and a studio that is connected to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from provider_sandbox.config import SandboxConfig
from provider_sandbox.pages import Page

STUDIO, LEAD = "+31200001234", "+31612345678"
BACK = "http://127.0.0.1:1/callback"


@dataclass
class Graph:
    """What the product's client does, without the product."""

    client: httpx.Client
    config: SandboxConfig
    token: str = ""
    waba: str = ""

    def call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        return dict(self.client.request(method, f"/meta/v23.0/{path}", headers=headers, **request).json())

    def error(self, method: str, path: str, **request: Any) -> int:
        return int(self.call(method, path, **request)["error"]["code"])

    def dialog(self, state: str, **changes: str) -> httpx.Response:
        query = {"client_id": self.config.meta_app_id, "redirect_uri": BACK, "state": state, "config_id": "1"}
        return self.client.get("/meta/v23.0/dialog/oauth", params=query | {"response_type": "code"} | changes)

    def accept(self, state: str) -> str:
        fields = Page(self.dialog(state).text).forms[0].fields
        answer = self.client.post("/meta/v23.0/dialog/oauth", data=fields | {"decision": "accept"})
        assert answer.status_code == 303
        back = urlsplit(answer.headers["location"])
        query = dict(parse_qsl(back.query))
        assert (back.path, query["state"]) == ("/callback", state)
        return query["code"]

    def exchange(self, code: str, **changes: str) -> dict[str, Any]:
        query = {"client_id": self.config.meta_app_id, "client_secret": self.config.meta_app_secret}
        query |= {"redirect_uri": BACK, "code": code} | changes
        return dict(self.client.get("/meta/v23.0/oauth/access_token", params=query).json())

    def describe(self, token: str) -> dict[str, Any]:
        key = f"{self.config.meta_app_id}|{self.config.meta_app_secret}"
        query = {"input_token": token, "access_token": key}
        return dict(self.client.get("/meta/v23.0/debug_token", params=query).json()["data"])

    def connect(self, state: str) -> None:
        self.token = self.exchange(self.accept(state))["access_token"]
        self.waba = self.describe(self.token)["granular_scopes"][0]["target_ids"][0]

    def connect_number(self, number: str) -> str:
        """A number of +31 that can send and whose webhooks come to our app; returns its id."""
        wanted = {"cc": "31", "phone_number": number.removeprefix("+31"), "verified_name": "Studio"}
        phone_id = str(self.call("POST", f"{self.waba}/phone_numbers", json=wanted)["id"])
        self.call("POST", f"{phone_id}/request_code", json={"code_method": "SMS", "language": "nl"})
        phones = self.client.get("/control/objects/meta.phone").json()
        (code,) = [phone["code"] for phone in phones if phone["id"] == phone_id]
        self.call("POST", f"{phone_id}/verify_code", json={"code": code})
        self.call("POST", f"{phone_id}/register", json={"messaging_product": "whatsapp", "pin": "123456"})
        self.call("POST", f"{self.waba}/subscribed_apps")
        return phone_id

    def send(self, phone_id: str, to: str, text: str = "Hoi", /, **changes: Any) -> dict[str, Any]:
        message = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}}
        return self.call("POST", f"{phone_id}/messages", json=message | changes)

    def send_template(self, phone_id: str, to: str, name: str, *values: str, language: str = "nl") -> dict[str, Any]:
        parameters = [{"type": "text", "text": value} for value in values]
        template = {
            "name": name,
            "language": {"code": language},
            "components": [{"type": "body", "parameters": parameters}],
        }
        return self.send(phone_id, to, type="template", template=template)

    def submit(self, name: str, text: str, /, **changes: Any) -> dict[str, Any]:
        component = {"type": "BODY", "text": text}
        if count := text.count("{{"):
            component["example"] = {"body_text": [["x"] * count]}
        template = {"name": name, "language": "nl", "category": "UTILITY", "components": [component]}
        return self.call("POST", f"{self.waba}/message_templates", json=template | changes)


@dataclass(frozen=True)
class Studio:
    """A studio whose number can send and whose webhooks come to our app."""

    graph: Graph
    phone_id: str

    def send(self, to: str = LEAD, text: str = "Hoi", /, **changes: Any) -> dict[str, Any]:
        return self.graph.send(self.phone_id, to, text, **changes)

    def code(self, to: str = LEAD, **changes: Any) -> int:
        """The error of a message, 0 where it is accepted."""
        return int(self.send(to, **changes).get("error", {}).get("code", 0))


def connected(client: httpx.Client, config: SandboxConfig, name: str = "studio-1", number: str = STUDIO) -> Studio:
    graph = Graph(client, config)
    graph.connect(name)
    return Studio(graph, graph.connect_number(number))


def values(bodies: list[dict[str, Any]], field: str = "messages") -> list[dict[str, Any]]:
    """What deliveries tell of a field."""
    return [
        change["value"]
        for body in bodies
        for entry in body["entry"]
        for change in entry["changes"]
        if change["field"] == field
    ]


def statuses(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [status for value in values(bodies) for status in value.get("statuses", [])]
