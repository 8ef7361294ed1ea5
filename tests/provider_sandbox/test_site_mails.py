"""The inbox as people read it."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

from provider_sandbox.pages import Page
from provider_sandbox.testing import RunningSandbox


def post(sandbox: RunningSandbox, to: str, subject: str, text: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "PILAR <no-reply@pilar.example>", to, subject
    message.set_content(text)
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port) as server:
        server.send_message(message)


def test_mail_is_listed_newest_first_and_read_with_its_links(sandbox: RunningSandbox) -> None:
    assert "Nothing has arrived." in sandbox.client.get("/mails").text
    post(sandbox, "anna@studio.example", "Your studio", "Hi <b>Anna</b>, go on at http://127.0.0.1:1/setup/x now.")
    post(sandbox, "bo@studio.example", "Hello", "No link.")
    listed = sandbox.client.get("/mails").text
    assert listed.index("Hello") < listed.index("Your studio")
    hers = sandbox.client.get("/mails", params={"to": "anna@studio.example"}).text
    assert "Your studio" in hers
    assert "Hello" not in hers
    (found,) = sandbox.mails("anna@studio.example")
    page = sandbox.client.get(f"/mails/{found['id']}")
    assert "Hi &lt;b&gt;Anna&lt;/b&gt;" in page.text, "what is in a mail is shown, never run"
    assert Page(page.text).first("href", "http://127.0.0.1:1/setup/x")
    assert sandbox.client.get("/mails/999").status_code == 404
