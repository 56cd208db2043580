"""The keys of a task's role: found at 169.254.170.2 by the task alone, taken by the API as that role."""

import json

import boto3
import pytest

import images
import tasks
from neargate import REGION, wait_until
from tasks import container
from test_names import SHELL, answers, run

ROLE = "arn:aws:iam::000000000000:role/worker"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


@pytest.fixture
def workers(gate, layout):
    """Two tasks with a role: their ARNs and addresses."""
    images.push(gate, layout, "busybox")
    gate.client("iam").create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(TRUST))
    app = container(command=["sh", "-c", SHELL], stopTimeout=2)
    tasks.register(gate, app, taskRoleArn=ROLE)
    arns = [tasks.run(gate) for _ in range(2)]
    addresses = [tasks.address(tasks.wait_for(gate, arn, "RUNNING")) for arn in arns]
    for address in addresses:
        wait_until(lambda: answers(address), what="the task listens")
    return arns, addresses


def keys(address):
    uri = "http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    return json.loads(run(address, f"wget -q -O- {uri}"))


def caller(gate, keys):
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"], REGION)
    return session.client("sts", endpoint_url=gate.url).get_caller_identity()


def test_a_task_acts_as_its_role(gate, workers):
    (arn, _), (address, other) = workers
    found = keys(address)
    assert found["RoleArn"] == ROLE and found["AccessKeyId"].startswith("ASIA")
    assert set(found) == {"RoleArn", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    task_id = arn.rsplit("/")[-1]
    assert caller(gate, found)["Arn"] == f"arn:aws:sts::000000000000:assumed-role/worker/{task_id}"
    # The same keys until they are renewed, and others for another task.
    assert keys(address) == found
    assert keys(other)["AccessKeyId"] != found["AccessKeyId"]
    # Nobody has another task's.
    path = run(address, "echo $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").strip()
    assert path.startswith("/v2/credentials/")
    assert "400" in run(other, f"wget -q -O- http://169.254.170.2{path} 2>&1")
    # What a SDK does with nothing configured.
    assert run(address, "echo $AWS_ENDPOINT_URL").startswith("http://169.254.169.253:")
    said = run(address, "wget -q -O- $AWS_ENDPOINT_URL/ 2>&1; echo")
    assert "refused" not in said and "unreachable" not in said


def test_keys_go_on_after_a_kill_and_end_with_the_task(gate, workers):
    (arn, _), (address, other) = workers
    before = keys(address)
    gate.kill()
    gate.start()
    after = wait_until(lambda: answer(address), what="the endpoint answers")
    # Both are good: a session is known by its token.
    for found in (before, after):
        assert caller(gate, found)["Arn"].endswith(arn.rsplit("/")[-1])


def answer(address):
    try:
        return keys(address)
    except json.JSONDecodeError:
        return None
