"""What an instance and its tasks are told at 169.254.169.254, by version 2 of the service alone."""

import json

import pytest

import tasks
from neargate import wait_until
from tasks import container
from test_instance_networks import CLUSTER, set_up

GROUP = "/ecs/imds"


@pytest.mark.parametrize("mode", ["bridge", "host"])
def test_an_instance_is_told_what_it_is(gate, layout, mode):
    (instance,) = set_up(gate, layout)
    # busybox's wget has no PUT.
    ask = r"""
put() { printf 'PUT /latest/api/token HTTP/1.0\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n' |
  nc 169.254.169.254 80 | tail -n 1; }
token=$(put)
get() { wget -q -O- --header "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/$1; echo; }
get meta-data/instance-id
get meta-data/local-ipv4
get meta-data/placement/availability-zone
get dynamic/instance-identity/document | tr -d '\n'; echo
wget -q -O- http://169.254.169.254/latest/meta-data/instance-id 2>&1
"""
    prober = container(command=["sh", "-c", ask], memory=64, group=GROUP)
    gate.client("ecs").register_task_definition(family="imds", networkMode=mode, containerDefinitions=[prober])
    (task,) = gate.client("ecs").run_task(cluster=CLUSTER, taskDefinition="imds", launchType="EC2")["tasks"]

    def stopped():
        (found,) = gate.client("ecs").describe_tasks(cluster=CLUSTER, tasks=[task["taskArn"]])["tasks"]
        return found if found["lastStatus"] == "STOPPED" else None

    wait_until(stopped, what="the task ends")
    lines = [line for line in tasks.messages(gate, GROUP, f"ecs/app/{task['taskArn'].rsplit('/')[-1]}") if line]
    (described,) = gate.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
    assert lines[0] == instance
    assert lines[1] == described["PrivateIpAddress"]
    assert lines[2] == described["Placement"]["AvailabilityZone"]
    document = json.loads(lines[3])
    assert (document["instanceId"], document["region"]) == (instance, "us-east-1")
    assert "401" in lines[4]
