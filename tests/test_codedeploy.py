"""CodeDeploy by real clients: blue/green deployments behind a load balancer, with no request that fails."""

import json

import tasks
from balancing import Balancer, Clients, behind, forward, push, register, web
from neargate import ACCOUNT, ROLE, refused, wait_until

SERVICE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy"


def appspec(definition):
    properties = {
        "TaskDefinition": definition,
        "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 80},
    }
    resource = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
    return json.dumps({"version": 0.0, "Resources": [resource]})


class Site:
    """A service of CodeDeploy's that shows `blue`, and a deployment group of it."""

    def __init__(self, gate, layout, **group):
        push(gate, layout)
        self.gate, self.deploy = gate, gate.client("codedeploy")
        self.balancer = Balancer(gate)
        self.groups = [self.balancer.target_group(name) for name in ("blue", "green")]
        self.listener = self.balancer.listener(forward(self.groups[0]))
        self.balancer.active()
        register(gate, "web", "blue")
        gate.client("ecs").create_service(
            serviceName="web",
            taskDefinition="web",
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration=tasks.network(gate),
            loadBalancers=[behind(self.groups[0])],
            deploymentController={"type": "CODE_DEPLOY"},
        )
        self.balancer.healthy(self.groups[0], 1)
        # ECS's own CLI looks for these names.
        self.deploy.create_application(applicationName="AppECS-default-web", computePlatform="ECS")
        self.deploy.create_deployment_group(
            applicationName="AppECS-default-web",
            deploymentGroupName="DgpECS-default-web",
            serviceRoleArn=SERVICE_ROLE,
            deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
            blueGreenDeploymentConfiguration={
                "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 0},
                "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT", "waitTimeInMinutes": 0},
            },
            loadBalancerInfo={
                "targetGroupPairInfoList": [
                    {
                        "targetGroups": [{"name": "blue"}, {"name": "green"}],
                        "prodTrafficRoute": {"listenerArns": [self.listener]},
                    }
                ]
            },
            ecsServices=[{"clusterName": "default", "serviceName": "web"}],
            **group,
        )

    def sets(self):
        [service] = self.gate.client("ecs").describe_services(services=["web"])["services"]
        return {s["status"]: s for s in service["taskSets"]}

    def start(self, definition):
        return self.deploy.create_deployment(
            applicationName="AppECS-default-web",
            deploymentGroupName="DgpECS-default-web",
            revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": appspec(definition)}},
        )["deploymentId"]

    def info(self, deployment):
        return self.deploy.get_deployment(deploymentId=deployment)["deploymentInfo"]

    def ended(self, deployment, status):
        def has():
            info = self.info(deployment)
            if info["status"] == status:
                return info
            assert info["status"] not in ("Succeeded", "Failed", "Stopped"), info
            return None

        return wait_until(has, 120, f"the deployment is {status}")

    def gone(self):
        ecs = self.gate.client("ecs")
        ecs.delete_service(service="web", force=True)
        wait_until(lambda: ecs.list_tasks()["taskArns"] == [], 60, "the tasks are gone")


def test_blue_then_green_by_aws_ecs_deploy_across_a_kill(own_gate, layout, tmp_path):
    gate = own_gate
    site = Site(gate, layout)
    code, said = refused(gate.client("ecs").update_service, service="web", taskDefinition="web")
    assert code == "InvalidParameterException" and "Use AWS CodeDeploy" in said
    definition = {
        "family": "web",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": ROLE,
        "containerDefinitions": [web("green")],
    }
    (tmp_path / "taskdef.json").write_text(json.dumps(definition))
    (tmp_path / "appspec.json").write_text(appspec("replaced by the CLI"))
    with Clients(site.balancer) as clients:
        wait_until(lambda: clients.sees("blue"), what="blue answers")
        gate.aws(
            "ecs", "deploy", "--service", "web", "--task-definition", str(tmp_path / "taskdef.json"),
            "--codedeploy-appspec", str(tmp_path / "appspec.json"),
        )
        clients.forget()
        wait_until(lambda: clients.sees("green", 50), what="green answers")
        assert clients.failures == [] and not clients.sees("blue")
        # The way back, with a kill in its middle.
        deployment = site.start("web:1")
        wait_until(lambda: len(site.sets()) == 2, what="the replacement is made")
        gate.kill()
        gate.start()
        site.ended(deployment, "Succeeded")
        wait_until(lambda: len(site.sets()) == 1, 60, "the original is gone")
        clients.forget()
        wait_until(lambda: clients.sees("blue", 50), what="blue answers again")
    assert clients.failures == []
    assert site.sets()["PRIMARY"]["externalId"] == deployment
    events = site.deploy.batch_get_deployment_targets(deploymentId=deployment, targetIds=["default:web"])
    events = events["deploymentTargets"][0]["ecsTarget"]["lifecycleEvents"]
    assert [e["lifecycleEventName"] for e in events][-1] == "AfterAllowTraffic"
    assert {e["status"] for e in events} == {"Succeeded"}
    site.gone()


def test_a_canary_goes_back_on_an_alarm(gate, layout):
    metrics = gate.client("cloudwatch")
    metrics.put_metric_alarm(
        AlarmName="errors",
        Namespace="Site",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    site = Site(
        gate,
        layout,
        deploymentConfigName="CodeDeployDefault.ECSCanary10Percent5Minutes",
        alarmConfiguration={"enabled": True, "alarms": [{"name": "errors"}]},
        autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_STOP_ON_ALARM"]},
    )
    register(gate, "web", "green")
    with Clients(site.balancer) as clients:
        deployment = site.start("web:2")
        wait_until(lambda: clients.sees("green"), 120, "green has its share")
        assert site.info(deployment)["status"] == "InProgress"
        metrics.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test says so")
        info = site.ended(deployment, "Stopped")
        assert info["errorInformation"]["code"] == "ALARM_ACTIVE"
        assert site.info(info["rollbackInfo"]["rollbackDeploymentId"])["creator"] == "codeDeployRollback"
        wait_until(lambda: len(site.sets()) == 1, 60, "the replacement is gone")
        clients.forget()
        wait_until(lambda: clients.sees("blue", 50), what="blue has all of it")
        assert not clients.sees("green")
    assert clients.failures == []
    site.gone()
