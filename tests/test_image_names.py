"""Every way a task definition can name an image, in our own registry and in others."""

import gzip
import json
import os

import pytest

import images
import tasks
from neargate import ACCOUNT, REGION, free_port, wait_until
from other_registry import OtherRegistry
from registry import Registry
from tasks import container


def run(gate, image):
    tasks.register(gate, container(image=image, command=["true"]))
    return tasks.run(gate)


def not_pulled(gate, image):
    """Why the task's image cannot be had."""
    task = tasks.wait_for(gate, run(gate, image), "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart", tasks.why(task)
    kind, reason = task["stoppedReason"].split(": ", 1)
    assert kind == "CannotPullContainerError"
    return reason


def test_forms_of_our_own_names(gate, layout):
    uri = images.push(gate, layout, "team/app", "v1")
    digest = gate.client("ecr").describe_images(repositoryName="team/app")["imageDetails"][0]["imageDigest"]
    own = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/team/app"
    for image in (f"{uri}:v1", f"{own}:v1", f"{own}@{digest}", f"{own}:v1@{digest}", f"{uri}@{digest}",
                  f"{gate.registry}/{ACCOUNT}/{REGION}/team/app:v1"):
        task = tasks.ended(gate, run(gate, image))
        assert task["containers"][0]["imageDigest"] == digest and task["containers"][0]["image"] == image
    wrong = "sha256:" + "0" * 64
    for image in (f"{own}:v2", f"{own}", f"{own}@{wrong}", f"{uri}:v2", own.replace("app", "nope")):
        reason = not_pulled(gate, image)
        assert "not found" in reason or "does not exist" in reason, reason


def test_other_accounts_and_regions(gate, layout):
    """Another account's image runs where the policy of its repository lets our account pull."""
    far = gate.client("ecr", "eu-west-1", account="111122223333")
    uri = far.create_repository(repositoryName="far")["repository"]["repositoryUri"]
    images.skopeo("copy", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{uri}:v1")
    assert gate.client("ecr").describe_repositories()["repositories"] == []
    assert "403 Forbidden" in not_pulled(gate, "111122223333.dkr.ecr.eu-west-1.amazonaws.com/far:v1")
    pull = {"Sid": "pull", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [pull]})
    far.set_repository_policy(repositoryName="far", policyText=policy)
    tasks.ended(gate, run(gate, "111122223333.dkr.ecr.eu-west-1.amazonaws.com/far:v1"))
    tasks.ended(gate, run(gate, f"{uri}:v1"))
    not_pulled(gate, f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/far:v1")


def test_a_tag_that_moves(gate, layout, tmp_path):
    """Each task takes what the tag means when it starts."""
    images.push(gate, layout, "app", "v1")
    first = tasks.ended(gate, run(gate, images.aws_name("app", "v1")))
    other = images.busybox(tmp_path / "other", extra_layers=[images.layer({"new": os.urandom(100)})])
    images.push(gate, other, "app", "v1")
    second = tasks.ended(gate, run(gate, images.aws_name("app", "v1")))
    assert first["containers"][0]["imageDigest"] != second["containers"][0]["imageDigest"]


def test_awss_domain_on_request(make_gate):
    gate = make_gate("--registry-domain", "amazonaws.com")
    gate.start()
    ecr = gate.client("ecr")
    host = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    assert ecr.create_repository(repositoryName="web")["repository"]["repositoryUri"] == f"{host}/web"
    token = ecr.get_authorization_token()["authorizationData"][0]
    assert token["proxyEndpoint"] == f"https://{host}"
    assert Registry(gate, "web").send("POST", "blobs/uploads/", Host=host).status == 202


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"},
                                     {"Sec_Fetch_Site": "cross-site"}])
def test_browsers_cannot_drive_the_registry(gate, headers):
    gate.client("ecr").create_repository(repositoryName="web")
    registry = Registry(gate, "web")
    assert registry.send("POST", "blobs/uploads/", **headers).status == 403
    assert registry.send("GET", "tags/list", **headers).status == 403


@pytest.fixture
def other(tmp_path):
    """A registry with busybox and a layer of its own, so that nothing of it is here yet."""
    layout = images.busybox(tmp_path / "other", extra_layers=[images.layer({"own": os.urandom(2_000_000)})])
    other = OtherRegistry(layout)
    yield other
    other.close()


def big_blob(other):
    return max(other.blobs, key=lambda digest: len(other.blobs[digest]))


def test_another_registry(gate, other):
    task = tasks.ended(gate, run(gate, f"{other.host}/some/thing:1"))
    assert task["containers"][0]["imageDigest"] == other.tags["1"]
    moved = sum(n for path, n in other.asked.items() if "/blobs/" in path)
    tasks.ended(gate, run(gate, f"{other.host}/some/thing:1"))
    assert sum(n for path, n in other.asked.items() if "/blobs/" in path) == moved
    reason = not_pulled(gate, f"{other.host}/some/thing:2")
    assert f"{other.host}/some/thing:2" in reason and "not found" in reason


def test_a_transfer_that_breaks_off_goes_on(gate, other):
    other.break_off[big_blob(other)] = 2
    tasks.ended(gate, run(gate, f"{other.host}/thing:1"))


def test_a_registry_that_lies(gate, other):
    blob = big_blob(other)
    other.lies[blob] = gzip.compress(images.layer({"other": b"another layer, sound in itself"}))
    reason = not_pulled(gate, f"{other.host}/thing:1")
    assert blob in reason, reason
    del other.lies[blob]
    tasks.ended(gate, run(gate, f"{other.host}/thing:1"))
    assert os.listdir(gate.data / "images/tmp") == []


def test_a_registry_that_is_not_there(gate):
    nowhere = f"127.0.0.1:{free_port()}"
    reason = not_pulled(gate, f"{nowhere}/thing:1")
    assert "connection refused" in reason, reason


def test_docker_hubs_names_and_mirrors(make_gate, other, tmp_path):
    config = tmp_path / "neargate.toml"
    config.write_text(f'[registries.mirrors]\n"docker.io" = ["http://{other.host}"]\n')
    gate = make_gate("--config", str(config))
    gate.start()
    for image, path in [("thing:1", "library/thing"), ("docker.io/thing:1", "library/thing"),
                        ("some/thing:1", "some/thing"), ("index.docker.io/some/thing:1", "some/thing")]:
        other.asked.clear()
        tasks.ended(gate, run(gate, image))
        assert any(asked.startswith(f"/v2/{path}/manifests/") for asked in other.asked), (image, other.asked)


def test_names_that_are_none(gate):
    for image in ("UPPER/case:1", "a b", "thing:", "thing@sha256:12", "http://thing", "-x", "x" * 300):
        ecs = gate.client("ecs")
        try:
            tasks.register(gate, container(image=image, command=["true"]))
        except ecs.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "ClientException", (image, error)
            continue
        task = tasks.wait_for(gate, tasks.run(gate), "STOPPED")
        assert task["stoppedReason"].startswith("CannotPullContainerError: "), tasks.why(task)


def test_a_killed_pull_from_another_registry_is_finished(own_gate, other):
    gate = own_gate
    blob = big_blob(other)
    other.break_off[blob] = 1
    arn = run(gate, f"{other.host}/thing:1")
    wait_until(lambda: other.break_off[blob] == 0)
    gate.kill()
    gate.start()
    tasks.ended(gate, arn)
