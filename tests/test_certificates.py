"""Certificates of ACM, in front of listeners that clients really speak TLS with."""

import subprocess

from botocore.exceptions import ClientError
from neargate import wait_until


def answer(body):
    response = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": body}
    return [{"Type": "fixed-response", "FixedResponseConfig": response}]


def test_a_listener_shows_the_certificate_of_the_name_that_is_asked_for(gate, tmp_path):
    """One is issued, one is imported; both are trusted by whoever trusts who signed them."""
    acm, balancing, ec2 = gate.client("acm"), gate.client("elbv2"), gate.client("ec2")
    issued = acm.request_certificate(
        DomainName="shop.example.com", SubjectAlternativeNames=["*.shop.example.com"], ValidationMethod="DNS", KeyAlgorithm="EC_prime256v1"
    )["CertificateArn"]
    acm.get_waiter("certificate_validated").wait(CertificateArn=issued)
    authority = tmp_path / "authority.pem"
    authority.write_text(acm.get_certificate(CertificateArn=issued)["CertificateChain"])
    key, own = tmp_path / "key.pem", tmp_path / "own.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=own.example.org"]
    made += ["-addext", "subjectAltName=DNS:own.example.org", "-keyout", key, "-out", own]
    subprocess.run(made, check=True, capture_output=True)
    imported = acm.import_certificate(Certificate=own.read_bytes(), PrivateKey=key.read_bytes())["CertificateArn"]

    subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]][:2]
    group = ec2.create_security_group(GroupName="tls", Description="tls")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="0.0.0.0/0")
    shown = balancing.create_load_balancer(Name="tls", Subnets=subnets, SecurityGroups=[group])["LoadBalancers"][0]
    balancer = shown["LoadBalancerArn"]
    listener = balancing.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTPS",
        Port=443,
        SslPolicy="ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        Certificates=[{"CertificateArn": issued}],
        DefaultActions=answer("secure"),
    )["Listeners"][0]["ListenerArn"]
    balancing.get_waiter("load_balancer_available").wait(LoadBalancerArns=[balancer], WaiterConfig={"Delay": 1})
    owner = {"Name": "description", "Values": [f"ELB {balancer.split('loadbalancer/')[1]}"]}
    interfaces = ec2.describe_network_interfaces(Filters=[owner])["NetworkInterfaces"]
    address = interfaces[0]["Association"]["PublicIp"]

    def asked(name, trust):
        command = ["curl", "-s", "-m", "5", "--cacert", trust, "--resolve", f"{name}:443:{address}", f"https://{name}/"]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout

    wait_until(lambda: asked("shop.example.com", authority) == (0, "secure"))
    assert asked("a.shop.example.com", authority) == (0, "secure")
    assert asked("own.example.org", own)[0] != 0, "the listener does not have it yet"
    balancing.add_listener_certificates(ListenerArn=listener, Certificates=[{"CertificateArn": imported}])
    wait_until(lambda: asked("own.example.org", own) == (0, "secure"))
    assert asked("shop.example.com", authority) == (0, "secure")

    for arn in (issued, imported):
        assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["InUseBy"] == [balancer]
        try:
            acm.delete_certificate(CertificateArn=arn)
            raise AssertionError("a certificate in use was deleted")
        except ClientError as refused:
            assert refused.response["Error"]["Code"] == "ResourceInUseException"
    balancing.delete_load_balancer(LoadBalancerArn=balancer)
    balancing.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[balancer], WaiterConfig={"Delay": 1})
    for arn in (issued, imported):
        acm.delete_certificate(CertificateArn=arn)
    assert acm.list_certificates()["CertificateSummaryList"] == []
