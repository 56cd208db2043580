//! What a deployment asks of ECS and of the listener: a replacement task set is made and waited for, traffic is
//! shifted, and task sets are made primary or taken away.

use super::{Deployments, Ended, INSTALLS_IN, begin, end, failed};
use crate::model::{Deployment, Side, Stage, Status};
use crate::traffic;
use neargate_service::Scope;
use serde_json::{Value, json};

impl Deployments {
    /// Finds both sides, and makes the replacement.
    pub(super) async fn install(&self, scope: &Scope, d: &mut Deployment) -> Result<(), Ended> {
        let now = self.house.now();
        d.status = Status::InProgress;
        d.started_at.get_or_insert(now);
        end(d, "BeforeInstall", now);
        begin(d, "Install", now);
        let (cluster, service) = d.service();
        let (cluster, service) = (cluster.to_owned(), service.to_owned());
        let input = json!({ "cluster": cluster, "services": [service] });
        let found = self
            .call(scope, d, ("ecs", "DescribeServices"), input)
            .await?;
        let there = &found["services"][0];
        if there["status"] != "ACTIVE" {
            return Err(failed(
                "ECS_UPDATE_ERROR",
                format!("The ECS service {service} of the cluster {cluster} is not active"),
            ));
        }
        let mut sets = there["taskSets"].as_array().into_iter().flatten();
        let blue = sets.find(|set| set["status"] == "PRIMARY").ok_or_else(|| {
            failed(
                "ECS_UPDATE_ERROR",
                format!("The ECS service {service} has no primary task set"),
            )
        })?;
        let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
        let serves = text(&blue["loadBalancers"][0]["targetGroupArn"]);
        let names = d.target_groups();
        let input = json!({ "Names": names });
        let groups = self
            .call(scope, d, ("elbv2", "DescribeTargetGroups"), input)
            .await?;
        let (mut of_blue, mut of_green) = (None, None);
        for group in groups["TargetGroups"].as_array().into_iter().flatten() {
            let side = Side {
                set: String::new(),
                target_group: text(&group["TargetGroupArn"]),
                target_group_name: text(&group["TargetGroupName"]),
            };
            if side.target_group == serves {
                of_blue = Some(side);
            } else {
                of_green = Some(side);
            }
        }
        let (Some(of_blue), Some(of_green)) = (of_blue, of_green) else {
            return Err(failed(
                "ECS_UPDATE_ERROR",
                "The primary task set's target group must be one of the two of the deployment group",
            ));
        };
        d.blue = Side {
            set: text(&blue["id"]),
            ..of_blue
        };
        d.green = of_green;
        // The group is known to the load balancer from now on, which checks its targets' health.
        let listener = d.listener().unwrap_or_default().to_owned();
        self.shift(scope, d, &listener, 0).await?;
        let mut input = json!({
            "cluster": cluster,
            "service": service,
            "externalId": d.id,
            "clientToken": d.id,
            "taskDefinition": d.spec.task_definition,
            "scale": { "value": 100.0, "unit": "PERCENT" },
            "loadBalancers": [{
                "targetGroupArn": d.green.target_group,
                "containerName": d.spec.container,
                "containerPort": d.spec.port,
            }],
        });
        let given = |of: &Value| !of.is_null() && of.as_array().is_none_or(|all| !all.is_empty());
        let network = d
            .spec
            .network
            .clone()
            .unwrap_or_else(|| blue["networkConfiguration"].clone());
        if given(&network) {
            input["networkConfiguration"] = network;
        }
        let of_blue = &blue["capacityProviderStrategy"];
        let capacity = d.spec.capacity.clone().unwrap_or_else(|| of_blue.clone());
        if given(&capacity) {
            input["capacityProviderStrategy"] = capacity;
        } else if given(&blue["launchType"]) {
            input["launchType"] = blue["launchType"].clone();
        }
        if let Some(version) = &d.spec.platform_version {
            input["platformVersion"] = json!(version);
        }
        let made = self.call(scope, d, ("ecs", "CreateTaskSet"), input).await?;
        d.green.set = text(&made["taskSet"]["id"]);
        d.stage = Stage::Installing;
        d.next_at = Some(now + INSTALLS_IN);
        Ok(())
    }

    pub(super) async fn installing(&self, scope: &Scope, d: &mut Deployment) -> Result<(), Ended> {
        let now = self.house.now();
        let (cluster, service) = d.service();
        let input = json!({ "cluster": cluster, "service": service, "taskSets": [d.green.set] });
        let found = self
            .call(scope, d, ("ecs", "DescribeTaskSets"), input)
            .await?;
        let green = &found["taskSets"][0];
        if green["stabilityStatus"] == "STEADY_STATE" {
            end(d, "Install", now);
            end(d, "AfterInstall", now);
            d.stage = Stage::TestTraffic;
            d.next_at = None;
            return Ok(());
        }
        if green.is_null() {
            let message = "The replacement task set was deleted by somebody else";
            return Err(failed("ECS_UPDATE_ERROR", message));
        }
        if d.next_at.is_some_and(|at| at <= now) {
            let message = "The replacement task set did not become steady within an hour";
            return Err(failed("TIMEOUT", message));
        }
        Ok(())
    }

    /// The replacement's share of a listener's traffic.
    pub(super) async fn shift(
        &self,
        scope: &Scope,
        d: &Deployment,
        listener: &str,
        weight: u8,
    ) -> Result<(), Ended> {
        let input = json!({ "ListenerArns": [listener] });
        let found = self
            .call(scope, d, ("elbv2", "DescribeListeners"), input)
            .await?;
        let there = &found["Listeners"][0];
        let (blue, green) = (&d.blue.target_group, &d.green.target_group);
        let mut seen = false;
        if let Some(actions) = traffic::shifted(&there["DefaultActions"], blue, green, weight) {
            seen = true;
            if actions != there["DefaultActions"] {
                let input = json!({ "ListenerArn": listener, "DefaultActions": actions });
                self.call(scope, d, ("elbv2", "ModifyListener"), input)
                    .await?;
            }
        }
        let input = json!({ "ListenerArn": listener });
        let found = self
            .call(scope, d, ("elbv2", "DescribeRules"), input)
            .await?;
        for rule in found["Rules"].as_array().into_iter().flatten() {
            if rule["IsDefault"] == true {
                continue;
            }
            if let Some(actions) = traffic::shifted(&rule["Actions"], blue, green, weight) {
                seen = true;
                if actions != rule["Actions"] {
                    let input = json!({ "RuleArn": rule["RuleArn"], "Actions": actions });
                    self.call(scope, d, ("elbv2", "ModifyRule"), input).await?;
                }
            }
        }
        if seen {
            return Ok(());
        }
        Err(failed(
            "ECS_UPDATE_ERROR",
            format!(
                "The listener {listener} forwards to neither target group of the deployment group"
            ),
        ))
    }

    pub(super) async fn primary(
        &self,
        scope: &Scope,
        d: &Deployment,
        set: &str,
    ) -> Result<(), Ended> {
        let (cluster, service) = d.service();
        let input = json!({ "cluster": cluster, "service": service, "primaryTaskSet": set });
        let named = ("ecs", "UpdateServicePrimaryTaskSet");
        Ok(self.call(scope, d, named, input).await.map(drop)?)
    }

    pub(super) async fn delete(
        &self,
        scope: &Scope,
        d: &Deployment,
        set: &str,
    ) -> Result<(), Ended> {
        let (cluster, service) = d.service();
        let input =
            json!({ "cluster": cluster, "service": service, "taskSet": set, "force": true });
        match self.call(scope, d, ("ecs", "DeleteTaskSet"), input).await {
            Err(error) if error.code == "TaskSetNotFoundException" => Ok(()),
            deleted => Ok(deleted.map(drop)?),
        }
    }
}
