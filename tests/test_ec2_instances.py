"""EC2's own way to container instances: run-instances, user data that names a cluster, and what a
user does with them. Each is a slice of this host."""

import images
import tasks
from neargate import wait_until
from people import registered
from tasks import container

CLUSTER = "#!/bin/bash\necho ECS_CLUSTER={} >> /etc/ecs/ecs.config\n"


def image(gate):
    """As people find the image: by its name."""
    found = gate.client("ec2").describe_images(
        Owners=["amazon"],
        Filters=[{"Name": "name", "Values": ["al2023-ami-ecs-hvm-*-x86_64"]}],
    )["Images"]
    return found[0]["ImageId"]


def run_instances(gate, count=1, cluster="default", **more):
    made = gate.client("ec2").run_instances(
        ImageId=image(gate),
        InstanceType="t3.small",
        MinCount=count,
        MaxCount=count,
        UserData=CLUSTER.format(cluster),
        **more,
    )
    return [i["InstanceId"] for i in made["Instances"]]


def state(gate, id):
    [reservation] = gate.client("ec2").describe_instances(InstanceIds=[id])["Reservations"]
    return reservation["Instances"][0]["State"]["Name"]


def becomes(gate, id, wanted):
    wait_until(lambda: state(gate, id) == wanted, what=f"{id} is {wanted}")


def sleeper(gate):
    gate.client("ecs").register_task_definition(
        family="sleeper",
        networkMode="bridge",
        requiresCompatibilities=["EC2"],
        containerDefinitions=[container(command=["sleep", "600"], memory=64, cpu=128, stopTimeout=2)],
    )


def test_an_instance_joins_its_cluster_runs_a_task_and_goes(gate, layout):
    images.push(gate, layout, "busybox")
    ecs, ec2 = gate.client("ecs"), gate.client("ec2")
    ecs.create_cluster(clusterName="default")
    [id] = run_instances(
        gate,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "worker"}]}],
    )
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig={"Delay": 1})
    ec2.get_waiter("instance_status_ok").wait(InstanceIds=[id], WaiterConfig={"Delay": 1})
    wait_until(lambda: registered(gate).get(id, {}).get("agentConnected"), what="it is in the cluster")
    found = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["worker"]}])
    [instance] = found["Reservations"][0]["Instances"]
    assert instance["InstanceId"] == id and instance["PrivateIpAddress"]
    attributes = {a["name"]: a.get("value") for a in registered(gate)[id]["attributes"]}
    assert attributes["ecs.ami-id"] == image(gate)

    sleeper(gate)
    [task] = ecs.run_task(taskDefinition="sleeper", launchType="EC2")["tasks"]
    tasks.wait_for(gate, task["taskArn"], "RUNNING")

    ec2.terminate_instances(InstanceIds=[id])
    becomes(gate, id, "terminated")
    assert tasks.describe(gate, task["taskArn"])["lastStatus"] == "STOPPED"
    assert registered(gate) == {}
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_an_instance_is_stopped_started_and_found_after_kill_9(own_gate, layout):
    gate = own_gate
    images.push(gate, layout, "busybox")
    ec2 = gate.client("ec2")
    gate.client("ecs").create_cluster(clusterName="default")
    stays, stops = run_instances(gate, count=2)
    for id in (stays, stops):
        becomes(gate, id, "running")
    wait_until(lambda: len(registered(gate)) == 2, what="both are in the cluster")
    before = registered(gate)[stops]["containerInstanceArn"]
    ec2.stop_instances(InstanceIds=[stops])
    becomes(gate, stops, "stopped")
    assert not registered(gate)[stops]["agentConnected"]

    gate.kill()
    gate.start()
    becomes(gate, stays, "running")
    assert state(gate, stops) == "stopped"
    wait_until(lambda: registered(gate)[stays]["agentConnected"], what="its agent is back")
    ec2.start_instances(InstanceIds=[stops])
    becomes(gate, stops, "running")
    wait_until(lambda: registered(gate)[stops]["agentConnected"], what="it is back")
    assert registered(gate)[stops]["containerInstanceArn"] == before

    ec2.reboot_instances(InstanceIds=[stays])
    ec2.terminate_instances(InstanceIds=[stays, stops])
    gate.kill()
    gate.start()
    for id in (stays, stops):
        becomes(gate, id, "terminated")
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
