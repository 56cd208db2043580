"""STS with real clients: sessions of roots, users and roles, accounts and people of the command line."""

import json
import re
import subprocess
import urllib.request

import boto3
import pytest

from neargate import ACCOUNT, BINARY, REGION, exported, refused


@pytest.fixture
def enforcing(make_gate):
    gate = make_gate("--enforce")
    gate.start()
    env = exported(gate.cli("env").stdout)
    gate.keys = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    return gate


def command(gate, *words):
    """What a command of two words prints."""
    done = subprocess.run([BINARY, *words, "--data", str(gate.data)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def with_session(gate, service, credentials):
    """A client with temporary keys."""
    return boto3.client(service, endpoint_url=gate.url, region_name=REGION,
                        aws_access_key_id=credentials["AccessKeyId"],
                        aws_secret_access_key=credentials["SecretAccessKey"],
                        aws_session_token=credentials["SessionToken"])


def test_a_sessions_keys_are_good_with_their_token_and_survive_a_kill(enforcing):
    gate = enforcing
    given = gate.client("sts").get_session_token()["Credentials"]
    assert given["AccessKeyId"].startswith("ASIA")
    gate.kill()
    gate.start()
    sts = with_session(gate, "sts", given)
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert with_session(gate, "ecs", given).list_clusters()["clusterArns"] == []
    # IAM takes no sessions of users and roots without a second factor.
    assert refused(with_session(gate, "iam", given).list_users)[0] == "InvalidClientTokenId"
    url = sts.generate_presigned_url("get_caller_identity", HttpMethod="GET")
    assert "X-Amz-Security-Token" in url
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert ":root" in answer.read().decode()
    for wrong in ({**given, "SessionToken": given["SessionToken"][:-8] + "AAAAAAA="},
                  {**given, "SessionToken": None},
                  {**given, "AccessKeyId": "ASIAIOSFODNN7EXAMPLE"}):
        assert refused(with_session(gate, "sts", wrong).get_caller_identity)[0] == "InvalidClientTokenId"
        assert refused(with_session(gate, "ecs", wrong).list_clusters)[0] == "UnrecognizedClientException"
    wrong = with_session(gate, "sts", {**given, "SecretAccessKey": "wrong"})
    assert refused(wrong.get_caller_identity)[0] == "SignatureDoesNotMatch"


def test_without_enforcement_a_session_acts_as_itself(gate):
    given = gate.client("sts").get_federation_token(Name="bob")
    arn = given["FederatedUser"]["Arn"]
    assert arn == f"arn:aws:sts::{ACCOUNT}:federated-user/bob"
    assert with_session(gate, "sts", given["Credentials"]).get_caller_identity()["Arn"] == arn


def test_accounts_are_apart_and_each_has_its_root(enforcing):
    gate = enforcing
    keys = command(gate, "account", "create", "shop", "--json")
    assert re.fullmatch(r"\d{12}", keys["account"]) and keys["account"] != ACCOUNT
    listed = command(gate, "account", "list", "--json")["accounts"]
    assert [(a["id"], a["name"]) for a in listed] == [(ACCOUNT, None), (keys["account"], "shop")]
    pair = keys["access_key"], keys["secret_key"]
    gate.client("ecs").create_cluster(clusterName="ours")
    for _ in range(2):
        theirs = gate.client("ecs", keys=pair)
        assert theirs.list_clusters()["clusterArns"] == []
        who = gate.client("sts", keys=pair).get_caller_identity()
        assert who["Arn"] == f"arn:aws:iam::{keys['account']}:root"
        gate.kill()
        gate.start()
    # The secrets are nowhere as they are.
    for secret in (gate.keys[1], keys["secret_key"]):
        found = subprocess.run(["grep", "-rl", "--", secret, str(gate.data)], capture_output=True, text=True)
        assert found.stdout == "", found.stdout


TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": ["sts:AssumeRole", "sts:TagSession"],
    "Condition": {"StringEquals": {"sts:ExternalId": "42"}}}]})
CHAINED = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/first"}, "Action": "sts:AssumeRole"}]})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
READ = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ecs:List*", "sts:*"], "Resource": "*"}]})


def test_a_person_assumes_roles(enforcing):
    """From `neargate user create` down a chain of roles, with the external id and session policies."""
    gate = enforcing
    ann = command(gate, "user", "create", "ann", "--admin", "--json")
    keys = ann["access_key"], ann["secret_key"]
    assert gate.client("sts", keys=keys).get_caller_identity()["Arn"] == ann["arn"] == f"arn:aws:iam::{ACCOUNT}:user/ann"
    iam, sts = gate.client("iam", keys=keys), gate.client("sts", keys=keys)
    iam.create_role(RoleName="first", AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName="first", PolicyName="all", PolicyDocument=ALLOW)
    iam.create_role(RoleName="second", AssumeRolePolicyDocument=CHAINED)
    iam.put_role_policy(RoleName="second", PolicyName="all", PolicyDocument=ALLOW)
    first, second = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("first", "second"))
    for more in ({}, {"ExternalId": "43"}):
        assert refused(sts.assume_role, RoleArn=first, RoleSessionName="ann", **more)[0] == "AccessDenied"
    given = sts.assume_role(RoleArn=first, RoleSessionName="ann", ExternalId="42", Tags=[{"Key": "team", "Value": "red"}])
    assert given["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/first/ann"
    as_first = with_session(gate, "sts", given["Credentials"])
    assert as_first.get_caller_identity()["Arn"] == given["AssumedRoleUser"]["Arn"]
    with_session(gate, "ecs", given["Credentials"]).create_cluster(clusterName="c")
    chained = as_first.assume_role(RoleArn=second, RoleSessionName="again", Policy=READ)
    assert chained["PackedPolicySize"] > 0
    ecs = with_session(gate, "ecs", chained["Credentials"])
    assert len(ecs.list_clusters()["clusterArns"]) == 1
    code, why = refused(as_first.assume_role, RoleArn=second, RoleSessionName="again", DurationSeconds=7200)
    assert code == "ValidationError" and "role chaining" in why
    assert refused(sts.assume_role, RoleArn=second, RoleSessionName="ann")[0] == "AccessDenied"
