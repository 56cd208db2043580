"""Load balancers that carry real traffic, made with real clients, in front of services that really run."""

import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest
from botocore.exceptions import ClientError

import tasks
from balancing import Balancer, Clients, behind, forward, push, register, service
from neargate import ACCOUNT, AWS, edges_of, free_port, wait_until
from people import neargate
from tasks import container
from test_ec2_instances import CLUSTER, image


#: How many requests none of which may fail.
REQUESTS = int(os.environ.get("NEARGATE_REQUESTS", "3000"))


def aws(gate, *words):
    """Runs `aws WORDS`; answers what it printed as JSON."""
    done = subprocess.run([AWS, *words], env=gate.env, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return json.loads(done.stdout) if done.stdout.strip() else None


def curl(url, *more):
    done = subprocess.run(["curl", "-s", "-m", "5", *more, url], capture_output=True, text=True)
    return done.stdout.strip()


def test_two_applications_on_fargate_and_on_an_instance_stand_behind_one_load_balancer(gate, layout):
    """Made with the `aws` command alone."""
    push(gate, layout)
    vpc = aws(gate, "ec2", "describe-vpcs")["Vpcs"][0]["VpcId"]
    subnets = [s["SubnetId"] for s in aws(gate, "ec2", "describe-subnets")["Subnets"]][:2]
    open_to_all = aws(gate, "ec2", "create-security-group", "--group-name", "alb", "--description", "alb", "--vpc-id", vpc)["GroupId"]
    aws(gate, "ec2", "authorize-security-group-ingress", "--group-id", open_to_all, "--protocol", "tcp", "--port", "80", "--cidr", "0.0.0.0/0")
    aws(gate, "ec2", "run-instances", "--image-id", image(gate), "--instance-type", "t3.small", "--subnet-id", subnets[0], "--user-data", CLUSTER.format("default"))
    made = aws(gate, "elbv2", "create-load-balancer", "--name", "shop", "--subnets", *subnets, "--security-groups", open_to_all)["LoadBalancers"][0]
    groups = {}
    for name, kind in [("cart", "ip"), ("stock", "instance")]:
        groups[name] = aws(
            gate, "elbv2", "create-target-group", "--name", name, "--protocol", "HTTP", "--port", "80", "--vpc-id", vpc,
            "--target-type", kind, "--health-check-interval-seconds", "5", "--health-check-timeout-seconds", "2", "--healthy-threshold-count", "2",
            "--health-check-path", f"/{name}/index.html",
        )["TargetGroups"][0]["TargetGroupArn"]
    listener = aws(
        gate, "elbv2", "create-listener", "--load-balancer-arn", made["LoadBalancerArn"], "--protocol", "HTTP", "--port", "80",
        "--default-actions", "Type=fixed-response,FixedResponseConfig={StatusCode=404,ContentType=text/plain,MessageBody=nobody}",
    )["Listeners"][0]["ListenerArn"]
    for priority, name in enumerate(groups, 1):
        aws(
            gate, "elbv2", "create-rule", "--listener-arn", listener, "--priority", str(priority),
            "--conditions", f"Field=path-pattern,Values=/{name}/*", "--actions", f"Type=forward,TargetGroupArn={groups[name]}",
        )
    register(gate, "cart", "cart", "cart/")
    network = json.dumps(tasks.network(gate))
    aws(
        gate, "ecs", "create-service", "--service-name", "cart", "--task-definition", "cart", "--desired-count", "2", "--launch-type", "FARGATE",
        "--network-configuration", network, "--load-balancers", f"targetGroupArn={groups['cart']},containerName=app,containerPort=80",
    )
    serve = "mkdir -p /tmp/w/stock; echo stock > /tmp/w/stock/index.html; exec httpd -f -p 80 -h /tmp/w"
    gate.client("ecs").register_task_definition(
        family="stock", networkMode="bridge", requiresCompatibilities=["EC2"],
        containerDefinitions=[container(
            command=["sh", "-c", serve], memory=64, stopTimeout=2, portMappings=[{"containerPort": 80, "hostPort": 0}])],
    )
    # The instance's own group lets the load balancer's in.
    default = aws(gate, "ec2", "describe-security-groups", "--filters", f"Name=vpc-id,Values={vpc}", "Name=group-name,Values=default")
    default = default["SecurityGroups"][0]["GroupId"]
    aws(
        gate, "ec2", "authorize-security-group-ingress", "--group-id", default, "--source-group", open_to_all,
        "--protocol", "tcp", "--port", "0-65535",
    )
    aws(
        gate, "ecs", "create-service", "--service-name", "stock", "--task-definition", "stock", "--desired-count", "2", "--launch-type", "EC2",
        "--load-balancers", f"targetGroupArn={groups['stock']},containerName=app,containerPort=80",
    )
    subprocess.run([AWS, "elbv2", "wait", "load-balancer-available", "--load-balancer-arns", made["LoadBalancerArn"]], env=gate.env, check=True)
    url = f"http://{made['DNSName']}"
    for name in groups:
        wait_until(lambda: curl(f"{url}/{name}/index.html") == name, what=f"{name} answers")
    assert curl(f"{url}/other", "-o", "-", "-w", " %{http_code}") == "nobody 404"
    # Instances are targets at host ports that Docker would have chosen, too.
    health = aws(gate, "elbv2", "describe-target-health", "--target-group-arn", groups["stock"])["TargetHealthDescriptions"]
    assert len({(t["Target"]["Id"], t["Target"]["Port"]) for t in health}) == 2
    assert all(t["Target"]["Id"].startswith("i-") for t in health)


def test_a_rolling_deployment_loses_no_request(gate, layout):
    push(gate, layout)
    balancer = Balancer(gate)
    group = balancer.target_group("web")
    balancer.listener(forward(group))
    register(gate, "web", "one")
    service(gate, "web", 2, behind(group))
    balancer.healthy(group, 2)
    wait_until(lambda: balancer.get() == (200, "one"), what="it answers")
    ecs = gate.client("ecs")
    with Clients(balancer) as clients:
        wait_until(lambda: clients.sees("one", 50), what="clients are served")
        register(gate, "web", "two")
        ecs.update_service(service="web", taskDefinition="web")
        wait_until(lambda: clients.sees("two", 50), what="clients see the new revision")
        ecs.get_waiter("services_stable").wait(services=["web"], WaiterConfig={"Delay": 1})
        clients.forget()
        wait_until(lambda: clients.sees("two", 50), what="clients see the new revision alone")
        assert not clients.sees("one")
    assert clients.failures == [] and clients.asked > 200, clients.failures[:5]
    said = [e["message"] for e in ecs.describe_services(services=["web"])["services"][0]["events"]]
    assert any("has begun draining connections on" in m for m in said), said


def test_blue_and_green_and_a_way_back(gate, layout):
    push(gate, layout)
    balancer = Balancer(gate)
    blue, green = balancer.target_group("blue"), balancer.target_group("green")
    listener = balancer.listener({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}})
    rule = balancer.elb.create_rule(
        ListenerArn=listener,
        Priority=1,
        Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
        Actions=[forward((blue, 1), (green, 0))],
    )["Rules"][0]["RuleArn"]
    register(gate, "web", "one")
    shifted = behind(
        blue,
        alternateTargetGroupArn=green,
        productionListenerRule=rule,
        roleArn="arn:aws:iam::000000000000:role/ecsInfrastructureRole",
    )
    canary = {
        "strategy": "CANARY",
        "canaryConfiguration": {"canaryPercent": 20.0, "canaryBakeTimeInMinutes": 1440},
        "bakeTimeInMinutes": 0,
    }
    service(gate, "web", 2, shifted, deploymentConfiguration=canary)
    balancer.healthy(blue, 2)
    ecs = gate.client("ecs")
    ecs.get_waiter("services_stable").wait(services=["web"], WaiterConfig={"Delay": 1})

    def newest():
        [arn] = [
            d["serviceDeploymentArn"]
            for d in ecs.list_service_deployments(service="web", status=["PENDING", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"])["serviceDeployments"]
        ]
        return arn

    def status(arn):
        [found] = ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        return found["status"]

    with Clients(balancer) as clients:
        wait_until(lambda: clients.sees("one", 50), what="clients are served")
        register(gate, "web", "two")
        ecs.update_service(service="web", taskDefinition="web")
        wait_until(lambda: clients.sees("two", 20), what="the canary gets its share")
        assert clients.sees("one", 50)
        first = newest()
        ecs.stop_service_deployment(serviceDeploymentArn=first, stopType="ROLLBACK")
        wait_until(lambda: status(first) == "ROLLBACK_SUCCESSFUL", what="it goes back")
        clients.forget()
        wait_until(lambda: clients.sees("one", 50), what="all is as before")
        assert not clients.sees("two")
        ecs.update_service(
            service="web", taskDefinition="web",
            deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0},
        )
        second = newest()
        wait_until(lambda: status(second) == "SUCCESSFUL", what="green takes over")
        clients.forget()
        wait_until(lambda: clients.sees("two", 50), what="green answers")
        assert not clients.sees("one")
    assert clients.failures == [], clients.failures[:5]
    balancer.healthy(green, 2)


def log_to(gate, balancer, bucket):
    """Turns access logs on; AWS tries the bucket at once."""
    on = [{"Key": f"access_logs.s3.{name}", "Value": value} for name, value in [("enabled", "true"), ("bucket", bucket)]]
    with pytest.raises(ClientError) as refused:
        balancer.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer.arn, Attributes=on)
    assert refused.value.response["Error"]["Message"] == f"Access Denied for bucket: {bucket}. Please check S3bucket permission"
    gate.client("s3").create_bucket(Bucket=bucket)
    balancer.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer.arn, Attributes=on)


def logged(gate, bucket):
    """The lines of the logs that are in the bucket, and the names of all objects there."""
    s3 = gate.client("s3")
    names = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    logs = [s3.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names if name.endswith(".log.gz")]
    return b"".join(map(gzip.decompress, logs)).decode().splitlines(), names


def test_traffic_goes_on_without_neargate_and_a_killed_edge_is_back(own_gate, layout):
    gate = own_gate
    push(gate, layout)
    balancer = Balancer(gate)
    log_to(gate, balancer, "balancer-logs")
    group = balancer.target_group("web")
    balancer.listener(forward(group))
    register(gate, "web", "one")
    service(gate, "web", 2, behind(group))
    balancer.healthy(group, 2)
    hosts = pathlib.Path("/etc/hosts").read_text()
    assert balancer.host in hosts
    with Clients(balancer) as clients:
        wait_until(lambda: clients.sees("one", 50), what="clients are served")
        gate.kill()
        clients.forget()
        wait_until(lambda: clients.sees("one", 200), what="clients are served by the edge alone")
        gate.start()
        clients.forget()
        wait_until(lambda: clients.sees("one", 200), what="clients are served by the edge that was there")
    assert clients.failures == [], clients.failures[:5]
    [edge] = edges_of(gate.instance)
    os.kill(edge, signal.SIGKILL)
    wait_until(lambda: balancer.get() == (200, "one"), 5, what="another edge answers")
    # What was healthy is so at once: nobody is asked to wait for two checks.
    wait_until(lambda: logged(gate, "balancer-logs")[0], what="what the killed edge had logged is in the bucket")
    lines, names = logged(gate, "balancer-logs")
    assert f"AWSLogs/{ACCOUNT}/ELBAccessLogTestFile" in names
    assert all(f' "GET http://{balancer.host}:80/ HTTP/1.1" ' in line for line in lines), lines[:3]
    elb = gate.client("elbv2")
    elb.delete_load_balancer(LoadBalancerArn=balancer.arn)
    wait_until(lambda: balancer.host not in pathlib.Path("/etc/hosts").read_text(), what="its name is gone")
    wait_until(lambda: balancer.get() is None, what="nobody listens")


def test_another_build_takes_over_and_no_request_fails(own_gate, layout, tmp_path):
    gate = own_gate
    push(gate, layout)
    balancer = Balancer(gate)
    group = balancer.target_group("web")
    balancer.listener(forward(group))
    register(gate, "web", "one")
    service(gate, "web", 2, behind(group))
    balancer.healthy(group, 2)
    [edge] = edges_of(gate.instance)
    with Clients(balancer) as clients:
        wait_until(lambda: clients.sees("one", 50), what="clients are served")
        gate.kill()
        gate.binary = shutil.copy(gate.binary, tmp_path / "neargate")
        gate.start()
        wait_until(lambda: edges_of(gate.instance) not in ([], [edge]), what="the new build's edge is there")
        wait_until(lambda: edge not in edges_of(gate.instance), what="the one before has ended")
        clients.forget()
        wait_until(lambda: clients.sees("one", 200), what="clients are served by the new one")
        assert len(edges_of(gate.instance)) == 1
        balancer.healthy(group, 2)
    assert clients.failures == [], clients.failures[:5]


def test_no_request_fails_while_everything_around_it_changes(own_gate, layout):
    gate = own_gate
    push(gate, layout)
    balancer = Balancer(gate)
    elb, ecs = balancer.elb, gate.client("ecs")
    one, two = balancer.target_group("one"), balancer.target_group("two")
    listener = balancer.listener(forward((one, 1), (two, 1)))
    for name, group in [("one", one), ("two", two)]:
        register(gate, name, name)
        service(gate, name, 1, behind(group))
    balancer.healthy(one, 1)
    balancer.healthy(two, 1)
    rounds = 0
    with Clients(balancer) as clients:
        while clients.asked < REQUESTS or rounds < 2:
            rounds += 1
            elb.modify_listener(ListenerArn=listener, DefaultActions=[forward((one, 9), (two, rounds % 10))])
            rule = elb.create_rule(
                ListenerArn=listener, Priority=rounds,
                Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/", "/x*"]}}], Actions=[forward(two)],
            )["Rules"][0]["RuleArn"]
            other = balancer.listener(forward(one), port=8080)
            elb.modify_target_group_attributes(
                TargetGroupArn=two,
                Attributes=[{"Key": "load_balancing.algorithm.type", "Value": ["round_robin", "least_outstanding_requests"][rounds % 2]}],
            )
            ecs.update_service(service="two", desiredCount=1 + rounds % 2)
            balancer.healthy(two, 1 + rounds % 2)
            clients.forget()
            wait_until(lambda: clients.sees("two", 20), what="the rule holds")
            elb.delete_listener(ListenerArn=other)
            elb.delete_rule(RuleArn=rule)
            clients.forget()
            wait_until(lambda: clients.sees("one", 5), what="the rule is gone")
            if rounds % 2:
                gate.kill()
                clients.forget()
                wait_until(lambda: clients.sees("one", 20), what="traffic goes on without Neargate")
                gate.start()
            else:
                ecs.update_service(service="one", forceNewDeployment=True)
                ecs.get_waiter("services_stable").wait(services=["one"], WaiterConfig={"Delay": 1})
    assert clients.failures == [], (rounds, clients.asked, clients.failures[:5])


def test_https_with_a_certificate_of_our_own_authority(gate, layout, tmp_path):
    push(gate, layout)
    balancer = Balancer(gate)
    group = balancer.target_group("web")
    name = "shop.example.com"
    acm = gate.client("acm")
    certificate = acm.request_certificate(DomainName=name, ValidationMethod="DNS")["CertificateArn"]
    acm.get_waiter("certificate_validated").wait(CertificateArn=certificate, WaiterConfig={"Delay": 1})
    balancer.elb.create_listener(
        LoadBalancerArn=balancer.arn, Protocol="HTTPS", Port=443, Certificates=[{"CertificateArn": certificate}],
        DefaultActions=[forward(group)],
    )
    balancer.listener({"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}})
    register(gate, "web", "one")
    service(gate, "web", 1, behind(group))
    balancer.healthy(group, 1)
    authority = tmp_path / "ca.pem"
    authority.write_text(neargate(gate, "authority", "print").stdout)
    there = ["--cacert", authority, "--connect-to", f"{name}:443:{balancer.host}:443", "-w", " %{http_version}"]
    assert curl(f"https://{name}/", *there) == "one\n 2"
    assert curl(f"https://{name}/", "--http1.1", *there) == "one\n 1.1"
    assert curl(f"http://{balancer.host}/x?y=z", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}") == (
        f"301 https://{balancer.host}:443/x?y=z"
    )
    # Nobody else is believed.
    strange = subprocess.run(["curl", "-s", *there[2:4], f"https://{name}/"], capture_output=True)
    assert strange.returncode == 60


def test_a_network_load_balancer_carries_bytes(gate, layout):
    push(gate, layout)
    balancer = Balancer(gate, Type="network")
    group = balancer.elb.create_target_group(
        Name="tcp", Protocol="TCP", Port=80, VpcId=balancer.vpc, TargetType="ip", HealthCheckIntervalSeconds=5
    )["TargetGroups"][0]["TargetGroupArn"]
    balancer.elb.create_listener(
        LoadBalancerArn=balancer.arn, Protocol="TCP", Port=80, DefaultActions=[forward(group)]
    )
    register(gate, "web", "one")
    service(gate, "web", 1, behind(group))
    balancer.healthy(group, 1)
    wait_until(lambda: balancer.get() == (200, "one"), what="it answers")


def test_a_port_of_this_host_leads_to_a_load_balancer_and_tasks_know_its_name(gate, layout):
    push(gate, layout)
    balancer = Balancer(gate, Scheme="internal")
    group = balancer.target_group("web")
    balancer.listener(forward(group))
    register(gate, "web", "one")
    service(gate, "web", 1, behind(group))
    balancer.healthy(group, 1)
    port = free_port()
    neargate(gate, "publish", f"127.0.0.1:{port}:load-balancer/web:80")
    wait_until(lambda: curl(f"http://127.0.0.1:{port}/") == "one", what="the port leads there")
    assert "There is no load balancer" in neargate(gate, "publish", f"{port + 1}:load-balancer/other", code=1).stderr
    neargate(gate, "unpublish", str(port))
    tasks.register(gate, container(command=["wget", "-q", "-O", "-", f"http://{balancer.host}/"], group="/asks"), family="asks")
    task = tasks.ended(gate, tasks.run(gate, "asks"))
    stream = f"ecs/app/{task['taskArn'].rsplit('/', 1)[-1]}"
    wait_until(lambda: tasks.messages(gate, "/asks", stream) == ["one"], what="the task was answered")
