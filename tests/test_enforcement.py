"""With `--enforce`, or off loopback, only signed requests are answered; the rest get AWS's codes."""

import base64
import datetime
import json
import re
import subprocess
import urllib.error
import urllib.request

import botocore.auth
import botocore.exceptions
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import images
import tasks
from neargate import ACCOUNT, REGION, exported, refused
from tasks import container

TARGET = "AmazonEC2ContainerServiceV20141113.ListClusters"


@pytest.fixture
def enforcing(make_gate):
    gate = make_gate("--enforce")
    gate.start()
    gate.keys = printed_keys(gate)
    return gate


def printed_keys(gate):
    """The key pair that `neargate env` prints."""
    done = gate.cli("env")
    assert done.returncode == 0, done.stderr
    lines = exported(done.stdout)
    assert lines["AWS_ENDPOINT_URL"] == gate.url
    assert lines["AWS_REGION"] == lines["AWS_DEFAULT_REGION"] == REGION
    return lines["AWS_ACCESS_KEY_ID"], lines["AWS_SECRET_ACCESS_KEY"]


def send(method, url, body=None, headers=()):
    request = urllib.request.Request(url, body, dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def signed(gate, service, body, headers, keys=None, shift=None, monkeypatch=None):
    """The headers of a POST that botocore signs, on a clock that is `shift` wrong."""
    request = AWSRequest("POST", gate.url + "/", headers=headers, data=body)
    if shift:
        now = datetime.datetime.now(datetime.timezone.utc) + shift
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: now)
    botocore.auth.SigV4Auth(Credentials(*(keys or gate.keys)), service, REGION).add_auth(request)
    monkeypatch and monkeypatch.undo()
    return dict(request.headers)


ECS = {"X-Amz-Target": TARGET, "Content-Type": "application/x-amz-json-1.1"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
IDENTITY = b"Action=GetCallerIdentity&Version=2011-06-15"
VPCS = b"Action=DescribeVpcs&Version=2016-11-15"


def ecs_code(answer):
    return json.loads(answer)["__type"].rsplit("#")[-1]


def xml_code(answer):
    return re.search("<Code>(.*?)</Code>", answer)[1]


def test_every_service_refuses_unsigned_calls(enforcing):
    gate = enforcing
    status, answer, _ = send("POST", gate.url + "/", b"{}", ECS)
    assert (status, ecs_code(answer)) == (400, "MissingAuthenticationTokenException")
    status, answer, _ = send("POST", gate.url + "/", IDENTITY, FORM)
    assert (status, xml_code(answer)) == (403, "MissingAuthenticationToken")
    status, answer, _ = send("POST", gate.url + "/", VPCS, FORM)
    assert (status, xml_code(answer)) == (400, "MissingAuthenticationToken")
    for target in ("Logs_20140328.DescribeLogGroups",
                   "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"):
        status, answer, _ = send("POST", gate.url + "/", b"{}", {**ECS, "X-Amz-Target": target})
        assert (status, ecs_code(answer)) == (400, "MissingAuthenticationTokenException")
    status, answer, _ = send("GET", gate.url + "/health")
    assert (status, json.loads(answer)) == (200, {"status": "ok"}), "and nothing of what runs"


def test_wrong_keys_have_awss_codes(enforcing):
    gate = enforcing
    access, secret = gate.keys
    unknown, wrong = ("AKIAIOSFODNN7EXAMPLE", secret), (access, "wJalrXUtnFEMI")
    for service, call, of_unknown, of_wrong in [
        ("ecs", "list_clusters", "UnrecognizedClientException", "InvalidSignatureException"),
        ("logs", "describe_log_groups", "UnrecognizedClientException", "InvalidSignatureException"),
        ("ecr", "describe_repositories", "UnrecognizedClientException", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("ec2", "describe_vpcs", "AuthFailure", "AuthFailure"),
    ]:
        code, message = refused(getattr(gate.client(service, keys=unknown), call))
        assert code == of_unknown, service
        code, message = refused(getattr(gate.client(service, keys=wrong), call))
        assert code == of_wrong, service
        assert secret not in message
    done = gate.aws("ecs", "list-clusters", check=False)
    assert done.returncode == 0, done.stderr
    # An access key of twelve digits is an account in development mode only.
    code, _ = refused(gate.client("sts", account="123456789012").get_caller_identity)
    assert code == "InvalidClientTokenId"


def test_a_tampered_request_is_refused(enforcing):
    gate = enforcing
    body = b'{"maxResults": 10}'
    headers = signed(gate, "ecs", body, ECS)
    assert send("POST", gate.url + "/", body, headers)[0] == 200
    status, answer, _ = send("POST", gate.url + "/", b'{"maxResults": 11}', headers)
    assert (status, ecs_code(answer)) == (400, "InvalidSignatureException")
    other = {**headers, "X-Amz-Target": TARGET.replace("ListClusters", "CreateCluster")}
    status, answer, _ = send("POST", gate.url + "/", body, other)
    assert (status, ecs_code(answer)) == (400, "InvalidSignatureException")
    assert gate.client("ecs").list_clusters()["clusterArns"] == []


@pytest.mark.parametrize("minutes, words", [(-16, "Signature expired"), (16, "Signature not yet current")])
def test_a_skewed_clock_is_refused(enforcing, monkeypatch, minutes, words):
    gate = enforcing
    shift = datetime.timedelta(minutes=minutes)
    headers = signed(gate, "ecs", b"{}", ECS, shift=shift, monkeypatch=monkeypatch)
    status, answer, _ = send("POST", gate.url + "/", b"{}", headers)
    assert (status, ecs_code(answer)) == (400, "InvalidSignatureException")
    assert words in answer
    headers = signed(gate, "sts", IDENTITY, FORM, shift=shift, monkeypatch=monkeypatch)
    status, answer, _ = send("POST", gate.url + "/", IDENTITY, headers)
    assert (status, xml_code(answer)) == (403, "SignatureDoesNotMatch")
    headers = signed(gate, "ec2", VPCS, FORM, shift=shift, monkeypatch=monkeypatch)
    status, answer, _ = send("POST", gate.url + "/", VPCS, headers)
    assert (status, xml_code(answer)) == (400, "RequestExpired")
    # Four minutes are within AWS's tolerance.
    near = signed(gate, "ecs", b"{}", ECS, shift=shift / 4, monkeypatch=monkeypatch)
    assert send("POST", gate.url + "/", b"{}", near)[0] == 200


def test_presigned_urls(enforcing, monkeypatch):
    gate = enforcing
    sts = gate.client("sts")
    good = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    assert "X-Amz-Expires=60" in good
    status, answer, _ = send("GET", good)
    assert status == 200 and f"<Account>{ACCOUNT}</Account>" in answer
    status, answer, _ = send("GET", good.replace("GetCallerIdentity", "GetSessionToken"))
    assert (status, xml_code(answer)) == (403, "SignatureDoesNotMatch")
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=61)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: past)
    expired = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    status, answer, _ = send("GET", expired)
    assert status == 403 and "expired" in answer.lower()


def test_the_printed_keys_open_every_service(enforcing):
    gate = enforcing
    assert gate.aws("sts", "get-caller-identity")["Account"] == ACCOUNT
    assert gate.client("ecs").create_cluster()["cluster"]["clusterName"] == "default"
    assert gate.aws("ecs", "list-clusters")["clusterArns"]
    assert gate.aws("ec2", "describe-vpcs")["Vpcs"][0]["IsDefault"]
    assert gate.client("ec2").describe_subnets()["Subnets"]
    gate.client("logs").create_log_group(logGroupName="g")
    assert gate.aws("logs", "describe-log-groups")["logGroups"][0]["logGroupName"] == "g"
    gate.client("ecr").create_repository(repositoryName="rr")
    assert gate.aws("ecr", "describe-repositories")["repositories"][0]["repositoryName"] == "rr"
    # Non-ASCII, empty and repeated white space survive canonicalisation.
    name = "ü  é +="
    tagged = gate.client("ecs").create_cluster(clusterName="t", tags=[{"key": "k", "value": name}])
    assert tagged["cluster"]["tags"] == [{"key": "k", "value": name}]
    filters = [{"Name": "tag:k", "Values": [name, ""]}]
    assert gate.client("ec2").describe_vpcs(Filters=filters)["Vpcs"] == []


def test_the_keys_stay_the_same_and_private(enforcing):
    gate = enforcing
    assert (gate.data / "credentials").stat().st_mode & 0o777 == 0o600
    gate.kill()
    gate.start()
    assert printed_keys(gate) == gate.keys
    assert gate.keys[1] not in gate.log()
    gate.client("ecs").list_clusters()


def test_reset_is_for_development_only(enforcing):
    gate = enforcing
    gate.client("ecs").create_cluster(clusterName="kept")
    for headers in ({}, signed(gate, "ecs", b"", {})):
        status, answer, _ = send("POST", gate.url + "/_neargate/reset", b"", headers)
        assert status == 403 and "development mode" in answer
    assert gate.client("ecs").list_clusters()["clusterArns"]


def test_the_registry_needs_its_password(enforcing, layout):
    gate = enforcing
    uri = gate.client("ecr").create_repository(repositoryName="web")["repository"]["repositoryUri"]
    status, _, headers = send("GET", f"{gate.url}/v2/")
    assert status == 401 and headers["WWW-Authenticate"].startswith("Basic ")
    copy = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", f"oci:{layout}"]
    without = subprocess.run([*copy, "--dest-no-creds", f"docker://{uri}:v1"], capture_output=True, text=True)
    assert without.returncode != 0 and "auth" in without.stderr.lower(), without.stderr
    wrong = subprocess.run([*copy, "--dest-creds", "AWS:wrong", f"docker://{uri}:v1"], capture_output=True)
    assert wrong.returncode != 0
    assert gate.client("ecr").list_images(repositoryName="web")["imageIds"] == []

    given = gate.client("ecr").get_authorization_token()["authorizationData"][0]
    user, password = base64.b64decode(given["authorizationToken"]).decode().split(":", 1)
    assert user == "AWS"
    assert given["proxyEndpoint"].split("://")[1] == uri.split("/")[0]
    assert gate.aws("ecr", "get-login-password").strip()
    images.skopeo("copy", "--dest-tls-verify=false", "--dest-creds", f"AWS:{password}",
                  f"oci:{layout}", f"docker://{uri}:v1")
    done = subprocess.run(["skopeo", "inspect", "--no-creds", "--tls-verify=false", f"docker://{uri}:v1"],
                          capture_output=True)
    assert done.returncode != 0
    images.skopeo("inspect", "--tls-verify=false", "--creds", f"AWS:{password}", f"docker://{uri}:v1")
    # A task reads its image from within: no password is needed.
    tasks.register(gate, container(image=images.aws_name("web", "v1"), command=["true"]))
    tasks.ended(gate, tasks.run(gate))


@pytest.fixture
def other_address():
    """An address of this network namespace that is not loopback (TEST-NET-2)."""
    address = "198.51.100.7"
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    yield address
    subprocess.run(["ip", "address", "del", f"{address}/32", "dev", "lo"], check=True)


def test_off_loopback_signatures_are_always_demanded(other_address, make_gate):
    gate = make_gate(host=other_address)
    gate.start()
    status, answer, _ = send("POST", gate.url + "/", b"{}", ECS)
    assert (status, ecs_code(answer)) == (400, "MissingAuthenticationTokenException")
    assert send("POST", gate.url + "/_neargate/reset", b"")[0] == 403
    assert refused(gate.client("ecs").list_clusters)[0] == "UnrecognizedClientException"
    gate.keys = printed_keys(gate)
    assert gate.client("ecs").list_clusters()["clusterArns"] == []
    assert send("GET", f"{gate.url}/v2/")[0] == 401
    # Clients are told an address at which this registry can be reached.
    endpoint = gate.client("ecr").get_authorization_token()["authorizationData"][0]["proxyEndpoint"]
    assert send("GET", f"{endpoint}/v2/".replace("https://", "http://"))[0] == 401
