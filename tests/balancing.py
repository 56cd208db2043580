"""Load balancers as people make them, and clients that notice every failed request."""

import http.client
import threading
import time

import images
import tasks
from neargate import wait_until
from tasks import container

#: Answers with its own text at any path, by one process a request as inetd does.
SERVE = "mkdir -p /tmp/w/{path}; echo {text} | tee /tmp/w/index.html > /tmp/w/{path}index.html; exec httpd -f -p 80 -h /tmp/w"


def web(text, path=""):
    """A container that serves `text` at `/` and below `path`; it ends at SIGTERM."""
    return container(
        command=["sh", "-c", SERVE.format(text=text, path=path)],
        stopTimeout=2,
        portMappings=[{"containerPort": 80}],
    )


class Balancer:
    """An internet-facing ALB in the default VPC, open to everybody, with a listener on port 80."""

    def __init__(self, gate, name="web", **more):
        self.gate, self.name = gate, name
        self.elb, self.ec2 = gate.client("elbv2"), gate.client("ec2")
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = [s["SubnetId"] for s in self.ec2.describe_subnets()["Subnets"]][:2]
        self.group = self.ec2.create_security_group(
            GroupName=f"{name}-alb", Description="open", VpcId=self.vpc
        )["GroupId"]
        self.ec2.authorize_security_group_ingress(
            GroupId=self.group, IpProtocol="tcp", FromPort=1, ToPort=65535, CidrIp="0.0.0.0/0"
        )
        # As a member of the default group it reaches the tasks that have no other.
        [default] = self.ec2.describe_security_groups(
            Filters=[{"Name": "vpc-id", "Values": [self.vpc]}, {"Name": "group-name", "Values": ["default"]}]
        )["SecurityGroups"]
        made = self.elb.create_load_balancer(
            Name=name, Subnets=subnets, SecurityGroups=[self.group, default["GroupId"]], **more
        )["LoadBalancers"][0]
        self.arn, self.host = made["LoadBalancerArn"], made["DNSName"]

    def target_group(self, name, **more):
        settings = {
            "HealthCheckIntervalSeconds": 5,
            "HealthyThresholdCount": 2,
            "HealthCheckTimeoutSeconds": 2,
            **more,
        }
        group = self.elb.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=self.vpc, **{"TargetType": "ip", **settings}
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.modify_target_group_attributes(
            TargetGroupArn=group,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}],
        )
        return group

    def listener(self, *actions, port=80):
        return self.elb.create_listener(
            LoadBalancerArn=self.arn, Protocol="HTTP", Port=port, DefaultActions=list(actions)
        )["Listeners"][0]["ListenerArn"]

    def active(self):
        def is_active():
            [lb] = self.elb.describe_load_balancers(LoadBalancerArns=[self.arn])["LoadBalancers"]
            return lb["State"]["Code"] == "active"

        wait_until(is_active, what=f"{self.name} is active")

    def healthy(self, group, count):
        def are():
            found = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
            states = [t["TargetHealth"]["State"] for t in found]
            return states.count("healthy") == count and len(states) == count

        wait_until(are, what=f"{count} targets are healthy")

    def get(self, path="/", host=None):
        """Status and body; `None` while nobody takes a connection."""
        connection = http.client.HTTPConnection(self.host, 80, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": host} if host else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode().strip()
        except OSError:
            return None
        finally:
            connection.close()


def forward(*groups):
    if len(groups) == 1:
        return {"Type": "forward", "TargetGroupArn": groups[0]}
    weighted = [{"TargetGroupArn": group, "Weight": weight} for group, weight in groups]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}}


def register(gate, family, text, path=""):
    return tasks.register(gate, web(text, path), family=family)["taskDefinitionArn"]


def service(gate, name, count, *load_balancers, **more):
    return gate.client("ecs").create_service(
        serviceName=name,
        taskDefinition=name,
        desiredCount=count,
        **{
            "launchType": "FARGATE",
            "networkConfiguration": tasks.network(gate),
            "loadBalancers": list(load_balancers),
            **more,
        },
    )["service"]


def behind(group, **advanced):
    port = {"targetGroupArn": group, "containerName": "app", "containerPort": 80}
    return {**port, "advancedConfiguration": advanced} if advanced else port


def push(gate, layout):
    images.push(gate, layout, "busybox")
    gate.client("ecs").create_cluster(clusterName="default")


class Clients:
    """Clients that ask again and again until they are told to end. Whatever is not 200 is a failure,
    and so is a connection that is refused or breaks off, but for one that was idle when it was closed,
    which RFC 9112 (section 9.3.1) has a client try again."""

    def __init__(self, balancer, count=4, path="/"):
        self.balancer, self.path, self.failures, self.asked = balancer, path, [], 0
        self.seen = {}
        self.is_over = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join(30)

    def ask(self):
        connection, used = None, False
        while not self.is_over.is_set():
            try:
                if connection is None:
                    connection, used = http.client.HTTPConnection(self.balancer.host, 80, timeout=10), False
                connection.request("GET", self.path)
                answer = connection.getresponse()
                body = answer.read().decode().strip()
                used = True
                self.count(answer.status if answer.status != 200 else None, body)
                if answer.will_close:
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                idle = used and isinstance(
                    error, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
                )
                if not idle:
                    self.count(repr(error), None)
                connection = None

    def count(self, failure, body):
        with self.lock:
            self.asked += 1
            if failure:
                self.failures.append((time.time(), failure))
            else:
                self.seen[body] = self.seen.get(body, 0) + 1

    def sees(self, body, more_than=0):
        with self.lock:
            return self.seen.get(body, 0) > more_than

    def forget(self):
        with self.lock:
            self.seen = {}
