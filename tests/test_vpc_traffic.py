"""Who reaches whom, with real packets: security groups, VPCs, regions, this host and the world outside,
against what AWS says (docs/networking.md has the whole matrix)."""

import socket
import urllib.request

import pytest

import images
import tasks
from internet import HOST, WORLD, Internet
from neargate import wait_until
from people import registered
from tasks import container

PAGE = "echo {0} > /tmp/index.html; exec httpd -f -p 80 -h /tmp"
EVERYWHERE = [{"CidrIp": "0.0.0.0/0"}]


class Vpc:
    """A VPC with a subnet that leads to an internet gateway, and one that leads nowhere."""

    def __init__(self, gate, region="us-east-1", range="10.50.0.0/16"):
        self.gate, self.region, self.ec2 = gate, region, gate.client("ec2", region)
        self.id = self.ec2.create_vpc(CidrBlock=range)["Vpc"]["VpcId"]
        first, second, *_ = range.split(".")
        subnet = lambda n: self.ec2.create_subnet(VpcId=self.id, CidrBlock=f"{first}.{second}.{n}.0/24")
        self.public = subnet(0)["Subnet"]["SubnetId"]
        self.closed = subnet(1)["Subnet"]["SubnetId"]
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.id)
        table = self.ec2.create_route_table(VpcId=self.id)["RouteTable"]["RouteTableId"]
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        self.ec2.associate_route_table(RouteTableId=table, SubnetId=self.public)

    def group(self, name):
        made = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.id)
        return made["GroupId"]

    def run(self, subnet, groups, command, public=False, family="test", **more):
        tasks.register(self.gate, container(command=["sh", "-c", command], stopTimeout=2, **more), family=family)
        [task] = self.gate.client("ecs", self.region).run_task(
            taskDefinition=family,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {
                "subnets": [subnet],
                "securityGroups": groups,
                "assignPublicIp": "ENABLED" if public else "DISABLED",
            }},
        )["tasks"]
        return task["taskArn"]

    def serve(self, subnet, groups, text, **more):
        """A web server's private and public addresses."""
        arn = self.run(subnet, groups, PAGE.format(text), **more)
        task = tasks.wait_for(self.gate, arn, "RUNNING")
        found = self.ec2.describe_network_interfaces(
            Filters=[{"Name": "private-ip-address", "Values": [tasks.address(task)]}])
        [interface] = [i for i in found["NetworkInterfaces"] if i["Description"] == arn]
        return tasks.address(task), interface.get("Association", {}).get("PublicIp")

    def asks(self, subnet, groups, *addresses, public=False):
        """What a task there reads at each address; `None` where nothing answers."""
        probe = "timeout 3 wget -q -O - http://{0}/ 2> /dev/null || echo nothing"
        script = "sleep 1; " + "; ".join(probe.format(a) for a in addresses)
        arn = self.run(subnet, groups, script, public, family="probe", group="/probe")
        tasks.ended(self.gate, arn, 0)
        stream = f"ecs/app/{arn.rsplit('/', 1)[1]}"
        said = tasks.messages(self.gate, "/probe", stream)
        # The shell tells of what `timeout` ended.
        return [None if line == "nothing" else line for line in said if line != "Terminated"]


def allow(vpc, group, port, **peer):
    """One more rule for what comes in."""
    permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}
    vpc.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    return permission


def page(address, timeout=3):
    try:
        return urllib.request.urlopen(f"http://{address}/", timeout=timeout).read().decode().strip()
    except OSError:
        return None


@pytest.fixture
def world():
    world = Internet()
    yield world
    world.close()


def test_groups_decide_who_reaches_whom(gate, layout):
    images.push(gate, layout, "busybox")
    vpc = Vpc(gate)
    web, data, idle = (vpc.group(name) for name in ("web", "data", "idle"))
    allow(vpc, web, 80, IpRanges=[{"CidrIp": "10.50.1.0/24"}])
    allow(vpc, data, 80, UserIdGroupPairs=[{"GroupId": web}])
    of_web, _ = vpc.serve(vpc.public, [web], "web", family="web")
    of_data, _ = vpc.serve(vpc.closed, [data], "data", family="data")
    assert vpc.asks(vpc.closed, [idle], of_web, of_data) == ["web", None], "a range lets it in, no group does"
    assert vpc.asks(vpc.public, [web], of_web, of_data) == [None, "data"], "members of one group are strangers"
    assert vpc.asks(vpc.public, [idle], of_web, of_data) == [None, None]
    assert page(of_web) is None and page(of_data) is None, "this host is nobody there"

    # The same range in another VPC does not see the first.
    twin = Vpc(gate)
    assert twin.asks(twin.closed, [twin.group("web")], of_web, of_data) == [None, None]


def test_peered_vpcs_reach_each_other_as_routes_and_groups_say(gate, layout):
    images.push(gate, layout, "busybox")
    one, two = Vpc(gate), Vpc(gate, range="10.60.0.0/16")
    app, idle, web = one.group("app"), one.group("idle"), two.group("web")
    address, _ = two.serve(two.closed, [web], "web", family="web")
    assert one.asks(one.closed, [app], address) == [None]
    ec2 = gate.client("ec2")
    made = ec2.create_vpc_peering_connection(VpcId=one.id, PeerVpcId=two.id)["VpcPeeringConnection"]
    peering = made["VpcPeeringConnectionId"]
    for vpc, range in (one, "10.60.0.0/16"), (two, "10.50.0.0/16"):
        main = [{"Name": "vpc-id", "Values": [vpc.id]}, {"Name": "association.main", "Values": ["true"]}]
        [table] = ec2.describe_route_tables(Filters=main)["RouteTables"]
        ec2.create_route(
            RouteTableId=table["RouteTableId"], DestinationCidrBlock=range, VpcPeeringConnectionId=peering)
    allow(two, web, 80, IpRanges=[{"CidrIp": "10.50.0.0/16"}])
    assert one.asks(one.closed, [app], address) == [None], "nobody has accepted it"
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    assert one.asks(one.closed, [app], address) == ["web"]
    assert one.asks(one.public, [app], address) == [None], "its subnet has no route to the peer"
    two.ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.50.0.0/16"}]}])
    allow(two, web, 80, UserIdGroupPairs=[{"GroupId": app}])
    assert one.asks(one.closed, [app], address) == ["web"], "a group of the peer lets its members in"
    assert one.asks(one.closed, [idle], address) == [None]
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
    assert one.asks(one.closed, [app], address) == [None]


def test_the_world_comes_in_by_a_public_address_as_the_group_says(gate, layout, world):
    images.push(gate, layout, "busybox")
    vpc = Vpc(gate)
    web = vpc.group("web")
    rule = allow(vpc, web, 80, IpRanges=EVERYWHERE)
    private, public = vpc.serve(vpc.public, [web], "web", public=True)
    assert public and public.startswith("198.19.")
    assert wait_until(lambda: page(public)) == "web", "this host reaches it"
    assert page(private) is None, "but not by its private address: another VPC may have the same"
    assert world.fetch(public) == "web", "and so does the world that this host routes for"

    # A connection that is open stays so when its rule goes; a new one is not made.
    with socket.create_connection((public, 80), 5) as open:
        vpc.ec2.revoke_security_group_ingress(GroupId=web, IpPermissions=[rule])
        wait_until(lambda: page(public, 1) is None, what="a new connection is not made")
        open.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"web" in open.makefile("rb").read()
    allow(vpc, web, 80, IpRanges=[{"CidrIp": f"{WORLD}/32"}])
    assert page(public) is None
    assert world.fetch(public) == "web", "the group sees who really asks"


def test_ways_out(gate, layout, world):
    """An internet gateway serves who has a public address; a NAT gateway lends its own."""
    images.push(gate, layout, "busybox")
    vpc = Vpc(gate)
    idle = vpc.group("idle")
    assert vpc.asks(vpc.public, [idle], WORLD, public=True) == [f"you are {HOST}"]
    assert vpc.asks(vpc.public, [idle], WORLD) == [None]
    assert vpc.asks(vpc.closed, [idle], WORLD) == [None]
    address = vpc.ec2.allocate_address(Domain="vpc")
    gateway = vpc.ec2.create_nat_gateway(SubnetId=vpc.public, AllocationId=address["AllocationId"])["NatGateway"]
    vpc.ec2.get_waiter("nat_gateway_available").wait(
        NatGatewayIds=[gateway["NatGatewayId"]], WaiterConfig={"Delay": 1})
    table = vpc.ec2.create_route_table(VpcId=vpc.id)["RouteTable"]["RouteTableId"]
    vpc.ec2.associate_route_table(RouteTableId=table, SubnetId=vpc.closed)
    vpc.ec2.create_route(
        RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=gateway["NatGatewayId"])
    assert vpc.asks(vpc.closed, [idle], WORLD) == [f"you are {HOST}"]


def test_an_elastic_ip_follows_its_association(gate, layout):
    images.push(gate, layout, "busybox")
    gate.client("ecs").create_cluster(clusterName="default")
    vpc = Vpc(gate)
    web = vpc.group("web")
    allow(vpc, web, 80, IpRanges=EVERYWHERE)
    [made] = gate.client("ec2").run_instances(
        ImageId=gate.client("ec2").describe_images(
            Filters=[{"Name": "name", "Values": ["al2023-ami-ecs-hvm-*-x86_64"]}])["Images"][0]["ImageId"],
        InstanceType="t3.small", MinCount=1, MaxCount=1,
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": vpc.public, "Groups": [web]}],
    )["Instances"]
    assert "PublicIpAddress" not in made
    wait_until(lambda: registered(gate), what="it is in the cluster")
    gate.client("ecs").register_task_definition(
        family="bridge", networkMode="bridge", requiresCompatibilities=["EC2"],
        containerDefinitions=[container(
            command=["sh", "-c", PAGE.format("instance")], memory=64, stopTimeout=2,
            portMappings=[{"containerPort": 80, "hostPort": 80}])],
    )
    [task] = gate.client("ecs").run_task(taskDefinition="bridge", launchType="EC2")["tasks"]
    tasks.wait_for(gate, task["taskArn"], "RUNNING")
    address = vpc.ec2.allocate_address(Domain="vpc")
    held = vpc.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=made["InstanceId"])
    assert wait_until(lambda: page(address["PublicIp"])) == "instance"
    vpc.ec2.disassociate_address(AssociationId=held["AssociationId"])
    wait_until(lambda: page(address["PublicIp"], 1) is None, what="it leads nowhere")
