"""The port of the API and the registry with TLS: certificates of our own authority, and given ones."""

import base64
import pathlib
import ssl
import subprocess
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

import images
import tasks
from neargate import AWS, BINARY, REGION, exported, wait_until


def environment(gate):
    """What `neargate env` prints."""
    done = gate.cli("env")
    assert done.returncode == 0, done.stderr
    return exported(done.stdout)


@pytest.fixture
def guarded(make_gate):
    """With a certificate of its own authority, and signatures."""
    gate = make_gate("--tls", "--enforce")
    gate.start()
    env = environment(gate)
    gate.keys = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    gate.printed = env
    return gate


def test_clients_are_told_whom_to_trust(guarded, layout, tmp_path):
    gate = guarded
    assert gate.printed["AWS_ENDPOINT_URL"] == gate.url and gate.url.startswith("https://")
    assert gate.printed["AWS_CA_BUNDLE"] == gate.authority
    # boto3 and the CLI.
    sts = gate.client("sts", verify=gate.authority)
    assert sts.get_caller_identity()["Arn"].endswith(":root")
    env = {**gate.env, **gate.printed}
    said = subprocess.run([AWS, "ecs", "list-clusters"], env=env, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    # Names and addresses of this host.
    for name in ("localhost", "127.0.0.1"):
        curl = subprocess.run(["curl", "-sS", "--cacert", gate.authority, f"https://{name}:{gate.port}/health"],
                              capture_output=True, text=True, timeout=60)
        assert '"ok"' in curl.stdout, curl.stderr
    # Our own commands.
    assert gate.cli("ps").returncode == 0
    # Whoever does not trust our authority is not deceived.
    with pytest.raises(botocore.exceptions.SSLError):
        gate.client("sts", verify=True).get_caller_identity()


def test_the_registry_speaks_it_too(guarded, layout, tmp_path):
    gate = guarded
    ecr = gate.client("ecr", verify=gate.authority)
    uri = ecr.create_repository(repositoryName="app")["repository"]["repositoryUri"]
    data = ecr.get_authorization_token()["authorizationData"][0]
    assert data["proxyEndpoint"] == f"https://{gate.registry}"
    trust = tmp_path / "certs"
    trust.mkdir()
    (trust / "ca.crt").write_text(open(gate.authority).read())
    user = base64.b64decode(data["authorizationToken"]).decode()
    images.skopeo("copy", f"--dest-cert-dir={trust}", f"--dest-creds={user}", f"oci:{layout}", f"docker://{uri}:v1")
    assert ecr.list_images(repositoryName="app")["imageIds"][0]["imageTag"] == "v1"


def test_plain_http_is_turned_away(guarded):
    """Nothing of it is acted on, and the answer says what to do."""
    plain = guarded.url.replace("https:", "http:")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(plain + "/health", timeout=30)
    assert refused.value.code == 400
    assert "use https://" in refused.value.read().decode()


def certificate(directory, name):
    """A certificate that vouches for itself, and its key."""
    files = directory / f"{name}.crt", directory / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_a_given_certificate_is_shown_and_followed(make_gate, tmp_path):
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    shown, key = tmp_path / "shown.crt", tmp_path / "shown.key"

    def put(files):
        for source, target in zip(files, (shown, key)):
            target.write_bytes(source.read_bytes())

    put(first)
    gate = make_gate("--tls-cert", str(shown), "--tls-key", str(key))
    # The fixture's own look at whether it is ready trusts this authority.
    type(gate).authority, kept = property(lambda _: str(tmp_path / "both.crt")), type(gate).authority
    try:
        (tmp_path / "both.crt").write_bytes(first[0].read_bytes() + second[0].read_bytes())
        gate.start()

        def served():
            return ssl.get_server_certificate((gate.host, gate.port)).strip()

        assert served() == first[0].read_text().strip()
        put(second)
        wait_until(lambda: served() == second[0].read_text().strip(), 30, "the new certificate is shown")
    finally:
        type(gate).authority = kept


def test_a_certificate_without_its_key_is_refused(tmp_path):
    files, other = certificate(tmp_path, "one"), certificate(tmp_path, "other")
    for flags in (["--tls-cert", files[0]], ["--tls-cert", files[0], "--tls-key", other[1]],
                  ["--tls-cert", tmp_path / "none", "--tls-key", files[1]]):
        done = subprocess.run([BINARY, "up", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", *flags],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        assert "tls-key" in done.stderr or "cannot" in done.stderr or "certificate" in done.stderr, done.stderr


def test_tasks_find_it_where_awss_own_names_lead(make_gate, layout, monkeypatch):
    """In a task's network: port 443, with a certificate for AWS's names; and plain HTTP where it always was."""
    gate = make_gate("--tls")
    gate.start()
    monkeypatch.setenv("AWS_CA_BUNDLE", gate.authority)
    uri = images.push(gate, layout, "app")
    tasks.register(gate, tasks.container(image=f"{uri}:latest", command=["sleep", "600"]))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    (network,) = pathlib.Path(f"/run/neargate/{gate.instance}/net/netns").glob("*")

    def health(url, *more):
        ask = ["nsenter", f"--net={network}", "curl", "-sS", "--noproxy", "*", "--cacert", gate.authority, *more, url]
        done = subprocess.run(ask, capture_output=True, text=True, timeout=60)
        return done.stdout

    for name, said in [("ecs.us-east-1.amazonaws.com", '"ok"'), (f"000000000000.dkr.ecr.{REGION}.amazonaws.com", "UNAUTHORIZED")]:
        assert said in health(f"https://{name}/health", "--resolve", f"{name}:443:169.254.169.253")
    assert '"ok"' in health(f"http://169.254.169.253:{gate.port}/health")
    gate.client("ecs").stop_task(task=arn)
    tasks.wait_for(gate, arn, "STOPPED")
