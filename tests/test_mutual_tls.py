"""Clients of an application load balancer that must prove who they are: by certificates that a trust store made of
objects in S3 believes, and by tokens."""

import base64
import contextlib
import datetime
import http.server
import json
import ssl
import subprocess
import threading
import time
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

import tasks
from balancing import Balancer, behind, forward, push, service
from neargate import refused, wait_until
from tasks import container

#: Answers with the head that it was sent.
ECHO = r"""cat > /tmp/answer <<'END'
#!/bin/sh
printf 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n'
while IFS= read -r line; do
  line=$(printf '%s' "$line" | tr -d '\r')
  [ -z "$line" ] && break
  printf '%s\n' "$line"
done
END
chmod +x /tmp/answer; exec nc -ll -p 80 -e /tmp/answer"""

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.UTC)


class Authority:
    def __init__(self, name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        made = self.certificate(self.name, self.key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.pem = made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def certificate(self, subject, key):
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        made = made.serial_number(x509.random_serial_number())
        return made.not_valid_before(now() - DAY).not_valid_after(now() + DAY)

    def client(self, directory, name, *extensions):
        """Where a client's certificate and key are, as curl wants them, and its serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "DE"), x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]
        )
        made = self.certificate(subject, key.public_key())
        for extension in extensions:
            made = made.add_extension(extension, critical=False)
        made = made.sign(self.key, hashes.SHA256())
        path = directory / f"{name}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
        return path, made.serial_number

    def revokes(self, serial):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now() - DAY).build()
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        made = made.last_update(now() - DAY).next_update(now() + DAY).add_revoked_certificate(entry)
        made = made.add_extension(x509.CRLNumber(1), critical=False)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def secure(gate, balancer, **more):
    """An HTTPS listener."""
    acm = gate.client("acm")
    certificate = acm.request_certificate(DomainName="shop.example.com", ValidationMethod="DNS")["CertificateArn"]
    acm.get_waiter("certificate_validated").wait(CertificateArn=certificate, WaiterConfig={"Delay": 1})
    return balancer.elb.create_listener(
        LoadBalancerArn=balancer.arn, Protocol="HTTPS", Port=443, Certificates=[{"CertificateArn": certificate}], **more
    )["Listeners"][0]


def ask(balancer, client=None):
    """The fields that the target was sent; `None`: the client was not let in."""
    shown = ["--cert", str(client)] if client else []
    command = ["curl", "-sk", "-m", "5", *shown, f"https://{balancer.host}/"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return None
    lines = [line.split(": ", 1) for line in done.stdout.splitlines()[1:] if ": " in line]
    return {name.lower(): value for name, value in lines}


def test_clients_show_certificates_that_a_trust_store_believes(gate, layout, tmp_path):
    push(gate, layout)
    own, other = Authority("own"), Authority("other")
    (one, serial), (two, _) = own.client(tmp_path, "one"), own.client(tmp_path, "two")
    stranger, _ = other.client(tmp_path, "stranger")
    s3 = gate.client("s3")
    s3.create_bucket(Bucket="trust")
    s3.put_object(Bucket="trust", Key="authorities.pem", Body=own.pem)
    s3.put_object(Bucket="trust", Key="revoked.pem", Body=own.revokes(serial))
    balancer = Balancer(gate)
    elb = balancer.elb
    place = {"CaCertificatesBundleS3Bucket": "trust", "CaCertificatesBundleS3Key": "authorities.pem"}
    made = elb.create_trust_store(Name="own", **place)["TrustStores"][0]
    store = made["TrustStoreArn"]
    assert (made["Status"], made["NumberOfCaCertificates"], made["TotalRevokedEntries"]) == ("ACTIVE", 1, 0)
    assert refused(elb.create_trust_store, Name="own", **place)[0] == "DuplicateTrustStoreName"
    location = elb.get_trust_store_ca_certificates_bundle(TrustStoreArn=store)["Location"]
    assert urllib.request.urlopen(location).read() == own.pem

    group = balancer.target_group("web")
    mutual = {"Mode": "verify", "TrustStoreArn": store}
    listener = secure(gate, balancer, MutualAuthentication=mutual, DefaultActions=[forward(group)])
    assert listener["MutualAuthentication"]["TrustStoreArn"] == store
    tasks.register(
        gate, container(command=["sh", "-c", ECHO], stopTimeout=2, portMappings=[{"containerPort": 80}]), family="web"
    )
    service(gate, "web", 1, behind(group))
    balancer.healthy(group, 1)

    told = wait_until(lambda: ask(balancer, one), what="a client that is believed is let in")
    assert told["x-amzn-mtls-clientcert-subject"] == "CN=one,C=DE"
    assert told["x-amzn-mtls-clientcert-issuer"] == "CN=own"
    assert int(told["x-amzn-mtls-clientcert-serial-number"], 16) == serial
    assert ask(balancer) is None and ask(balancer, stranger) is None

    added = elb.add_trust_store_revocations(
        TrustStoreArn=store, RevocationContents=[{"S3Bucket": "trust", "S3Key": "revoked.pem", "RevocationType": "CRL"}]
    )["TrustStoreRevocations"][0]
    assert added["NumberOfRevokedEntries"] == 1
    wait_until(lambda: ask(balancer, one) is None, what="a client whose certificate is revoked is not let in")
    assert ask(balancer, two)
    elb.remove_trust_store_revocations(TrustStoreArn=store, RevocationIds=[added["RevocationId"]])
    wait_until(lambda: ask(balancer, one), what="it is let in again")

    assert refused(elb.delete_trust_store, TrustStoreArn=store)[0] == "TrustStoreInUse"
    elb.modify_listener(ListenerArn=listener["ListenerArn"], MutualAuthentication={"Mode": "passthrough"})
    told = wait_until(lambda: ask(balancer, stranger), what="whoever shows anything is let in")
    assert told["x-amzn-mtls-clientcert"].startswith("-----BEGIN%20CERTIFICATE-----%0A")
    elb.delete_trust_store(TrustStoreArn=store)
    assert elb.describe_trust_stores()["TrustStores"] == []


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Issues tokens, and tells its keys at an address with a certificate of `authority`."""

    def __init__(self, authority, directory):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        certificate, _ = authority.client(directory, "localhost", names)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                keys = json.dumps({"keys": [issuer.public()]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(keys)))
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}/keys"

    @contextlib.contextmanager
    def serving(self):
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        yield
        self.server.shutdown()
        self.server.server_close()

    def public(self):
        numbers = self.key.public_key().public_numbers()
        n, e = (encoded(x.to_bytes((x.bit_length() + 7) // 8, "big")) for x in (numbers.n, numbers.e))
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "n": n, "e": e}

    def token(self, **claims):
        header = {"alg": "RS256", "kid": "one"}
        claims = {"iss": "https://issuer.example", "exp": int(time.time()) + 600, **claims}
        message = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = self.key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{message}.{encoded(signature)}"


def test_requests_bring_tokens_that_were_signed_by_who_issues_them(make_gate, tmp_path, monkeypatch):
    authority = Authority("issuer")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.pem)
    # Whom Neargate believes when it fetches keys.
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    issuer, stranger = Issuer(authority, tmp_path), Issuer(authority, tmp_path)
    gate = make_gate()
    gate.start()
    balancer = Balancer(gate)
    listener = secure(
        gate, balancer, DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    )["ListenerArn"]
    config = {
        "JwksEndpoint": issuer.url,
        "Issuer": "https://issuer.example",
        "AdditionalClaims": [{"Name": "scope", "Format": "space-separated-values", "Values": ["write"]}],
    }
    balancer.elb.create_rule(
        ListenerArn=listener,
        Priority=1,
        Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
        Actions=[
            {"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": config},
            {"Type": "fixed-response", "Order": 2, "FixedResponseConfig": {"StatusCode": "200"}},
        ],
    )

    def status(token=None):
        shown = ["-H", f"Authorization: Bearer {token}"] if token else []
        command = ["curl", "-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", *shown, f"https://{balancer.host}/"]
        return subprocess.run(command, capture_output=True, text=True).stdout

    with issuer.serving():
        wait_until(lambda: status(issuer.token(scope="read write")) == "200", what="a token is believed")
    # The keys hold while nobody tells them.
    assert status(issuer.token(scope="write")) == "200"
    assert status() == "401" and status(issuer.token(scope="read")) == "401"
    assert status(issuer.token(scope="write", exp=int(time.time()) - 1)) == "401"
    assert status(stranger.token(scope="write")) == "401"
    gate.kill()
    assert status(issuer.token(scope="write")) == "200"
    gate.start()
    assert status(issuer.token(scope="write")) == "200"
