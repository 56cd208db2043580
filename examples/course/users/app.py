"""Users that live in a PostgreSQL database. Whoever is new is told so by the application `notifications`."""

import http.server
import json
import os
import signal
import subprocess
import threading
import urllib.request

VERSION = os.environ.get("VERSION", "1")


def sql(statement, **values):
    """What psql answers; libpq finds the server by PGHOST, PGUSER, PGPASSWORD and PGDATABASE."""
    words = ["psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"]
    for name, value in values.items():
        words += ["-v", f"{name}={value}"]
    done = subprocess.run(words, input=statement, capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise OSError(done.stderr.strip())
    return done.stdout.strip()


def notify(user):
    mail = {"to": user["email"], "subject": f"Welcome, {user['name']}"}
    address = os.environ["NOTIFICATIONS"] + "/notification/mail"
    request = urllib.request.Request(address, json.dumps(mail).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


class Users(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/usermgmt/health":
            self.answer(200, {"status": "UP", "version": VERSION})
        elif self.path == "/usermgmt/users":
            rows = "SELECT json_agg(json_build_object('name', name, 'email', email) ORDER BY name) FROM users"
            self.answer(200, json.loads(sql(rows) or "[]"))
        else:
            self.answer(404, {"error": "no such page"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/usermgmt/users":
            return self.answer(404, {"error": "no such page"})
        try:
            user = {name: str(json.loads(body)[name]) for name in ("name", "email")}
        except (ValueError, KeyError, TypeError):
            return self.answer(400, {"error": "a user has a name and an email"})
        sql("INSERT INTO users VALUES (:'name', :'email') ON CONFLICT (name) DO UPDATE SET email = excluded.email", **user)
        self.answer(201, {**user, "notified": notify(user)})

    def answer(self, status, what):
        text = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


sql("CREATE TABLE IF NOT EXISTS users (name text PRIMARY KEY, email text NOT NULL)")
server = http.server.ThreadingHTTPServer(("", 8095), Users)
# A server cannot be told to end by the thread that serves.
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("users: version", VERSION, flush=True)
server.serve_forever()
