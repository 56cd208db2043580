"""EC2 Auto Scaling on this host: groups keep instances that join ECS clusters, and capacity providers
scale them with the tasks there are."""

import base64

import images
import tasks
from neargate import refused, wait_until
from people import registered
from tasks import container
from test_ec2_instances import CLUSTER, image

GROUP = "web"


def template(gate, cluster="default", name="ecs", **more):
    data = base64.b64encode(CLUSTER.format(cluster).encode()).decode()
    gate.client("ec2").create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={
            "ImageId": image(gate), "InstanceType": "t3.small", "UserData": data,
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "worker"}]}],
        } | more,
    )
    return {"LaunchTemplateName": name, "Version": "$Latest"}


def subnets(gate):
    found = gate.client("ec2").describe_subnets()["Subnets"]
    return ",".join(s["SubnetId"] for s in found)


def create(gate, size, cluster="default", most=4, **more):
    gate.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        LaunchTemplate=template(gate, cluster),
        MinSize=0, MaxSize=most, DesiredCapacity=size,
        VPCZoneIdentifier=subnets(gate),
        **more,
    )


def group(gate):
    found = gate.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])
    [it] = found["AutoScalingGroups"]
    return it


def members(gate, state=None):
    """Its instances by the states of their lives."""
    all = {i["InstanceId"]: i["LifecycleState"] for i in group(gate)["Instances"]}
    return {id for id, s in all.items() if s == state} if state else all


def settled(gate, count):
    def is_so():
        now = members(gate)
        return len(now) == count and set(now.values()) <= {"InService"}

    wait_until(is_so, what=f"{count} instances are in service")
    return set(members(gate))


def running(gate):
    """All instances that EC2 has and that have not ended."""
    found = gate.client("ec2").describe_instances(
        Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}])
    return {i["InstanceId"] for r in found["Reservations"] for i in r["Instances"]}


def delete(gate):
    gate.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=GROUP, ForceDelete=True)

    def is_gone():
        return not gate.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]

    wait_until(is_gone, what="the group is gone")
    assert running(gate) == set()


def test_a_group_keeps_container_instances(own_gate):
    gate = own_gate
    autoscaling, ec2 = gate.client("autoscaling"), gate.client("ec2")
    gate.client("ecs").create_cluster(clusterName="default")
    create(gate, 2, Tags=[
        {"Key": "team", "Value": "a", "PropagateAtLaunch": True},
        {"Key": "own", "Value": "b", "PropagateAtLaunch": False},
    ])
    first = settled(gate, 2)
    wait_until(lambda: set(registered(gate)) == first, what="both are in the cluster")
    [reservation, _] = ec2.describe_instances(InstanceIds=list(first))["Reservations"]
    tags = {t["Key"]: t["Value"] for t in reservation["Instances"][0]["Tags"]}
    assert tags["aws:autoscaling:groupName"] == GROUP
    assert (tags["Name"], tags["team"]) == ("worker", "a") and "own" not in tags
    code, _ = refused(ec2.create_tags, Resources=list(first),
                      Tags=[{"Key": "aws:autoscaling:groupName", "Value": "x"}])
    assert code == "InvalidParameterValue"

    # Somebody ends one: another takes its place.
    lost = min(first)
    ec2.terminate_instances(InstanceIds=[lost])
    wait_until(lambda: lost not in members(gate), what="it is gone")
    second = settled(gate, 2)
    assert second != first
    causes = [a["Cause"] for a in autoscaling.describe_scaling_activities(
        AutoScalingGroupName=GROUP)["Activities"]]
    assert any("indicating it has been terminated or stopped." in c for c in causes)

    # Killed while it grows and shrinks, it starts nothing twice and loses nothing.
    autoscaling.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=4)
    wait_until(lambda: len(members(gate)) > 2, what="it has begun to grow")
    gate.kill()
    gate.start()
    third = settled(gate, 4)
    assert second < third and running(gate) == third
    autoscaling.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=1)
    wait_until(lambda: len(members(gate, "InService")) == 1, what="three have begun to end")
    gate.kill()
    gate.start()
    last = settled(gate, 1)
    assert last < third and running(gate) == last
    wait_until(lambda: set(registered(gate)) == last, what="one is in the cluster")
    delete(gate)
    wait_until(lambda: registered(gate) == {}, what="none is in the cluster")


def test_hooks_hold_instances_and_the_cli_lets_them_go(gate):
    gate.client("ecs").create_cluster(clusterName="default")
    hook = {"LifecycleHookName": "ready", "HeartbeatTimeout": 300}
    create(gate, 1, LifecycleHookSpecificationList=[
        hook | {"LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}])
    wait_until(lambda: members(gate, "Pending:Wait"), what="one waits")
    [id] = members(gate)
    gate.aws(
        "autoscaling", "complete-lifecycle-action", "--auto-scaling-group-name", GROUP,
        "--lifecycle-hook-name", "ready", "--instance-id", id,
        "--lifecycle-action-result", "CONTINUE")
    settled(gate, 1)
    _, message = refused(
        gate.client("autoscaling").complete_lifecycle_action, AutoScalingGroupName=GROUP,
        LifecycleHookName="ready", InstanceId=id, LifecycleActionResult="CONTINUE")
    assert message == f"No active Lifecycle Action found with instance ID {id}"
    delete(gate)


def provider(gate, **more):
    gate.client("ecs").create_capacity_provider(
        name="grown",
        autoScalingGroupProvider={
            "autoScalingGroupArn": group(gate)["AutoScalingGroupARN"],
            "managedScaling": {"status": "ENABLED", "instanceWarmupPeriod": 1},
        } | more,
    )
    gate.client("ecs").put_cluster_capacity_providers(
        cluster="default", capacityProviders=["grown"],
        defaultCapacityProviderStrategy=[{"capacityProvider": "grown", "weight": 1}])


def test_a_capacity_provider_grows_for_a_service_and_shrinks(make_gate, layout):
    gate = make_gate("--scale-in-after", "1s", "--service-settle", "1s")
    gate.start()
    images.push(gate, layout, "busybox")
    ecs = gate.client("ecs")
    ecs.create_cluster(clusterName="default")
    create(gate, 0, NewInstancesProtectedFromScaleIn=True)
    provider(gate, managedTerminationProtection="ENABLED")
    ecs.register_task_definition(
        family="big", networkMode="bridge", requiresCompatibilities=["EC2"],
        containerDefinitions=[
            container(command=["sleep", "600"], memory=64, cpu=1024, stopTimeout=1)],
    )
    ecs.create_service(serviceName="s", taskDefinition="big", desiredCount=3)
    wait_until(lambda: len(members(gate)) == 2, what="two instances are asked for: two tasks fit on one")

    def service():
        [it] = ecs.describe_services(services=["s"])["services"]
        return it

    wait_until(lambda: service()["runningCount"] == 3, what="all tasks run")
    assert len(settled(gate, 2)) == 2
    found = ecs.describe_tasks(tasks=ecs.list_tasks()["taskArns"])["tasks"]
    assert {t["capacityProviderName"] for t in found} == {"grown"}
    assert {i["capacityProviderName"] for i in registered(gate).values()} == {"grown"}
    wait_until(
        lambda: all(i["ProtectedFromScaleIn"] for i in group(gate)["Instances"]),
        what="instances with tasks are protected")

    ecs.update_service(service="s", desiredCount=1)
    left = settled(gate, 1)
    assert service()["runningCount"] == 1
    wait_until(lambda: set(registered(gate)) == left, what="the empty one is gone")

    # A task of its own waits for room, and gets it.
    [task] = ecs.run_task(taskDefinition="big", overrides={"cpu": "2048"})["tasks"]
    assert task["lastStatus"] == "PROVISIONING" and "containerInstanceArn" not in task
    gate.kill()
    gate.start()
    tasks.wait_for(gate, task["taskArn"], "RUNNING")
    ecs.stop_task(task=task["taskArn"])
    ecs.delete_service(service="s", force=True)
    settled(gate, 0)
    delete(gate)
