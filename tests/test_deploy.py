"""`neargate deploy FILE`: a service from one file, waited for."""

import json
import subprocess
import urllib.request

import pytest

import images
from neargate import ROLE, wait_until
from people import add_instances, as_json, command, environment, neargate
from tasks import answer_of, container

PAGE = "echo {page} > /index.html; echo serving {page}; exec httpd -f -p 80 -h /"


@pytest.fixture
def busybox(gate, layout):
    images.push(gate, layout, "busybox")
    return gate


def wanted(page="one", script=PAGE, service=None, **definition):
    """A file's content; YAML reads JSON too, and other tests read YAML."""
    app = container(command=["sh", "-c", script.format(page=page)], group="/ecs/deploy", stopTimeout=2,
                    portMappings=[{"containerPort": 80}])
    return {
        "taskDefinition": {
            "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
            "executionRoleArn": ROLE, "containerDefinitions": [app], **definition,
        },
        "service": {"serviceName": "web", "desiredCount": 2, **(service or {})},
    }


@pytest.fixture
def deploy(busybox, tmp_path):
    def run(content, *words, code=0):
        file = tmp_path / "web.yaml"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return neargate(busybox, "deploy", str(file), *words, code=code, timeout=120)

    return run


def pages(gate):
    rows = as_json(gate, "ps", "--service", "web")
    return sorted(urllib.request.urlopen(f"http://{r['address']}/", timeout=10).read() for r in rows)


def test_a_service_is_made_kept_and_changed(busybox, deploy):
    gate = busybox
    done = deploy(wanted(), "--cluster", "shop")
    for said in ["made the cluster shop", "registered the task definition web:1", "created the service web",
                 "the service uses the default VPC's subnets", "(service web) has reached a steady state.",
                 "of 2 running", "web is steady after"]:
        assert said in done.stderr, done.stderr
    assert "\x1b" not in done.stderr
    assert wait_until(lambda: pages(gate)) == [b"one\n", b"one\n"]
    before = {r["taskArn"] for r in as_json(gate, "ps")}

    done = deploy(wanted(), "--cluster", "shop")
    assert "the task definition web:1 is unchanged" in done.stderr
    assert "the service web is as the file says" in done.stderr
    assert {r["taskArn"] for r in as_json(gate, "ps")} == before

    done = deploy(wanted("two"), "--cluster", "shop", "--output", "json")
    said = json.loads(done.stdout)
    assert said["status"] == "STEADY" and said["taskDefinitionArn"].endswith("/web:2")
    assert "registered the task definition web:2" in done.stderr and "updated the service web" in done.stderr
    assert wait_until(lambda: pages(gate)) == [b"two\n", b"two\n"]
    assert not before & {r["taskArn"] for r in as_json(gate, "ps")}

    # Only the count changes: the tasks stay.
    before = {r["taskArn"] for r in as_json(gate, "ps")}
    deploy(wanted("two", service={"desiredCount": 3}), "--cluster", "shop")
    assert before < {r["taskArn"] for r in as_json(gate, "ps")}
    deploy(wanted("two", service={"desiredCount": 3}), "--cluster", "shop", "--force-new-deployment")
    assert not before & {r["taskArn"] for r in as_json(gate, "ps")}
    assert "serving two" in neargate(gate, "logs", "web").stdout


def test_a_tag_that_was_pushed_again_is_deployed(busybox, deploy, tmp_path):
    """The file says the same, and means another image."""
    gate, content = busybox, wanted(service={"desiredCount": 1})
    deploy(content)
    [before] = as_json(gate, "ps")
    other = images.busybox(tmp_path / "other", extra_layers=[images.layer({"new": b"yes"})])
    images.push(gate, other, "busybox")
    done = deploy(content)
    assert "busybox:latest was pushed again: it is sha256:" in done.stderr
    assert "updated the service web: new tasks take the place of those that run" in done.stderr
    [after] = as_json(gate, "ps")
    assert after["taskArn"] != before["taskArn"]
    assert "the service web is as the file says" in deploy(content).stderr


def test_a_service_whose_tasks_end_shows_why(deploy):
    done = deploy(wanted(script="echo the database is not there; exit 7"), code=1)
    assert done.stderr.count("app exited with 7") == 1, "the cause is said once"
    assert "app the database is not there" in done.stderr, done.stderr
    assert "neargate: web is not steady" in done.stderr
    assert "`neargate logs web --cluster default`" in done.stderr


def test_a_deployment_that_is_rolled_back_is_a_failure(busybox, deploy):
    breaker = {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}}
    deploy(wanted(service=breaker))
    broken = wanted(service=breaker)
    broken["taskDefinition"]["containerDefinitions"][0]["image"] = images.aws_name("busybox", "nowhere")
    done = deploy(broken, code=1)
    assert "CannotPullContainerError" in done.stderr, done.stderr
    assert "neargate: web is not steady" in done.stderr
    wait_until(lambda: pages(busybox) == [b"one\n", b"one\n"], what="the old tasks go on")


def test_a_service_nobody_can_run_is_given_up_on(deploy):
    ec2 = wanted(service={"launchType": "EC2"}, networkMode="bridge", requiresCompatibilities=["EC2"])
    done = deploy(ec2, "--timeout", "5s", "--output", "json", code=1)
    said = json.loads(done.stdout)
    assert said["status"] == "NOT_STEADY"
    assert said["reason"].startswith("0 of 2 tasks run after 5s. Last failure: (service web) was unable to place a task")


def test_what_is_wrong_with_a_file_is_said_with_its_line(deploy, tmp_path):
    text = "taskDefinition:\n  family: web\n  containerDefinitions:\n    - name: web\n      imgae: web:1\nservice: {}\n"
    done = deploy(text, code=2)
    assert done.stderr == (
        f"neargate: {tmp_path}/web.yaml: line 5: unknown key \"imgae\" in "
        "taskDefinition.containerDefinitions[0]; did you mean \"image\"?\n")
    # What only ECS can judge comes in its words.
    text = text.replace("imgae: web:1", "image: web:1")
    assert "ClientException" in deploy(text, code=1).stderr


def test_the_readmes_file_deploys(busybox, deploy):
    """The example that --help shows."""
    shown = subprocess.run(command(busybox, "deploy", "--help"), capture_output=True, text=True, env=environment()).stdout
    lines = shown[shown.index("  cluster: default"):shown.index("A service in awsvpc")].splitlines()
    text = "\n".join(line[2:] for line in lines)
    text = text.replace("/web:latest", '/busybox:latest\n      command: ["httpd", "-f", "-p", "80"]\n      stopTimeout: 2')
    assert "steady" in deploy(text).stderr


def test_a_service_over_two_instances(busybox, deploy):
    """EC2 launch type, bridge network, ports chosen by the instances."""
    gate = busybox
    ids = add_instances(gate, "--count", "2")
    content = wanted(
        service={"launchType": "EC2", "desiredCount": 4,
                 "placementStrategy": [{"type": "spread", "field": "instanceId"}]},
        networkMode="bridge", requiresCompatibilities=["EC2"], cpu="128", memory="64")
    deploy(content)

    def answers():
        rows = [r for r in as_json(gate, "ps", "--service", "web") if r["lastStatus"] == "RUNNING"]
        urls = {f"http://{r['address']}:{r['ports'][0].split('-')[0]}/": r["ec2InstanceId"] for r in rows}
        assert len(urls) == len(rows)
        return [(placed, page) for url, placed in urls.items() if (page := answer_of(url))]

    wait_until(lambda: len(answers()) == 4)
    assert sorted(answers()) == sorted((id, b"one\n") for id in ids * 2)

    # One instance is taken away: the other has all the tasks.
    neargate(gate, "instance", "rm", ids[0], "--force")
    wait_until(lambda: [placed for placed, _ in answers()] == [ids[1]] * 4, what="all four run on the other")
    gate.client("ecs").get_waiter("services_stable").wait(
        cluster="default", services=["web"], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
