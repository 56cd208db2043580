"""What AWS does not have, by labels of Neargate's own: a task's time limit, secrets as files, longer stop timeouts."""

import images
import tasks
from neargate import refused, wait_until
from tasks import container
from test_secrets_in_tasks import found

SECRET = "tried-and-true-4711"


def labels(**given):
    return {"dockerLabels": {f"neargate:{name.replace('_', '-')}": value for name, value in given.items()}}


def test_a_task_has_a_time_limit_though_neargate_is_away(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    tasks.register(gate, container(command=["sleep", "600"], stopTimeout=2, **labels(timeout="5")))
    arn = tasks.run(gate)
    tasks.wait_for(gate, arn, "RUNNING")
    gate.kill()
    gate.start()
    task = tasks.wait_for(gate, arn, "STOPPED")
    assert task["stopCode"] == "UserInitiated"
    assert task["stoppedReason"] == "The task has run for its time limit of 5 seconds (neargate:timeout)."
    assert (task["stoppingAt"] - task["startedAt"]).total_seconds() > 3

    # A service goes on with another.
    gate.client("ecs").create_cluster(clusterName="default")
    gate.client("ecs").create_service(
        serviceName="web", taskDefinition="test", desiredCount=1, launchType="FARGATE", networkConfiguration=tasks.network(gate)
    )
    seen = set()

    def replaced():
        seen.update(gate.client("ecs").list_tasks(serviceName="web")["taskArns"])
        return len(seen) > 1

    wait_until(replaced, what="a second task")


def test_secrets_are_files_and_no_variables(gate, layout):
    images.push(gate, layout, "busybox")
    gate.client("ssm").put_parameter(Name="/app/token", Value=f"{SECRET}\nand a second line", Type="SecureString")
    look = (
        "set -e; [ -z \"$TOKEN\" ]; grep -q tried-and-true /run/app/TOKEN; [ $(wc -l < /run/app/TOKEN) = 1 ]; "
        "! echo x 2>/dev/null > /run/app/TOKEN; [ $(id -u) = 1000 ]; [ \"$OTHER\" = plain ]; exec sleep 600"
    )
    tasks.register(
        gate,
        container(
            command=["sh", "-c", look], user="1000", stopTimeout=2, readonlyRootFilesystem=True,
            environment=[{"name": "OTHER", "value": "plain"}], healthCheck={"command": ["CMD", "test", "-s", "/run/app/TOKEN"], "interval": 5},
            secrets=[{"name": "TOKEN", "valueFrom": "/app/token"}], **labels(secrets="/run/app"),
        ),
    )
    arn = tasks.run(gate)
    wait_until(lambda: tasks.wait_for(gate, arn, "RUNNING")["healthStatus"] == "HEALTHY", what="it has what it looks for")
    assert found(gate.data, SECRET) == []


def test_what_labels_may_not_say(gate):
    for given, words in (
        (labels(timeout="soon"), "'neargate:timeout' of container 'app' is invalid: it must be a whole number of seconds"),
        (labels(stop_timeout="1"), "from 2 to 86400"),
        (labels(secrets="/run"), "the container has no secrets"),
    ):
        code, message = refused(lambda: tasks.register(gate, container(**given)))
        assert code == "ClientException" and words in message, message
    made = tasks.register(gate, container(**labels(stop_timeout="3600")))
    assert made["containerDefinitions"][0]["dockerLabels"] == {"neargate:stop-timeout": "3600"}
