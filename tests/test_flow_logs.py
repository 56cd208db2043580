"""VPC flow logs of what tasks really send and are refused, in CloudWatch Logs and in a bucket."""

import gzip

import pytest
from botocore.exceptions import ClientError

import images
import tasks
from neargate import ACCOUNT, wait_until
from tasks import container

ROLE = f"arn:aws:iam::{ACCOUNT}:role/flow-logs"


def interface(gate, task_arn, private):
    found = gate.client("ec2").describe_network_interfaces(
        Filters=[{"Name": "private-ip-address", "Values": [private]}])
    [one] = [i for i in found["NetworkInterfaces"] if i["Description"] == task_arn]
    return one


def records(gate, group, stream):
    return [line.split(" ") for line in tasks.messages(gate, group, stream)]


def test_what_passes_and_what_is_refused_is_logged(gate, layout):
    images.push(gate, layout, "busybox")
    ec2, s3 = gate.client("ec2"), gate.client("s3")
    gate.client("logs").create_log_group(logGroupName="/flows")
    s3.create_bucket(Bucket="flow-records")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    made = ec2.create_flow_logs(
        ResourceType="VPC", ResourceIds=[vpc], TrafficType="ALL", MaxAggregationInterval=60,
        LogGroupName="/flows", DeliverLogsPermissionArn=ROLE,
        TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "team", "Value": "web"}]}],
    )
    assert made["Unsuccessful"] == []
    made = ec2.create_flow_logs(
        ResourceType="VPC", ResourceIds=[vpc], TrafficType="REJECT", MaxAggregationInterval=60,
        LogDestinationType="s3", LogDestination="arn:aws:s3:::flow-records/mine",
        LogFormat="${interface-id} ${action} ${dstport} ${flow-direction} ${tcp-flags} ${ecs-task-arn} ${log-status}",
    )
    assert made["Unsuccessful"] == []
    serving = "mkdir /tmp/w; echo here > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w"
    tasks.register(gate, container(command=["sh", "-c", serving], stopTimeout=2), family="flows-server")
    server = tasks.run(gate, "flows-server")
    address = tasks.address(tasks.wait_for(gate, server, "RUNNING"))
    its = interface(gate, server, address)
    # Another task of the group reaches it; one of a group of its own does not.
    other = ec2.create_security_group(GroupName="stranger", Description="of nobody", VpcId=vpc)["GroupId"]
    asking = f"timeout 3 wget -q -O /dev/null http://{address}:8080/ || echo refused"
    tasks.register(gate, container(command=["sh", "-c", asking]), family="flows-client")
    staying = container(command=["sh", "-c", f"{asking}; exec sleep 3600"], stopTimeout=2)
    tasks.register(gate, staying, family="flows-friend")
    tasks.run(gate, "flows-friend")
    subnets = tasks.network(gate)["awsvpcConfiguration"]["subnets"]
    stranger = gate.client("ecs").run_task(
        taskDefinition="flows-client", launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": subnets, "securityGroups": [other]}},
    )["tasks"][0]["taskArn"]
    tasks.ended(gate, stranger)

    stream = f"{its['NetworkInterfaceId']}-all"

    def seen():
        lines = records(gate, "/flows", stream)
        return lines if {r[12] for r in lines if r[13] == "OK"} == {"ACCEPT", "REJECT"} else None

    lines = wait_until(seen, 150, "both verdicts are in the log")
    taken = [r for r in lines if r[12] == "ACCEPT" and r[6] == "8080"]
    refused = [r for r in lines if r[12] == "REJECT"]
    for line in taken + refused:
        assert line[:3] == ["2", ACCOUNT, its["NetworkInterfaceId"]] and line[4] == address and line[7] == "6"
        assert int(line[8]) > 0 and int(line[9]) >= 40 and int(line[10]) <= int(line[11])
    assert {r[6] for r in refused} == {"8080"}
    # The client's interface has its own record.
    client = taken[0][3]

    def sent():
        streams = gate.client("logs").describe_log_streams(logGroupName="/flows")["logStreams"]
        others = [r for s in streams for r in records(gate, "/flows", s["logStreamName"])]
        return [r for r in others if r[3] == client and r[4] == address and r[2] != its["NetworkInterfaceId"]]

    assert {r[12] for r in wait_until(sent, 150, "the client's interface is told of")} == {"ACCEPT"}

    def kept():
        return s3.list_objects_v2(Bucket="flow-records").get("Contents")

    key = wait_until(kept, 150, "there is an object")[0]["Key"]
    assert key.startswith(f"mine/AWSLogs/{ACCOUNT}/vpcflowlogs/us-east-1/20") and key.endswith(".log.gz")

    def in_bucket():
        keys = [o["Key"] for o in kept()]
        texts = [gzip.decompress(s3.get_object(Bucket="flow-records", Key=k)["Body"].read()).decode() for k in keys]
        assert all(t.startswith("interface-id action dstport flow-direction tcp-flags ecs-task-arn") for t in texts)
        return [line for t in texts for line in t.splitlines() if " REJECT " in line]

    line = wait_until(in_bucket, 150, "the refusal is in the bucket")[0]
    assert line == f"{its['NetworkInterfaceId']} REJECT 8080 ingress 2 {server} OK"

    logs = ec2.describe_flow_logs(Filter=[{"Name": "tag:team", "Values": ["web"]}])["FlowLogs"]
    assert [(log["DeliverLogsStatus"], log["FlowLogStatus"]) for log in logs] == [("SUCCESS", "ACTIVE")]
    ids = [log["FlowLogId"] for log in ec2.describe_flow_logs()["FlowLogs"]]
    ec2.delete_flow_logs(FlowLogIds=ids)
    with pytest.raises(ClientError, match="These flow log ids in the input list are not found"):
        ec2.delete_flow_logs(FlowLogIds=ids)
