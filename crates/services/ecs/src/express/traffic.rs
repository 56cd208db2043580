//! The target groups of an Express service and the rule that leads to them.

use super::{Asking, gone};
use crate::plan::express::{self, MANAGED_TAG};
use neargate_api_elbv2::{self as api, ops};
use neargate_service::AwsError;

/// Weights of the two target groups before the first deployment.
const WEIGHTS: [i32; 2] = [1, 0];

pub(super) fn tags() -> Option<Vec<api::Tag>> {
    let (key, value) = MANAGED_TAG;
    Some(vec![api::Tag {
        key: key.into(),
        value: Some(value.into()),
    }])
}

/// The names of the two.
pub(super) fn group_names(endpoint: &str) -> [String; 2] {
    let suffix = express::suffix(endpoint);
    ["1", "2"].map(|n| format!("ecs-gateway-tg-{suffix}-{n}"))
}

/// A group that is wanted.
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    pub(super) vpc_id: &'a str,
    pub(super) port: u16,
    pub(super) path: &'a str,
}

impl Asking<'_> {
    /// The target group of this name, made unless it is there; with the path of its health checks.
    pub(super) async fn target_group(&self, of: Group<'_>) -> Result<(String, String), AwsError> {
        if let Some(there) = self.find_target_group(of.name).await? {
            return Ok(there);
        }
        let input = api::CreateTargetGroupInput {
            name: of.name.to_owned(),
            protocol: Some("HTTP".into()),
            port: Some(of.port.into()),
            vpc_id: Some(of.vpc_id.to_owned()),
            target_type: Some("ip".into()),
            health_check_path: Some(of.path.to_owned()),
            tags: tags(),
            ..Default::default()
        };
        let made = self.call::<ops::CreateTargetGroup>(&input).await?;
        let made = made.target_groups.into_iter().flatten().next();
        let arn = made.and_then(|g| g.target_group_arn).unwrap_or_default();
        Ok((arn, of.path.to_owned()))
    }

    async fn find_target_group(&self, name: &str) -> Result<Option<(String, String)>, AwsError> {
        let input = api::DescribeTargetGroupsInput {
            names: Some(vec![name.to_owned()]),
            ..Default::default()
        };
        match self.call::<ops::DescribeTargetGroups>(&input).await {
            Ok(found) => {
                let found = found.target_groups.into_iter().flatten().next();
                Ok(found.and_then(|g| {
                    Some((g.target_group_arn?, g.health_check_path.unwrap_or_default()))
                }))
            }
            Err(error) if error.code == "TargetGroupNotFound" => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn delete_target_group(&self, name: &str) -> Result<(), AwsError> {
        let Some((arn, _)) = self.find_target_group(name).await? else {
            return Ok(());
        };
        let input = api::DeleteTargetGroupInput {
            target_group_arn: arn,
        };
        self.call::<ops::DeleteTargetGroup>(&input)
            .await
            .map(|_| ())
    }

    /// Says at which path a group's targets are asked whether they are well.
    pub(super) async fn set_path(&self, group: &str, path: &str) -> Result<(), AwsError> {
        let input = api::ModifyTargetGroupInput {
            target_group_arn: group.to_owned(),
            health_check_path: Some(path.to_owned()),
            ..Default::default()
        };
        self.call::<ops::ModifyTargetGroup>(&input)
            .await
            .map(|_| ())
    }

    /// The rule that leads the endpoint to the groups, made unless it is there.
    pub(super) async fn rule(
        &self,
        listener: &str,
        endpoint: &str,
        priority: u32,
        groups: &[(String, String)],
    ) -> Result<String, AwsError> {
        if let Some(there) = self.find_rule(listener, endpoint).await? {
            return Ok(there.rule_arn.unwrap_or_default());
        }
        let tuple = |((arn, _), weight): (&(String, String), i32)| api::TargetGroupTuple {
            target_group_arn: Some(arn.clone()),
            weight: Some(weight),
        };
        let input = api::CreateRuleInput {
            listener_arn: listener.to_owned(),
            priority: i32::try_from(priority).unwrap_or(i32::MAX),
            conditions: vec![api::RuleCondition {
                field: Some("host-header".into()),
                host_header_config: Some(api::HostHeaderConditionConfig {
                    values: Some(vec![endpoint.to_owned()]),
                    ..Default::default()
                }),
                ..Default::default()
            }],
            actions: vec![api::Action {
                r#type: "forward".into(),
                forward_config: Some(api::ForwardActionConfig {
                    target_groups: Some(groups.iter().zip(WEIGHTS).map(tuple).collect()),
                    ..Default::default()
                }),
                ..Default::default()
            }],
            tags: tags(),
            ..Default::default()
        };
        let made = self.call::<ops::CreateRule>(&input).await?;
        let made = made.rules.into_iter().flatten().next();
        Ok(made.and_then(|r| r.rule_arn).unwrap_or_default())
    }

    async fn find_rule(
        &self,
        listener: &str,
        endpoint: &str,
    ) -> Result<Option<api::Rule>, AwsError> {
        let mut input = api::DescribeRulesInput {
            listener_arn: Some(listener.to_owned()),
            ..Default::default()
        };
        loop {
            let page = match self.call::<ops::DescribeRules>(&input).await {
                Ok(page) => page,
                Err(error) if error.code == "ListenerNotFound" => return Ok(None),
                Err(error) => return Err(error),
            };
            let hosts = |rule: &api::Rule| {
                let conditions = rule.conditions.iter().flatten();
                let mut hosts = conditions.flat_map(|c| {
                    let config = c.host_header_config.as_ref();
                    config.and_then(|c| c.values.as_ref()).into_iter().flatten()
                });
                hosts.any(|host| host == endpoint)
            };
            if let Some(rule) = page.rules.into_iter().flatten().find(hosts) {
                return Ok(Some(rule));
            }
            input.marker = page.next_marker.filter(|m| !m.is_empty());
            if input.marker.is_none() {
                return Ok(None);
            }
        }
    }

    /// The groups that no traffic is led to now.
    pub(super) async fn idle(
        &self,
        listener: &str,
        endpoint: &str,
    ) -> Result<Vec<String>, AwsError> {
        let rule = self.find_rule(listener, endpoint).await?;
        let actions = rule.into_iter().flat_map(|r| r.actions.unwrap_or_default());
        let tuples = actions.flat_map(|a| {
            let config = a.forward_config.unwrap_or_default();
            config.target_groups.unwrap_or_default()
        });
        let idle = tuples.filter(|t| t.weight == Some(0));
        Ok(idle.filter_map(|t| t.target_group_arn).collect())
    }

    pub(super) async fn delete_rule(&self, listener: &str, endpoint: &str) -> Result<(), AwsError> {
        let Some(rule) = self.find_rule(listener, endpoint).await? else {
            return Ok(());
        };
        let input = api::DeleteRuleInput {
            rule_arn: rule.rule_arn.unwrap_or_default(),
        };
        gone(
            self.call::<ops::DeleteRule>(&input).await,
            &["RuleNotFound"],
        )
    }
}
