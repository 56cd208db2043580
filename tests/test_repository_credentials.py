"""Images of other registries that want a name and a password, which a secret holds."""

import json

import pytest

import images
import tasks
from other_registry import OtherRegistry
from tasks import container

PASSWORD = "a-password-of-elsewhere-51c2"


@pytest.fixture
def private(tmp_path):
    layout = images.busybox(tmp_path / "private", extra_layers=[images.layer({"own": b"of a private registry"})])
    registry = OtherRegistry(layout, login=f"robot:{PASSWORD}")
    yield registry
    registry.close()


def with_login(image, secret):
    return container(image=image, command=["true"], repositoryCredentials={"credentialsParameter": secret})


def not_pulled(gate):
    task = tasks.wait_for(gate, tasks.run(gate), "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart", tasks.why(task)
    return task["stoppedReason"]


def test_an_image_of_a_private_registry_is_pulled_with_its_secret(gate, private):
    image, secrets = f"{private.host}/team/app:1", gate.client("secretsmanager")
    right = secrets.create_secret(
        Name="registry", SecretString=json.dumps({"username": "robot", "password": PASSWORD}))["ARN"]
    wrong = secrets.create_secret(
        Name="other", SecretString=json.dumps({"username": "robot", "password": "guessed"}))["ARN"]
    tasks.register(gate, container(image=image, command=["true"]))
    assert not_pulled(gate).startswith("CannotPullContainerError: ")
    tasks.register(gate, with_login(image, wrong))
    assert not_pulled(gate).startswith("CannotPullContainerError: ")
    tasks.register(gate, with_login(image, right))
    task = tasks.ended(gate, tasks.run(gate))
    assert task["containers"][0]["imageDigest"] == private.tags["1"]
    # What one task was shown is no other's: the layers are here now, the image is not everybody's.
    tasks.register(gate, with_login(image, wrong))
    assert not_pulled(gate).startswith("CannotPullContainerError: ")
    secrets.delete_secret(SecretId=right, ForceDeleteWithoutRecovery=True)
    tasks.register(gate, with_login(image, right))
    assert not_pulled(gate).startswith("ResourceInitializationError: ")
