"""The console in a browser: from nothing to a service, a terminal, logs, a deployment that fails."""

import http.server
import json
import os
import pathlib
import threading

import pytest

import images
import tasks
from balancing import Balancer, web
from browser import Visit, chromium
from neargate import wait_until

SERVE = "sh -c 'mkdir -p /tmp/w; echo hello > /tmp/w/index.html; echo serving; while true; do echo tick; sleep 1; done & exec httpd -f -p 80 -h /tmp/w'"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser, gate):
    visit = Visit(browser, gate)
    yield visit
    visit.close()
    assert (visit.foreign, visit.broken) == ([], [])


def test_from_nothing_to_a_service_and_into_its_container(visit, gate, layout):
    image = images.push(gate, layout, "busybox") + ":latest"
    page = visit.open("/")
    visit.shown("Nothing runs yet")
    page.get_by_role("link", name="Run a first service").first.click()
    visit.title("Run a first service")
    visit.filled("Image", image)
    page.keyboard.press("Escape")
    visit.filled("Tasks", "1")
    visit.filled("Command – optional", SERVE)
    visit.press("Run")
    visit.shown("Your service answers")
    assert tasks.answer_of(page.get_by_role("link", name="http://").get_attribute("href")) == b"hello\n"
    page.get_by_role("button", name="Commands").first.click()
    visit.shown("aws ecs create-service --cluster default --service-name web")

    page.get_by_role("link", name="Open the service").click()
    visit.title("web")
    page.reload()
    visit.title("web")
    visit.shown("1 of 1 running")
    page.get_by_role("tab", name="Tasks").click()
    [arn] = gate.client("ecs").list_tasks(serviceName="web")["taskArns"]
    task = arn.split("/")[-1]
    page.get_by_role("link", name=task).click()
    visit.title(task)
    page.get_by_role("tab", name="Logs").click()
    visit.shown("serving")
    log = page.get_by_role("log")
    said = log.inner_text().count("tick")
    wait_until(lambda: log.inner_text().count("tick") > said, what="the log goes on")

    page.get_by_role("tab", name="Terminal").click()
    visit.press("Connect")
    page.locator(".xterm-helper-textarea").wait_for(state="attached")
    screen = page.locator(".xterm-rows")
    wait_until(lambda: "#" in screen.inner_text(), what="a prompt is shown")
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type("echo $((6 * 7)) > /tmp/answer; cat /tmp/answer\n")
    wait_until(lambda: "\n42" in screen.inner_text(), what="the shell answers")
    page.keyboard.type("exit\n")
    visit.shown("Connect again")


def test_a_deployment_that_fails_is_seen_to_roll_back(visit, gate, layout):
    image = images.push(gate, layout, "busybox") + ":latest"
    tasks.register(gate, tasks.container(image=image, command=["sleep", "1000"]), family="app")
    tasks.register(gate, tasks.container(image=image, command=["sh", "-c", "exit 3"]), family="app")
    ecs = gate.client("ecs")
    ecs.create_cluster(clusterName="default")
    ecs.create_service(
        serviceName="app", taskDefinition="app:1", desiredCount=1, launchType="FARGATE",
        networkConfiguration=tasks.network(gate),
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
    )
    page = visit.open("/ecs/clusters/default/services/app")
    visit.title("app")
    visit.shown("has reached a steady state")
    visit.press("Update")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="app:1").click()
    page.get_by_role("option", name="app:2").click()
    visit.press("Update", dialog)
    visit.shown("app:2")
    visit.shown("rolling back")
    wait_until(
        lambda: [d["rolloutState"] for d in ecs.describe_services(services=["app"])["services"][0]["deployments"]
                 if d["status"] == "PRIMARY"] == ["COMPLETED"],
        what="it is rolled back",
    )
    # Its end is asked to be typed.
    visit.press("Delete")
    visit.filled("Type app to confirm", "app")
    visit.press("Delete", page.get_by_role("dialog"))
    visit.title("default")


def test_a_change_is_seen_in_every_tab_and_a_server_that_was_away_is_found_again(browser, own_gate):
    visit = Visit(browser, own_gate)
    page, other = visit.page, visit.follow(visit.context.new_page())
    for tab in (page, other):
        tab.goto(f"{own_gate.url}/console/ecs/clusters")
        tab.get_by_role("heading", name="Clusters", level=1).wait_for()
    visit.press("Create cluster")
    visit.filled("Cluster name", "one")
    visit.press("Create cluster", page.get_by_role("dialog"))
    for tab in (page, other):
        tab.get_by_role("link", name="one", exact=True).wait_for()
    own_gate.kill()
    visit.shown("The server does not answer")
    assert page.get_by_role("link", name="one", exact=True).is_visible()
    own_gate.start()
    page.get_by_text("The server does not answer").wait_for(state="hidden")
    own_gate.client("ecs").create_cluster(clusterName="two")
    page.get_by_role("link", name="two", exact=True).wait_for()
    visit.close()
    assert (visit.foreign, visit.broken) == ([], [])


def test_ten_thousand_rows(visit, gate):
    for first in range(0, 10_000, 1000):
        gate.client("cloudwatch").put_metric_data(
            Namespace="Many", MetricData=[{"MetricName": f"m{n}", "Value": 1} for n in range(first, first + 1000)]
        )
    page = visit.open("/cloudwatch/metrics")
    visit.shown("(10000)")
    page.get_by_label("Find in All metrics").fill("m9876")
    visit.shown("(1/10000)")
    page.get_by_role("cell", name="m9876", exact=True).wait_for()


def test_another_origin_cannot_drive_the_port(visit, gate):
    hostile = """<!doctype html><title>start</title><iframe src="{url}/console"></iframe><script>
      const call = {{method: 'POST', mode: 'no-cors', body: '{{"clusterName": "stolen"}}',
        headers: {{'content-type': 'text/plain'}}}};
      const asked = ['{url}/?Action=CreateCluster', '{url}/console'].map((url) => fetch(url, call));
      const read = fetch('{url}/health').then((answer) => answer.text());
      Promise.allSettled([...asked, read]).then((all) => {{ document.title = 'end ' + all[2].status; }});
      </script>"""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(hostile.format(url=gate.url).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = visit.context.new_page()
        page.goto(f"http://localhost:{server.server_port}/")
        page.wait_for_function("document.title.startsWith('end')")
        assert page.title() == "end rejected"
        [frame] = [f for f in page.frames if f != page.main_frame]
        assert frame.query_selector("#root") is None
    finally:
        server.shutdown()
    assert gate.client("ecs").list_clusters()["clusterArns"] == []


def test_a_page_in_a_bucket_cannot_drive_the_port(visit, gate):
    page = """<!doctype html><title>start</title><script>
      const call = {method: 'POST', body: '{"clusterName": "stolen"}', headers: {
        'x-amz-target': 'AmazonEC2ContainerServiceV20141113.CreateCluster', 'content-type': 'application/x-amz-json-1.1'}};
      fetch('/', call).then((answer) => { document.title = 'end ' + answer.status; }, () => { document.title = 'end'; });
      </script>"""
    s3 = gate.client("s3")
    s3.create_bucket(Bucket="things")
    s3.put_object(Bucket="things", Key="page.html", Body=page.encode(), ContentType="text/html")
    for url in (f"{gate.url}/things", f"http://things.s3.localhost:{gate.port}"):
        visit.page.goto(f"{url}/page.html")
        visit.page.wait_for_function("document.title.startsWith('end')")
        assert visit.page.title() in ("end", "end 400"), url
    assert gate.client("ecs").list_clusters()["clusterArns"] == []


def test_who_must_sign_signs_in(browser, make_gate):
    gate = make_gate("--enforce")
    gate.start()
    printed = gate.cli("env").stdout
    keys = dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines() if line.startswith("export "))
    visit = Visit(browser, gate)
    visit.open("/ecs/clusters")
    visit.title("Sign in to Neargate")
    visit.filled("Access key ID", keys["AWS_ACCESS_KEY_ID"])
    visit.filled("Secret access key", "wrong")
    visit.press("Sign in")
    visit.shown("SignatureDoesNotMatch")
    visit.filled("Secret access key", keys["AWS_SECRET_ACCESS_KEY"])
    visit.press("Sign in")
    visit.title("Clusters")
    visit.page.reload()
    visit.title("Clusters")
    visit.close()
    assert (visit.foreign, visit.broken) == ([], [])


#: Every page, and its title; those of one thing are of what `furnish` makes.
PAGES = {
    "/": "Overview",
    "/start": "Run a first service",
    "/ecs/clusters": "Clusters",
    "/ecs/clusters/default": "default",
    "/ecs/clusters/default?tab=tasks": "default",
    "/ecs/clusters/default/run-task": "Run task",
    "/ecs/clusters/default/create-service": "Create service",
    "/ecs/clusters/default/services/app": "app",
    "/ecs/clusters/default/services/app?tab=logs": "app",
    "/ecs/clusters/default/services/app?tab=metrics": "app",
    "/ecs/clusters/default/services/app?tab=health": "app",
    "/ecs/clusters/default/tasks/{task}": "{task}",
    "/ecs/clusters/default/tasks/{task}?tab=exec": "{task}",
    "/ecs/task-definitions": "Task definitions",
    "/ecs/task-definitions/create": "Create task definition",
    "/ecs/task-definitions/app": "app",
    "/ecs/task-definitions/app/1": "app:1",
    "/ecr/repositories": "Repositories",
    "/ecr/repositories/busybox": "busybox",
    "/load-balancers": "Load balancers",
    "/load-balancers/web": "web",
    "/load-balancers/web?tab=rules": "web",
    "/target-groups": "Target groups",
    "/target-groups/app": "app",
    "/vpc/map": "VPC map",
    "/vpc/security-groups": "Security groups",
    "/vpc/security-groups/{group}": "web-alb",
    "/vpc/instances": "Instances",
    "/cloudwatch/alarms": "Alarms",
    "/cloudwatch/metrics": "Metrics",
    "/cloudwatch/log-groups": "Log groups",
    "/cloudwatch/log-groups/%2Fecs%2Fapp": "/ecs/app",
    "/cloudwatch/insights": "Logs Insights",
    "/codecommit": "Source repositories",
    "/codecommit/site": "site",
    "/codecommit/site?tab=commits": "site",
    "/codebuild": "Build projects",
    "/pipelines": "Pipelines",
    "/deployments": "Deployments",
    "/stacks": "Stacks",
    "/stacks/one": "one",
    "/auto-scaling-groups": "Auto Scaling groups",
    "/cloud-map": "Namespaces",
    "/hosted-zones": "Hosted zones",
    "/hosted-zones/{zone}": "example.com",
    "/event-rules": "Event rules",
    "/event-rules/default%2Ftold": "told",
    "/topics": "Topics",
    "/topics/{topic}": "news",
    "/queues": "Queues",
    "/queues/jobs": "jobs",
    "/email-identities": "Email identities",
    "/buckets": "Buckets",
    "/buckets/things": "things",
    "/databases": "Databases",
    "/secrets": "Secrets",
    "/secrets/password": "password",
    "/parameters": "Parameters",
    "/parameters/%2Fapp%2Fcolour": "/app/colour",
    "/iam": "Roles and users",
    "/iam/Role%2Freader": "reader",
    "/keys": "Keys",
    "/certificates": "Certificates",
}


def furnish(gate, layout):
    """Something on each page; the ids that addresses have."""
    image = images.push(gate, layout, "busybox") + ":latest"
    for text in ("one", "two"):
        tasks.register(gate, {**web(text), "name": "app", "image": image, **logged("/ecs/app")}, family="app")
    gate.client("ecs").create_cluster(clusterName="default")
    balancer = Balancer(gate)
    group = balancer.target_group("app")
    balancer.listener({"Type": "forward", "TargetGroupArn": group})
    gate.client("ecs").create_service(
        serviceName="app", taskDefinition="app:2", desiredCount=2, launchType="FARGATE",
        enableExecuteCommand=True, networkConfiguration=tasks.network(gate),
        loadBalancers=[{"targetGroupArn": group, "containerName": "app", "containerPort": 80}],
    )
    gate.client("cloudwatch").put_metric_alarm(
        AlarmName="busy", Namespace="AWS/ECS", MetricName="CPUUtilization", Statistic="Average", Period=60,
        EvaluationPeriods=1, Threshold=80, ComparisonOperator="GreaterThanThreshold",
        Dimensions=[{"Name": "ClusterName", "Value": "default"}, {"Name": "ServiceName", "Value": "app"}],
    )
    code = gate.client("codecommit")
    code.create_repository(repositoryName="site")
    first = code.put_file(
        repositoryName="site", branchName="main", filePath="web/index.html", fileContent=b"hello\n", commitMessage="First"
    )
    code.put_file(
        repositoryName="site", branchName="main", filePath="web/index.html", fileContent=b"hello, world\n",
        parentCommitId=first["commitId"], commitMessage="Greet everybody",
    )
    template = {"Resources": {"Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "made"}}}}
    gate.client("cloudformation").create_stack(StackName="one", TemplateBody=json.dumps(template))
    queue = gate.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    gate.client("sqs").send_message(QueueUrl=queue, MessageBody="one")
    topic = gate.client("sns").create_topic(Name="news")["TopicArn"]
    gate.client("events").put_rule(Name="told", EventPattern=json.dumps({"source": ["aws.ecs"]}))
    zone = gate.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    gate.client("s3").create_bucket(Bucket="things")
    gate.client("s3").put_object(Bucket="things", Key="a/b.txt", Body=b"hello")
    gate.client("secretsmanager").create_secret(Name="password", SecretString="hush")
    gate.client("ssm").put_parameter(Name="/app/colour", Type="String", Value="blue")
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    gate.client("iam").create_role(
        RoleName="reader", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    balancer.healthy(group, 2)
    [task, _] = gate.client("ecs").list_tasks(serviceName="app")["taskArns"]
    return {
        "task": task.split("/")[-1], "group": balancer.group, "zone": zone.split("/")[-1],
        "topic": topic.replace(":", "%3A"),
    }


def logged(group):
    return {"logConfiguration": tasks.container(group=group)["logConfiguration"]}


@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_is_whole(browser, gate, layout, width, tmp_path):
    """Nothing breaks on it, axe finds nothing serious, and a picture of it is written."""
    ids = furnish(gate, layout)
    visit = Visit(browser, gate, width, 844 if width < 500 else 900)
    pictures = pathlib.Path(os.environ.get("NEARGATE_PICTURES", tmp_path))
    found = {}
    for path, title in PAGES.items():
        visit.open(path.format(**ids))
        visit.title(title.format(**ids))
        visit.settled()
        visit.picture(pictures, f"{width}{path.replace('/', '-').replace('?', '-')}")
        serious = visit.serious()
        if serious:
            found[path] = serious
    visit.close()
    assert (found, visit.foreign, visit.broken) == ({}, [], [])
