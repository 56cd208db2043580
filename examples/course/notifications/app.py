"""Sends what it is told to send, by SES's SMTP endpoint."""

import email.message
import http.server
import json
import os
import signal
import smtplib
import ssl
import threading

#: Who vouches for the endpoint; this machine's authorities where none is named.
AUTHORITY = os.environ.get("MAIL_AUTHORITY")


def send(to, subject):
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = os.environ["MAIL_FROM"], to, subject
    mail.set_content(f"{subject}!\n")
    trust = ssl.create_default_context(cadata=AUTHORITY)
    with smtplib.SMTP(os.environ["MAIL_HOST"], 587, "notifications", timeout=20) as smtp:
        smtp.starttls(context=trust)
        smtp.login(os.environ["MAIL_USER"], os.environ["MAIL_PASSWORD"])
        smtp.send_message(mail)


class Notifications(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/notification/health":
            self.answer(200, {"status": "UP"})
        else:
            self.answer(404, {"error": "no such page"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/notification/mail":
            return self.answer(404, {"error": "no such page"})
        try:
            asked = json.loads(body)
            send(str(asked["to"]), str(asked["subject"]))
        except (KeyError, TypeError, ValueError) as error:
            return self.answer(400, {"error": str(error)})
        self.answer(200, {"by": self.headers["Host"]})

    def answer(self, status, what):
        text = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


server = http.server.ThreadingHTTPServer(("", 8096), Notifications)
# A server cannot be told to end by the thread that serves.
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("notifications", flush=True)
server.serve_forever()
