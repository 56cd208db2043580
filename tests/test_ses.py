"""SES through boto3 and the aws CLI, its SMTP endpoint, the outbox, and a relay that takes mails."""

import base64
import hashlib
import hmac
import json
import pathlib
import smtplib
import socket
import ssl
import threading
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from neargate import REGION, free_port, wait_until
from people import as_json, neargate
from test_iam_enforcement import allow, ann, arn, denied  # noqa: F401: a fixture
from test_sts import enforcing  # noqa: F401: a fixture

NOT_VERIFIED = "Email address is not verified. The following identities failed the check in region US-EAST-1: "


def text(data):
    return {"Data": data}


def send(ses, source="me@a.example", to=("you@b.example",), subject="Hello", **more):
    message = {"Subject": text(subject), "Body": {"Text": text("Follow http://example.com/here.\n.\nend")}}
    return ses.send_email(Source=source, Destination={"ToAddresses": list(to)}, Message=message, **more)["MessageId"]


def mails(gate):
    return as_json(gate, "mail")


def test_an_address_is_verified_by_its_link(gate):
    ses = gate.client("ses")
    ses.verify_email_identity(EmailAddress="me@a.example")
    with pytest.raises(ClientError) as refused:
        send(ses)
    assert refused.value.response["Error"]["Code"] == "MessageRejected"
    assert refused.value.response["Error"]["Message"] == NOT_VERIFIED + "me@a.example"
    [mail] = mails(gate)
    assert (mail["state"], mail["recipients"][0]["address"]) == ("outbox", "me@a.example")
    shown = json.loads(neargate(gate, "mail", "show", mail["id"], "--json").stdout)
    [link] = shown["links"]
    with pytest.raises(urllib.error.HTTPError) as wrong:
        urllib.request.urlopen(link[:-1] + "x")
    assert wrong.value.code == 404
    # Mail is read in pages of other sites, too.
    request = urllib.request.Request(link, headers={"Referer": "https://mail.example.com/", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
    assert b"verified me@a.example" in urllib.request.urlopen(request).read()
    assert gate.aws("ses", "get-identity-verification-attributes", "--identities", "me@a.example")["VerificationAttributes"] == {
        "me@a.example": {"VerificationStatus": "Success"}
    }
    message_id = send(ses, source="Me <me@a.example>")
    assert mails(gate)[0]["id"] == message_id
    printed = neargate(gate, "mail", "show", message_id).stdout
    assert "Subject: Hello" in printed and "  http://example.com/here" in printed
    raw = neargate(gate, "mail", "show", message_id, "--raw").stdout
    assert f"Message-ID: <{message_id}@email.amazonses.com>" in raw
    assert "Hello" in neargate(gate, "mail").stdout


def test_both_versions_see_the_same(gate):
    one, two = gate.client("ses"), gate.client("sesv2")
    assert two.create_email_identity(EmailIdentity="a.example")["VerifiedForSendingStatus"] is True
    assert one.list_identities()["Identities"] == ["a.example"]
    two.create_email_template(TemplateName="hi", TemplateContent={"Subject": "Hi {{name}}", "Text": "{{#if x}}x{{else}}y{{/if}}"})
    assert one.get_template(TemplateName="hi")["Template"]["SubjectPart"] == "Hi {{name}}"
    sent = two.send_email(
        FromEmailAddress="me@a.example",
        Destination={"ToAddresses": ["you@b.example"]},
        Content={"Template": {"TemplateName": "hi", "TemplateData": json.dumps({"name": "Jane"})}},
    )
    assert mails(gate)[0]["id"] == sent["MessageId"] and mails(gate)[0]["subject"] == "Hi Jane"
    rendered = gate.aws("ses", "test-render-template", "--template-name", "hi", "--template-data", '{"name":"J","x":1}')
    assert "Subject: Hi J" in rendered["RenderedTemplate"]
    with pytest.raises(one.exceptions.TemplateDoesNotExistException):
        one.get_template(TemplateName="none")
    with pytest.raises(two.exceptions.NotFoundException):
        two.get_email_identity(EmailIdentity="none.example")
    with pytest.raises(one.exceptions.ConfigurationSetDoesNotExistException) as missing:
        one.delete_configuration_set(ConfigurationSetName="none")
    assert missing.value.response["Error"]["Message"] == "Configuration set <none> does not exist."
    two.put_suppressed_destination(EmailAddress="no@b.example", Reason="BOUNCE")
    send(one, to=["no@b.example"])
    failed = wait_until(lambda: [m for m in mails(gate) if m["state"] == "failed"], what="a suppressed mail fails")
    assert "suppression list" in failed[0]["recipients"][0]["said"]
    told = wait_until(lambda: [m for m in mails(gate) if m["service"] == "bounce"], what="its sender is told")
    assert told[0]["recipients"][0]["address"] == "me@a.example"
    assert gate.aws("sesv2", "get-account")["SendingEnabled"] is True


class Relay:
    """An SMTP server that keeps what it takes, by the words it is told to say."""

    def __init__(self):
        self.port = free_port()
        self.taken, self.answers = [], {}
        self.server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection, connection.makefile("rwb") as stream:
            def say(line):
                stream.write(line + b"\r\n")
                stream.flush()

            try:
                say(b"220 relay")
                for line in stream:
                    word = line.split()[0].upper().decode() if line.split() else ""
                    answer = self.answers.get(word, b"250 Ok")
                    if answer is None:
                        stream.read()
                        return
                    if word == "DATA" and answer == b"250 Ok":
                        say(b"354 Go on")
                        data = b""
                        while not data.endswith(b"\r\n.\r\n"):
                            part = stream.readline()
                            if not part:
                                return
                            data += part
                        self.taken.append(data)
                    say(answer)
                    if word == "QUIT":
                        return
            except OSError:
                return

    def close(self):
        self.server.close()


@pytest.fixture
def relay():
    relay = Relay()
    yield relay
    relay.close()


@pytest.fixture
def relayed(make_gate, relay, tmp_path):
    config = tmp_path / "neargate.toml"
    config.write_text(f'[mail]\nrelay = "smtp://127.0.0.1:{relay.port}"\n')
    gate = make_gate("--config", str(config))
    gate.start()
    return gate


def test_mails_go_to_the_relay_and_none_is_lost_by_a_kill(relayed, relay):
    ses = relayed.client("ses")
    ses.verify_domain_identity(Domain="a.example")
    relay.answers["RCPT"] = b"550 5.1.1 No such user"
    send(ses, subject="refused")
    failed = wait_until(lambda: [m for m in mails(relayed) if m["state"] == "failed" and m["subject"] == "refused"])
    assert failed[0]["recipients"][0]["said"] == "550 5.1.1 No such user"
    suppressed = wait_until(
        lambda: relayed.client("sesv2").list_suppressed_destinations()["SuppressedDestinationSummaries"],
        what="an unknown address is on the list",
    )
    assert suppressed[0]["EmailAddress"] == "you@b.example"
    # A relay that hangs holds nothing up, and a kill in the middle loses nothing.
    relay.answers = {"DATA": None}
    wanted = {send(ses, to=[f"reader{n}@b.example"], subject=f"mail {n}") for n in range(20)}
    relayed.kill()
    relay.answers = {}
    relayed.start()
    def sent():
        return {m["id"] for m in mails(relayed) if m["state"] == "sent"}
    wait_until(lambda: wanted <= sent(), 90, "every mail is with the relay")
    arrived = b"".join(relay.taken)
    assert all(f"Message-ID: <{id}@email.amazonses.com>".encode() in arrived for id in wanted)
    assert b"\r\n..\r\n" in arrived


def smtp_password(secret):
    """As AWS's page computes it."""
    def sign(key, message):
        return hmac.new(key, message.encode(), hashlib.sha256).digest()
    signature = sign(("AWS4" + secret).encode(), "11111111")
    for part in (REGION, "ses", "aws4_request", "SendRawEmail"):
        signature = sign(signature, part)
    return base64.b64encode(bytes([4]) + signature).decode()


def test_the_smtp_endpoint(make_gate):
    port, tls_port = free_port(), free_port()
    gate = make_gate("--smtp-listen", f"127.0.0.1:{port}", "--smtps-listen", f"127.0.0.1:{tls_port}")
    gate.start()
    gate.client("ses").verify_domain_identity(Domain="a.example")
    iam = gate.client("iam")
    iam.create_user(UserName="mailer")
    key = iam.create_access_key(UserName="mailer")["AccessKey"]
    authority = pathlib.Path(f"/run/neargate/{gate.instance}.pem")
    trust = ssl.create_default_context(cafile=wait_until(lambda: authority.exists() and str(authority)))
    user, password = key["AccessKeyId"], smtp_password(key["SecretAccessKey"])
    message = "From: me@a.example\r\nTo: you@b.example\r\nBcc: hidden@b.example\r\nSubject: By SMTP\r\n\r\n.dot\r\n"
    with smtplib.SMTP("localhost", port) as smtp:
        with pytest.raises(smtplib.SMTPException):
            smtp.login(user, password)
        smtp.starttls(context=trust)
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            smtp.login(user, "wrong")
        assert (refused.value.smtp_code, refused.value.smtp_error) == (535, b"Authentication Credentials Invalid")
        smtp.login(user, password)
        smtp.sendmail("me@a.example", ["you@b.example", "hidden@b.example"], message)
        with pytest.raises(smtplib.SMTPDataError) as rejected:
            smtp.sendmail("me@other.example", ["you@b.example"], message)
        assert rejected.value.smtp_code == 554 and NOT_VERIFIED.encode() in rejected.value.smtp_error
    with smtplib.SMTP_SSL("localhost", tls_port, context=trust) as smtp:
        smtp.login(user, password)
        smtp.sendmail("me@a.example", ["you@b.example"], message)
        # SMTP smuggling: what ends the mail for others does not for us, and is refused.
        smtp.mail("me@a.example")
        smtp.rcpt("you@b.example")
        assert smtp.docmd("DATA")[0] == 354
        smtp.send(b"From: me@a.example\r\n\r\nx\n.\r\nMAIL FROM:<me@a.example>\r\n.\r\n")
        assert smtp.getreply()[0] == 550
    all_mails = mails(gate)
    assert [m["subject"] for m in all_mails] == ["By SMTP", "By SMTP"]
    assert [r["address"] for r in all_mails[1]["recipients"]] == ["you@b.example", "hidden@b.example"]
    raw = neargate(gate, "mail", "show", all_mails[0]["id"], "--raw").stdout
    assert "hidden" not in raw and raw.rstrip().endswith(".dot")


def test_who_may_send_is_said_by_policies(ann):  # noqa: F811
    ses = ann.gate.client("ses")
    ses.verify_domain_identity(Domain="a.example")
    record = "_amazonses.a.example"
    token = ses.verify_domain_identity(Domain="a.example")["VerificationToken"]
    assert ses.get_identity_verification_attributes(Identities=["a.example"])["VerificationAttributes"]["a.example"] == {
        "VerificationStatus": "Pending", "VerificationToken": token,
    }
    route53 = ann.gate.client("route53")
    zone = route53.create_hosted_zone(Name="a.example", CallerReference="1")["HostedZone"]["Id"]
    change = {"Name": record, "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": f'"{token}"'}]}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": change}]}
    )
    hers = ann("ses")
    identity = arn("ses", "identity/a.example")
    said = denied(lambda: send(hers), "ses:SendEmail", code="AccessDenied")
    assert identity in said
    ann.may(allow("ses:SendEmail", on=identity))
    assert send(hers)
    denied(lambda: hers.send_raw_email(RawMessage={"Data": b"From: me@a.example\nTo: you@b.example\n\nx"}), "ses:SendRawEmail", code="AccessDenied")
