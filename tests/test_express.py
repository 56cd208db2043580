"""Express services by real clients: one call to a page over HTTPS, another image, and nothing left behind."""

import json
import subprocess

import pytest

import images
import tasks
from neargate import ACCOUNT, ROLE, refused, wait_until
from people import neargate

INFRASTRUCTURE = f"arn:aws:iam::{ACCOUNT}:role/infrastructure"
SERVE = "mkdir -p /tmp/w; echo {text} | tee /tmp/w/index.html > /tmp/w/ping; exec httpd -f -p 80 -h /tmp/w"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Two images that each serve their own name."""
    made = {}
    for name in ("one", "two"):
        config = {"Cmd": ["sh", "-c", SERVE.format(text=name)]}
        made[name] = images.busybox(tmp_path_factory.mktemp(name) / name, config)
    return made


def push(gate, pages):
    for name, layout in pages.items():
        images.push(gate, layout, name)


def create(gate, image, name="web", **more):
    container = {"image": images.aws_name(image), **more.pop("container", {})}
    return gate.client("ecs").create_express_gateway_service(
        serviceName=name, infrastructureRoleArn=INFRASTRUCTURE, executionRoleArn=ROLE, primaryContainer=container, **more
    )["service"]


def describe(gate, arn):
    return gate.client("ecs").describe_express_gateway_service(serviceArn=arn)["service"]


def page(authority, endpoint, *more):
    """What curl, which trusts the authority and nobody else, gets by the name as this host resolves it."""
    asked = ["curl", "-s", "--max-time", "5", "--cacert", str(authority), *more, f"https://{endpoint}/"]
    done = subprocess.run(asked, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def at_once(gate, name="web"):
    """Deployments that shift all traffic without AWS's three minutes."""
    gate.client("ecs").update_service(
        service=name,
        deploymentConfiguration={
            "strategy": "CANARY",
            "canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 0},
            "bakeTimeInMinutes": 0,
        },
    )


def left(gate):
    """What of AWS's an Express service is made of."""
    ec2, elb = gate.client("ec2"), gate.client("elbv2")
    return {
        "load balancers": [b["LoadBalancerName"] for b in elb.describe_load_balancers()["LoadBalancers"]],
        "target groups": [g["TargetGroupName"] for g in elb.describe_target_groups()["TargetGroups"]],
        "security groups": [
            g["GroupName"] for g in ec2.describe_security_groups()["SecurityGroups"] if g["GroupName"] != "default"
        ],
        "alarms": [a["AlarmName"] for a in gate.client("cloudwatch").describe_alarms()["MetricAlarms"]],
        "certificates": gate.client("acm").list_certificates()["CertificateSummaryList"],
        "scalable targets": gate.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")[
            "ScalableTargets"
        ],
        "tasks": gate.client("ecs").list_tasks()["taskArns"],
    }


def test_one_call_to_a_page_then_another_image_then_nothing(own_gate, pages, tmp_path):
    gate = own_gate
    push(gate, pages)
    ecs = gate.client("ecs")
    authority = tmp_path / "authority.pem"
    authority.write_text(neargate(gate, "authority", "print").stdout)
    container = {"image": images.aws_name("one")}
    made = gate.aws(
        "ecs", "create-express-gateway-service", "--service-name", "web", "--execution-role-arn", ROLE,
        "--infrastructure-role-arn", INFRASTRUCTURE, "--primary-container", json.dumps(container),
    )["service"]
    arn = made["serviceArn"]
    assert arn.endswith(":service/default/web") and made["status"]["statusCode"] == "ACTIVE"
    [path] = made["activeConfigurations"][0]["ingressPaths"]
    endpoint = path["endpoint"]
    assert path["accessType"] == "PUBLIC"
    assert endpoint.startswith("we-") and endpoint.endswith(".ecs.us-east-1.on.aws")
    # Half way, everything that looks after it is killed.
    wait_until(lambda: gate.client("elbv2").describe_load_balancers()["LoadBalancers"], 60, "a load balancer")
    gate.kill()
    gate.start()
    wait_until(lambda: page(authority, endpoint) == "one", 120, "the page is there")
    redirected = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"http://{endpoint}/"]
    assert subprocess.run(redirected, capture_output=True, text=True).stdout == f"301 https://{endpoint}:443/"
    [service] = ecs.describe_services(services=["web"])["services"]
    assert service["resourceManagementType"] == "ECS"
    assert service["deploymentConfiguration"]["strategy"] == "CANARY"
    wait_until(lambda: left(gate)["scalable targets"], 60, "it is scaled")
    assert len(left(gate)["load balancers"]) == 1 and len(left(gate)["target groups"]) == 2
    [shown] = describe(gate, arn)["activeConfigurations"]
    assert shown["serviceRevisionArn"] and shown["cpu"] == "256" and shown["healthCheckPath"] == "/ping"

    # A second one shares the load balancer; a task asks it by its name.
    other = create(gate, "two", "other", container={"containerPort": 80})
    name = other["activeConfigurations"][0]["ingressPaths"][0]["endpoint"]
    wait_until(lambda: page(authority, name) == "two", 120, "the other page is there")
    assert len(left(gate)["load balancers"]) == 1
    tasks.register(
        gate, tasks.container(image=images.aws_name("one"), command=["nslookup", name], group="/asks"), family="asks"
    )
    tasks.ended(gate, tasks.run(gate, "asks", public=True))
    ecs.delete_express_gateway_service(serviceArn=other["serviceArn"])

    at_once(gate)
    changed = ecs.update_express_gateway_service(serviceArn=arn, primaryContainer={"image": images.aws_name("two")})
    target = changed["service"]["targetConfiguration"]
    assert target["primaryContainer"]["image"] == images.aws_name("two")
    wait_until(lambda: page(authority, endpoint) == "two", 180, "the other image is there")
    wait_until(lambda: describe(gate, other["serviceArn"])["status"]["statusCode"] == "INACTIVE", 120, "it is gone")
    assert page(authority, endpoint) == "two"

    assert ecs.delete_express_gateway_service(serviceArn=arn)["service"]["status"]["statusCode"] == "DRAINING"
    assert refused(ecs.delete_express_gateway_service, serviceArn=arn)[0] == "ServiceNotActiveException"
    wait_until(lambda: describe(gate, arn)["status"]["statusCode"] == "INACTIVE", 120, "it is gone")
    wait_until(lambda: not any(left(gate).values()), 60, "nothing is left")
    assert page(authority, endpoint) is None


def test_an_image_that_is_never_well_says_so_and_what_is_wrong_is_refused(gate, pages):
    push(gate, pages)
    ecs = gate.client("ecs")
    made = create(gate, "nothing-of-this-name", name="ill")
    said = wait_until(lambda: describe(gate, made["serviceArn"])["status"].get("statusReason"), 120, "it says why")
    assert said
    assert refused(lambda: create(gate, "one", name="ill"))[0] == "InvalidParameterException"
    ecs.delete_express_gateway_service(serviceArn=made["serviceArn"])
    wait_until(lambda: describe(gate, made["serviceArn"])["status"]["statusCode"] == "INACTIVE", 120, "it is gone")
    wait_until(lambda: not any(left(gate).values()), 60, "nothing is left")
    nobody = f"arn:aws:ecs:us-east-1:{ACCOUNT}:service/default/nobody"
    assert refused(ecs.describe_express_gateway_service, serviceArn=nobody)[0] == "ResourceNotFoundException"
    assert refused(ecs.delete_express_gateway_service, serviceArn=nobody)[0] == "ServiceNotFoundException"
    assert refused(ecs.delete_express_gateway_service, serviceArn="web")[0] == "InvalidParameterException"
    wrong = [
        {"networkConfiguration": {"subnets": ["subnet-00000000000000000"]}},
        {"networkConfiguration": {"securityGroups": ["sg-00000000000000000"]}},
        {"healthCheckPath": "ping"},
        {"cpu": "256", "memory": "16384"},
        {"scalingTarget": {"minTaskCount": 5, "maxTaskCount": 1}},
        {"container": {"containerPort": 70000}},
    ]
    for more in wrong:
        code, _ = refused(lambda: create(gate, "one", **more))
        assert code in ("InvalidParameterException", "ClientException"), more
