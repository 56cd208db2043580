"""EC2's VPCs through boto3 and the aws CLI: made as Terraform and the CDK make them, kept over kill -9,
and deleted in the wrong and in the right order."""

import subprocess

import pytest

from neargate import refused


@pytest.fixture
def ec2(gate):
    return gate.client("ec2")


def named(kind, name):
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def network(ec2):
    """Two public and two private subnets, with a way out for each, and three groups that name each other."""
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=named("vpc", "shop"))["Vpc"]["VpcId"]
    ec2.get_waiter("vpc_available").wait(VpcIds=[vpc])
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    made = {"vpc": vpc, "gateway": gateway, "subnets": [], "tables": [], "associations": []}
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    for n in range(4):
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{n}.0/24", AvailabilityZone=zones[n % 2])["Subnet"]["SubnetId"]
        if n < 2:
            ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        made["subnets"].append(subnet)
    ec2.get_waiter("subnet_available").wait(SubnetIds=made["subnets"])
    address = ec2.allocate_address(Domain="vpc")
    made["address"], made["public_ip"] = address["AllocationId"], address["PublicIp"]
    nat = ec2.create_nat_gateway(SubnetId=made["subnets"][0], AllocationId=made["address"], ClientToken="once")
    made["nat"] = nat["NatGateway"]["NatGatewayId"]
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[made["nat"]])
    for n, way in enumerate(({"GatewayId": gateway}, {"NatGatewayId": made["nat"]})):
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **way)
        for subnet in made["subnets"][2 * n : 2 * n + 2]:
            association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
            made["associations"].append(association)
        made["tables"].append(table)
    groups = {
        name: ec2.create_security_group(GroupName=name, Description=f"{name} of the shop", VpcId=vpc)["GroupId"]
        for name in ("lb", "web", "db")
    }
    tcp = lambda port, **peer: {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}
    of = lambda name: {"UserIdGroupPairs": [{"GroupId": groups[name]}]}
    everywhere = {"IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "everybody"}]}
    ec2.authorize_security_group_ingress(GroupId=groups["lb"], IpPermissions=[tcp(443, **everywhere)])
    ec2.authorize_security_group_ingress(GroupId=groups["web"], IpPermissions=[tcp(8080, **of("lb")), tcp(8080, **of("db"))])
    ec2.authorize_security_group_ingress(GroupId=groups["db"], IpPermissions=[tcp(5432, **of("web"))])
    # Terraform takes a new group's own egress rule away and writes the configuration's.
    ec2.revoke_security_group_egress(GroupId=groups["db"], IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    made["groups"] = groups
    return made


def seen(ec2, vpc):
    """Everything of a VPC, as Terraform refreshes it."""
    within = [{"Name": "vpc-id", "Values": [vpc]}]
    return {
        "vpc": ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"],
        "hostnames": ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"],
        "subnets": ec2.describe_subnets(Filters=within)["Subnets"],
        "tables": ec2.describe_route_tables(Filters=within)["RouteTables"],
        "groups": ec2.describe_security_groups(Filters=within)["SecurityGroups"],
        "acls": ec2.describe_network_acls(Filters=within)["NetworkAcls"],
        "gateways": ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])["InternetGateways"],
        "nat": ec2.describe_nat_gateways(Filter=within)["NatGateways"],
        "interfaces": ec2.describe_network_interfaces(Filters=within)["NetworkInterfaces"],
        "addresses": ec2.describe_addresses()["Addresses"],
        "tags": ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [vpc]}])["Tags"],
    }


def test_a_network_is_made_kept_and_deleted(gate, ec2):
    made = network(ec2)
    vpc, groups = made["vpc"], made["groups"]
    before = seen(ec2, vpc)
    assert len(before["subnets"]) == 4 and len(before["groups"]) == 4 and len(before["tables"]) == 3
    assert {r["State"] for t in before["tables"] for r in t["Routes"]} == {"active"}
    assert before["interfaces"][0]["Association"]["PublicIp"] == made["public_ip"]
    gate.kill()
    gate.start()
    assert seen(ec2, vpc) == before

    # In the wrong order nothing goes.
    kept = ("DependencyViolation", f"The vpc '{vpc}' has dependencies and cannot be deleted.")
    assert refused(ec2.delete_vpc, VpcId=vpc) == kept
    assert refused(ec2.delete_subnet, SubnetId=made["subnets"][0])[0] == "DependencyViolation"
    assert refused(ec2.delete_security_group, GroupId=groups["web"])[0] == "DependencyViolation"
    assert refused(ec2.delete_route_table, RouteTableId=made["tables"][0])[0] == "DependencyViolation"
    assert refused(ec2.detach_internet_gateway, InternetGatewayId=made["gateway"], VpcId=vpc)[0] == "DependencyViolation"
    assert refused(ec2.delete_internet_gateway, InternetGatewayId=made["gateway"])[0] == "DependencyViolation"
    assert refused(ec2.release_address, AllocationId=made["address"])[0] == "InvalidIPAddress.InUse"
    assert seen(ec2, vpc) == before

    # In the right one everything does. Groups in a circle are parted by their rules first.
    for group in before["groups"]:
        if group["GroupName"] != "default" and group["IpPermissions"]:
            ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    ec2.delete_nat_gateway(NatGatewayId=made["nat"])
    ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[made["nat"]])
    ec2.release_address(AllocationId=made["address"])
    for association in made["associations"]:
        ec2.disassociate_route_table(AssociationId=association)
    gate.kill()
    gate.start()
    for table in made["tables"]:
        ec2.delete_route_table(RouteTableId=table)
    for subnet in made["subnets"]:
        ec2.delete_subnet(SubnetId=subnet)
    for group in groups.values():
        ec2.delete_security_group(GroupId=group)
    ec2.detach_internet_gateway(InternetGatewayId=made["gateway"], VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=made["gateway"])
    ec2.delete_vpc(VpcId=vpc)
    assert refused(ec2.describe_vpcs, VpcIds=[vpc])[0] == "InvalidVpcID.NotFound"
    assert [v["IsDefault"] for v in ec2.describe_vpcs()["Vpcs"]] == [True]
    assert ec2.describe_tags()["Tags"] == []


def test_through_the_aws_cli(gate, tmp_path):
    aws = lambda *args: gate.aws("ec2", *args)
    vpc = aws("create-vpc", "--cidr-block", "10.0.0.0/16", "--tag-specifications", "ResourceType=vpc,Tags=[{Key=Name,Value=cli}]")["Vpc"]
    assert (vpc["State"], vpc["Tags"]) == ("pending", [{"Key": "Name", "Value": "cli"}])
    vpc = vpc["VpcId"]
    group = aws("create-security-group", "--group-name", "ssh", "--description", "ssh", "--vpc-id", vpc)["GroupId"]
    rule = aws("authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "22", "--cidr", "203.0.113.0/24")
    assert rule["SecurityGroupRules"][0]["CidrIpv4"] == "203.0.113.0/24"
    acl = aws("create-network-acl", "--vpc-id", vpc)["NetworkAcl"]["NetworkAclId"]
    entry = ("--network-acl-id", acl, "--rule-number", "100", "--ingress", "--rule-action", "allow")
    aws("create-network-acl-entry", *entry, "--protocol", "udp", "--port-range", "From=53,To=53", "--cidr-block", "0.0.0.0/0")
    entries = gate.client("ec2").describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]
    assert entries[1]["PortRange"] == {"From": 53, "To": 53}
    said = gate.aws("ec2", "create-vpc", "--cidr-block", "10.0.0.0/16", "--amazon-provided-ipv6-cidr-block", check=False)
    assert "UnsupportedOperation" in said.stderr and "AmazonProvidedIpv6CidrBlock" in said.stderr
    said = gate.aws("ec2", "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.1.0.0/24", check=False)
    assert "(InvalidSubnet.Range)" in said.stderr and "The CIDR '10.1.0.0/24' is invalid." in said.stderr

    pair = aws("create-key-pair", "--key-name", "mine", "--key-type", "ed25519")
    private = tmp_path / "mine.pem"
    private.write_text(pair["KeyMaterial"])
    private.chmod(0o600)
    public = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, text=True, check=True).stdout
    shown = gate.client("ec2").describe_key_pairs(IncludePublicKey=True)["KeyPairs"][0]
    assert public.split()[1] == shown["PublicKey"].split()[1]
    told = subprocess.run(["ssh-keygen", "-l", "-f", private], capture_output=True, text=True, check=True).stdout
    assert f"SHA256:{pair['KeyFingerprint'].rstrip('=')} " in told


def test_two_vpcs_are_peered_and_reach_services(gate, ec2):
    one, two = (ec2.create_vpc(CidrBlock=f"10.{n}.0.0/16")["Vpc"]["VpcId"] for n in (1, 2))
    made = ec2.create_vpc_peering_connection(VpcId=one, PeerVpcId=two)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.get_waiter("vpc_peering_connection_exists").wait(VpcPeeringConnectionIds=[made])
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=made)
    main = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [one]}])["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=main, DestinationCidrBlock="10.2.0.0/16", VpcPeeringConnectionId=made)
    s3 = ec2.create_vpc_endpoint(VpcId=one, ServiceName="com.amazonaws.us-east-1.s3", RouteTableIds=[main])["VpcEndpoint"]
    routes = ec2.describe_route_tables(RouteTableIds=[main])["RouteTables"][0]["Routes"]
    assert [r["State"] for r in routes] == ["active"] * 3
    assert routes[2]["GatewayId"] == s3["VpcEndpointId"] and routes[2]["DestinationPrefixListId"].startswith("pl-")
    gate.kill()
    gate.start()
    assert ec2.describe_route_tables(RouteTableIds=[main])["RouteTables"][0]["Routes"] == routes
    assert refused(ec2.delete_vpc, VpcId=two)[0] == "DependencyViolation"
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=made)
    ec2.get_waiter("vpc_peering_connection_deleted").wait(VpcPeeringConnectionIds=[made])
    assert ec2.delete_vpc_endpoints(VpcEndpointIds=[s3["VpcEndpointId"]])["Unsuccessful"] == []
    for vpc in (one, two):
        ec2.delete_vpc(VpcId=vpc)


def test_many_at_once_leave_nothing_behind(gate, ec2):
    """Subnets and groups come and go in one VPC from many threads while others try to delete it."""
    from concurrent.futures import ThreadPoolExecutor

    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]

    def come_and_go(n):
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName=f"g{n}", Description="d", VpcId=vpc)["GroupId"]
        interface = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]["NetworkInterfaceId"]
        assert refused(ec2.delete_vpc, VpcId=vpc)[0] == "DependencyViolation"
        assert refused(ec2.delete_subnet, SubnetId=subnet)[0] == "DependencyViolation"
        assert refused(ec2.delete_security_group, GroupId=group)[0] == "DependencyViolation"
        ec2.delete_network_interface(NetworkInterfaceId=interface)
        ec2.delete_security_group(GroupId=group)
        ec2.delete_subnet(SubnetId=subnet)

    with ThreadPoolExecutor(8) as many:
        list(many.map(come_and_go, range(16)))
    ec2.delete_vpc(VpcId=vpc)
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
