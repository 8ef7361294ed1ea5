"""The mailer against a local mail server."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilar.errors import CredentialsRefused, Invalid, NotConfigured, OutcomeUnknown, Permanent, PilarError, Transient
from pilar.providers.email.address import mail_server
from pilar.providers.email.client import Letterhead, Mailer, compose
from pilar.providers.email.errors import NO_MAILBOX
from pilar.providers.email.mailbox import mailbox
from pilar.settings import Settings
from tests.providers.local_http import refusing_port
from tests.providers.local_smtp import HANG_UP, SILENCE, MailServer, running_mail_server

SENDER = "PILAR <no-reply@pilar.example>"
LETTER = ("owner@studio.example", "Your link", "Hello\n.dot\n", "<p>Hello</p>", "mail-1")


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server


@pytest.fixture
def mailer_at(settings_at: Callable[..., Settings]) -> Callable[..., Mailer]:
    def build(url: str | None, **others: Any) -> Mailer:
        return Mailer(settings_at("http://127.0.0.1:1", smtp_url=url, mail_from=SENDER, **others))

    return build


def test_a_mail_arrives_with_both_forms_and_its_name(mail: MailServer, mailer_at: Callable[..., Mailer]) -> None:
    mailer_at(mail.url()).send(*LETTER)
    (raw,) = mail.taken
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["From"] == SENDER
    assert message["To"] == "owner@studio.example"
    assert message["Subject"] == "Your link"
    assert message["Message-ID"] == "<mail-1@pilar.example>"
    assert message["Date"] is not None
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    plain, html = message.iter_parts()
    assert plain.get_content().splitlines() == ["Hello", ".dot"]
    assert html.get_content().strip() == "<p>Hello</p>"
    conversation = [command.lower() for command in mail.commands]
    assert conversation[1:3] == ["mail from:<no-reply@pilar.example>", "rcpt to:<owner@studio.example>"]


def test_a_letterhead_names_who_writes_and_how_it_is_ended(mail: MailServer, mailer_at: Callable[..., Mailer]) -> None:
    link = f"https://pilar.example/mail/{'Az-_' * 30}"
    head = Letterhead("Studio «Zoë», Noord", "anna@studio.example", link)
    mailer_at(mail.url()).send(*LETTER, letterhead=head)
    (raw,) = mail.taken
    assert f"\nList-Unsubscribe: <{link}>\n".encode() in raw.replace(b"\r\n", b"\n"), "neither broken nor encoded"
    message = email.message_from_bytes(raw, policy=email.policy.default)
    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Studio «Zoë», Noord", "no-reply@pilar.example")
    assert message["Reply-To"] == "anna@studio.example"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("550 5.1.1 No such user", NO_MAILBOX),
        ("553 mailbox name not allowed", NO_MAILBOX),
        ("550 5.7.1 We don't like you", "550"),
        ("550 relay not permitted", "550"),
        ("552 5.2.2 Mailbox full", "552"),
    ],
)
def test_that_nobody_is_there_is_told_from_a_rule_about_us(
    mail: MailServer, mailer_at: Callable[..., Mailer], told: str, code: str
) -> None:
    mail.replies["RCPT"] = told
    with pytest.raises(Permanent) as caught:
        mailer_at(mail.url()).send(*LETTER)
    assert caught.value.details["provider_code"] == code


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Anna+x@MAIL.example ", "Anna+x@mail.example"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        *((wrong, None) for wrong in ("", "a", "a@b", "a@1.2.3.4", "a..b@c.example", "a b@c.example", "a@-c.example")),
        *((wrong, None) for wrong in ("a@b.example\nBcc: c@d.example", "é@b.example", f"{'a' * 65}@b.example", "a@.b")),
    ],
)
def test_an_address_is_kept_in_one_way_and_a_slip_of_the_pen_is_refused(typed: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(Invalid, match="name@domain"):
            mailbox(typed)
    else:
        assert mailbox(typed) == kept


def test_letters_beyond_ascii_arrive(mail: MailServer, mailer_at: Callable[..., Mailer]) -> None:
    mailer_at(mail.url()).send("owner@studio.example", "Één – ünï", "Grüße – €", None, "mail-1@here.example")
    (raw,) = mail.taken
    assert raw.isascii()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["Subject"] == "Één – ünï"
    assert message.get_content().splitlines() == ["Grüße – €"]
    assert message["Message-ID"] == "<mail-1@here.example>"


def test_names_and_passwords_come_from_the_address(mail: MailServer, mailer_at: Callable[..., Mailer]) -> None:
    mailer_at(mail.url("pilar%40x:p%3Aw%2F@")).send(*LETTER)
    assert mail.login == "pilar@x:p:w/"


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ({"greeting": "421 too busy"}, Transient),
        ({"greeting": "554 go away"}, Permanent),
        ({"greeting": HANG_UP}, Transient),
        ({"EHLO": HANG_UP}, Transient),
        ({"AUTH": "535 wrong"}, CredentialsRefused),
        ({"AUTH": "454 later"}, Transient),
        ({"EHLO": "250 mail.example"}, NotConfigured),
        ({"MAIL": "452 full"}, Transient),
        ({"RCPT": "450 greylisted"}, Transient),
        ({"RCPT": "550 nobody here"}, Permanent),
        ({"RCPT": HANG_UP}, Transient),
        ({"DATA": "451 later"}, Transient),
        ({"DATA": "554 no"}, Permanent),
        ({"message": "452 full"}, Transient),
        ({"message": "554 spam"}, Permanent),
        ({"message": HANG_UP}, OutcomeUnknown),
        ({"message": SILENCE}, OutcomeUnknown),
        ({"message": "hm?"}, OutcomeUnknown),
    ],
)
def test_what_a_server_says_or_fails_to_say_is_told_apart(
    mail: MailServer, mailer_at: Callable[..., Mailer], replies: dict[str, str], expected: type[PilarError]
) -> None:
    mail.replies |= replies
    with pytest.raises(PilarError) as caught:
        mailer_at(mail.url("pilar:password@"), provider_timeout_seconds=0.3).send(*LETTER)
    assert type(caught.value) is expected
    assert "password" not in caught.value.message.replace("our name and password", "")


def test_a_mail_that_was_taken_is_sent_however_the_goodbye_goes(
    mail: MailServer, mailer_at: Callable[..., Mailer]
) -> None:
    mail.replies["QUIT"] = HANG_UP
    mailer_at(mail.url()).send(*LETTER)
    assert len(mail.taken) == 1


def test_a_refused_connection_is_transient(mailer_at: Callable[..., Mailer]) -> None:
    with refusing_port() as port, pytest.raises(Transient) as caught:
        mailer_at(f"smtp://127.0.0.1:{port}").send(*LETTER)
    assert type(caught.value) is Transient


def test_encryption_that_is_required_and_not_offered_is_a_matter_of_settings(
    mail: MailServer, mailer_at: Callable[..., Mailer]
) -> None:
    with pytest.raises(NotConfigured):
        mailer_at(mail.url() + "?starttls=required").send(*LETTER)
    assert mail.taken == []


def test_a_password_does_not_leave_the_machine_unencrypted(mailer_at: Callable[..., Mailer]) -> None:
    # An address of this machine too, and not one that is taken for it.
    with running_mail_server("127.0.0.2") as far, pytest.raises(NotConfigured, match="unencrypted"):
        mailer_at(far.url("pilar:password@")).send(*LETTER)
    assert [command.split()[0] for command in far.commands] == ["ehlo"]


def test_no_mail_server_is_a_matter_of_settings(mailer_at: Callable[..., Mailer]) -> None:
    with pytest.raises(NotConfigured, match="PILAR_SMTP_URL"):
        mailer_at(None).send(*LETTER)


@pytest.mark.parametrize(
    "url", ["mail.example", "http://mail.example", "smtp://", "smtp://h:port", "smtp://[", "smtp://ü:x@h"]
)
def test_an_address_that_can_not_be_read_is_named_but_not_repeated(url: str) -> None:
    with pytest.raises(NotConfigured, match="PILAR_SMTP_URL") as caught:
        mail_server(url)
    assert "mail.example" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "port", "encryption"),
    [
        ("smtp://mail.example", 25, "offered"),
        ("smtp://mail.example:587", 587, "offered"),
        ("smtp://mail.example:587?starttls=required", 587, "required"),
        ("smtps://mail.example", 465, "always"),
    ],
)
def test_an_address_says_port_and_encryption(url: str, port: int, encryption: str) -> None:
    server = mail_server(url)
    assert (server.host, server.port, server.encryption) == ("mail.example", port, encryption)


def test_the_password_is_not_shown() -> None:
    assert "hush" not in repr(mail_server("smtp://user:hush@mail.example"))


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("owner@studio.example\r\nBcc: all@studio.example", "x"),
        ("owner@studio.example, other@studio.example", "x"),
        ("<owner@studio.example> RCPT TO:<other@studio.example>", "x"),
        ("nobody", "x"),
        ("", "x"),
        ("ö@studio.example", "x"),
        ("owner@studio.example", "x\r\nBcc: all@studio.example"),
        ("owner@studio.example", "x\nBcc: all@studio.example"),
    ],
)
def test_nothing_can_be_put_into_the_headers(to: str, subject: str) -> None:
    with pytest.raises(Invalid):
        compose(SENDER, to, subject, "text", None, "mail-1")


@given(st.text(), st.text(), st.text(), st.text())
def test_whatever_is_composed_has_one_recipient_and_the_headers_that_were_meant(
    to: str, subject: str, text: str, message_id: str
) -> None:
    try:
        raw = compose(SENDER, to, subject, text, None, message_id).as_bytes()
    except Invalid:
        return
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert {name.lower() for name in message.keys()} <= {  # noqa: SIM118
        *("from", "to", "subject", "date", "message-id", "auto-submitted"),
        *("mime-version", "content-type", "content-transfer-encoding"),
    }
    assert len(message["To"].addresses) == 1


@given(st.text(), st.text(), st.text())
def test_a_proper_address_can_be_sent_any_text(subject: str, text: str, html: str) -> None:
    one_line = " ".join(subject.split())
    message = compose(SENDER, "owner@studio.example", one_line, text, html, "mail-1")
    assert message.as_bytes().isascii()
