"""Who is told: a mail server and a receiver of webhooks, for the tests.

Lives here: taking what comes, checking signatures with Python's own hmac, one JSON object a line about each.
Never here: anything of Ringfence's.

    told.py mail PORT LOG [CERTIFICATE KEY USER PASSWORD]    a mail server (aiosmtpd); with a certificate: STARTTLS and log-in
    told.py hook PORT LOG SECRET [FAILURES]                  webhooks; each is refused so often before it is taken
"""

import hashlib
import hmac
import json
import ssl
import sys
import time
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def note(log, **what):
    what["at_us"] = time.time_ns() // 1000
    log.write(json.dumps(what) + "\n")
    log.flush()


class Mails:
    def __init__(self, log):
        self.log = log

    async def handle_DATA(self, server, session, envelope):
        raw = envelope.content
        mail = message_from_bytes(raw, policy=policy.default)
        parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        note(
            self.log,
            id=mail["Message-ID"],
            to=envelope.rcpt_tos,
            headers={name.lower(): str(value) for name, value in mail.items()},
            text=parts.get("text/plain"),
            html=parts.get("text/html"),
            raw=raw.decode("utf-8", "replace"),
            tls=session.ssl is not None,
            logged_in=bool(session.authenticated),
        )
        return "250 OK"


def mail(port, log, certificate=None, key=None, user=None, password=None):
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult

    more = {}
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

        def judge(server, session, envelope, mechanism, data):
            good = data.login == user.encode() and data.password == password.encode()
            return AuthResult(success=good)

        more = dict(tls_context=context, require_starttls=True, auth_required=True, authenticator=judge)
    controller = Controller(Mails(log), hostname="127.0.0.1", port=port, **more)
    controller.start()
    while True:
        time.sleep(3600)


def hook(port, log, secret, failures):
    refused = {}

    class Hooks(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fields = dict(field.split("=", 1) for field in self.headers["Ringfence-Signature"].split(","))
            signed = fields["t"].encode() + b"." + body
            wanted = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
            good = hmac.compare_digest(wanted, fields["v1"]) and abs(time.time() - int(fields["t"])) < 60
            name = self.headers["Idempotency-Key"]
            refused[name] = refused.get(name, 0) + 1
            status = 503 if refused[name] <= failures else 200
            note(
                log,
                id=name,
                alert=self.headers["Ringfence-Alert"],
                signed=good,
                status=status,
                authorization=self.headers["Authorization"],
                body=json.loads(body),
            )
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Hooks).serve_forever()


def main():
    what, port, path, *more = sys.argv[1:]
    with open(path, "a", encoding="utf-8") as log:
        if what == "mail":
            mail(int(port), log, *more)
        else:
            hook(int(port), log, more[0], int(more[1]) if len(more) > 1 else 0)


main()
