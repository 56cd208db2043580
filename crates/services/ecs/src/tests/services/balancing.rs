//! Services behind load balancers, with target groups that only keep what they are told, and
//! targets that are as healthy as a test says.

use super::Town;
use crate::tests::{definition, said};
use neargate_api_ecs::{self as api, ops};
use neargate_api_elbv2 as elb;
use neargate_domain::TaskStatus;
use neargate_domain::load_balancer::{TargetHealth, TargetKey, TargetReason, TargetState};
use neargate_service::target_health::TargetGroupHealth;
use neargate_service::{AwsError, Ctx, OperationTable, db};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) const GROUP: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/1f";
pub(super) const OTHER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/other/3f";
const LONELY: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/lonely/2f";

/// Target groups' targets, and whether each drains; the weights of listener rules.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) targets: Mutex<BTreeMap<(String, TargetKey), bool>>,
    pub(super) rules: Mutex<BTreeMap<String, Vec<elb::Action>>>,
}

impl Groups {
    fn registered(&self) -> usize {
        self.registered_in(GROUP)
    }

    pub(super) fn registered_in(&self, group: &str) -> usize {
        let targets = self.targets.lock();
        let of = targets.iter().filter(|((of, _), _)| of == group);
        of.filter(|(_, drains)| !**drains).count()
    }

    /// Draining is over.
    pub(super) fn drained(&self) {
        self.targets.lock().retain(|_, drains| !*drains);
    }
}

fn key(target: elb::TargetDescription) -> TargetKey {
    TargetKey {
        id: target.id,
        port: u16::try_from(target.port.expect("given")).expect("a port"),
    }
}

async fn describe(
    _: Arc<Groups>,
    _: Ctx,
    input: elb::DescribeTargetGroupsInput,
) -> Result<elb::DescribeTargetGroupsOutput, AwsError> {
    let arn = input.target_group_arns.unwrap_or_default().remove(0);
    if ![GROUP, OTHER, LONELY].contains(&arn.as_str()) {
        return Err(AwsError::client("TargetGroupNotFound", "none"));
    }
    let balancers = match arn.as_str() {
        LONELY => Vec::new(),
        _ => vec!["lb".to_owned()],
    };
    let group = elb::TargetGroup {
        target_group_arn: Some(arn),
        target_type: Some("ip".into()),
        load_balancer_arns: Some(balancers),
        ..Default::default()
    };
    Ok(elb::DescribeTargetGroupsOutput {
        target_groups: Some(vec![group]),
        next_marker: None,
    })
}

async fn register(
    groups: Arc<Groups>,
    _: Ctx,
    input: elb::RegisterTargetsInput,
) -> Result<elb::RegisterTargetsOutput, AwsError> {
    let of = &input.target_group_arn;
    let targets = input.targets.into_iter();
    let targets = targets.map(|t| ((of.clone(), key(t)), false));
    groups.targets.lock().extend(targets);
    Ok(elb::RegisterTargetsOutput::default())
}

async fn deregister(
    groups: Arc<Groups>,
    _: Ctx,
    input: elb::DeregisterTargetsInput,
) -> Result<elb::DeregisterTargetsOutput, AwsError> {
    let of = &input.target_group_arn;
    let targets = input.targets.into_iter();
    let targets = targets.map(|t| ((of.clone(), key(t)), true));
    groups.targets.lock().extend(targets);
    Ok(elb::DeregisterTargetsOutput::default())
}

async fn health(
    groups: Arc<Groups>,
    _: Ctx,
    input: elb::DescribeTargetHealthInput,
) -> Result<elb::DescribeTargetHealthOutput, AwsError> {
    let known = groups.targets.lock();
    let described = input.targets.unwrap_or_default().into_iter().map(|target| {
        let of = input.target_group_arn.clone();
        let drains = known.get(&(of, key(target.clone())));
        let (state, reason) = match drains {
            None => ("unused", Some("Target.NotRegistered")),
            Some(true) => ("draining", Some("Target.DeregistrationInProgress")),
            Some(false) => ("healthy", None),
        };
        elb::TargetHealthDescription {
            target: Some(target),
            target_health: Some(elb::TargetHealth {
                state: Some(state.into()),
                reason: reason.map(str::to_owned),
                description: None,
            }),
            ..Default::default()
        }
    });
    Ok(elb::DescribeTargetHealthOutput {
        target_health_descriptions: Some(described.collect()),
    })
}

async fn describe_rules(
    groups: Arc<Groups>,
    _: Ctx,
    input: elb::DescribeRulesInput,
) -> Result<elb::DescribeRulesOutput, AwsError> {
    let arn = input.rule_arns.unwrap_or_default().remove(0);
    let actions = groups.rules.lock().get(&arn).cloned();
    let actions = actions.ok_or_else(|| AwsError::client("RuleNotFound", "no such rule"))?;
    let rule = elb::Rule {
        rule_arn: Some(arn),
        actions: Some(actions),
        ..Default::default()
    };
    Ok(elb::DescribeRulesOutput {
        rules: Some(vec![rule]),
        next_marker: None,
    })
}

async fn modify_rule(
    groups: Arc<Groups>,
    _: Ctx,
    input: elb::ModifyRuleInput,
) -> Result<elb::ModifyRuleOutput, AwsError> {
    let actions = input.actions.unwrap_or_default();
    groups.rules.lock().insert(input.rule_arn, actions);
    Ok(elb::ModifyRuleOutput::default())
}

/// A town with target groups, and the definition of a service that listens.
pub(super) async fn town() -> (Town, Arc<Groups>) {
    let town = Town::new().await;
    let groups = Arc::new(Groups::default());
    let table = OperationTable::new(&elb::SERVICE, groups.clone())
        .on(elb::ops::DescribeTargetGroups, describe)
        .on(elb::ops::RegisterTargets, register)
        .on(elb::ops::DeregisterTargets, deregister)
        .on(elb::ops::DescribeTargetHealth, health)
        .on(elb::ops::DescribeRules, describe_rules)
        .on(elb::ops::ModifyRule, modify_rule);
    town.lab.house.caller.connect(vec![Arc::new(table)]);
    let mut input = definition("web");
    input.container_definitions[0].port_mappings = Some(vec![api::PortMapping {
        container_port: Some(80),
        ..Default::default()
    }]);
    let registered = town.lab.call(ops::RegisterTaskDefinition, input).await;
    registered.expect("registered");
    (town, groups)
}

pub(super) fn behind(group: &str) -> Option<Vec<api::LoadBalancer>> {
    Some(vec![api::LoadBalancer {
        target_group_arn: Some(group.to_owned()),
        container_name: Some("app".into()),
        container_port: Some(80),
        ..Default::default()
    }])
}

/// What the edge says of every target that is registered.
pub(super) async fn observed(town: &Town, groups: &Groups, state: TargetState) {
    let reason = (state != TargetState::Healthy).then_some(TargetReason::ResponseCodeMismatch);
    for (group, id) in [(GROUP, "1f"), (OTHER, "3f")] {
        let targets = groups.targets.lock().clone().into_iter();
        let of_group = targets.filter(|((of, _), drains)| of == group && !drains);
        let targets = of_group.map(|((_, key), _)| TargetHealth {
            target_group_arn: group.into(),
            key,
            state,
            reason,
            description: reason.map(|_| "Health checks failed with these codes: [500]".into()),
        });
        let record = TargetGroupHealth {
            targets: targets.collect(),
        };
        let db = &town.lab.house.db;
        let key = db::key::<TargetGroupHealth>(&town.lab.scope, id);
        let _ = db.tx().put(key, &record).commit().await.expect("stored");
    }
    town.rest(&[]).await;
}

async fn service(town: &Town, change: impl FnOnce(&mut api::CreateServiceInput)) {
    let created = town.create(|c| {
        c.load_balancers = behind(GROUP);
        change(c);
    });
    let created = created.await.expect("created");
    assert_eq!(created.load_balancers, behind(GROUP));
    assert_eq!(
        created.health_check_grace_period_seconds.map(|s| s >= 0),
        Some(true)
    );
    town.rest(&[]).await;
}

#[tokio::test]
async fn tasks_are_targets_while_they_run_and_count_once_they_are_healthy() {
    let (town, groups) = town().await;
    service(&town, |_| {}).await;
    assert_eq!(groups.registered(), 2);
    let said = town.events().await;
    let registered = format!("(service web) registered 1 targets in (target-group {GROUP})");
    let both = format!("(service web) registered 2 targets in (target-group {GROUP})");
    assert!(
        said.contains(&registered) || said.contains(&both),
        "{said:?}"
    );
    assert!(!said.iter().any(|m| m.contains("steady state")), "{said:?}");
    observed(&town, &groups, TargetState::Initial).await;
    assert!(
        !town
            .events()
            .await
            .iter()
            .any(|m| m.contains("steady state"))
    );
    observed(&town, &groups, TargetState::Healthy).await;
    let said = town.events().await;
    assert!(said.iter().any(|m| m.contains("steady state")), "{said:?}");
}

#[tokio::test]
async fn a_deployment_replaces_only_by_tasks_that_are_healthy_and_drains_the_others() {
    let (town, groups) = town().await;
    service(&town, |_| {}).await;
    observed(&town, &groups, TargetState::Healthy).await;
    let old: Vec<String> = town.live().await.iter().map(|t| t.key.clone()).collect();
    let updated = town.update(|u| u.force_new_deployment = Some(true));
    updated.await.expect("updated");
    town.rest(&[]).await;
    assert_eq!(groups.registered(), 4, "new ones beside the old ones");
    let live = town.live().await;
    assert!(old.iter().all(|key| live.iter().any(|t| t.key == *key)));
    observed(&town, &groups, TargetState::Healthy).await;
    assert_eq!(groups.registered(), 2);
    let tasks = town.tasks().await;
    let leaving: Vec<_> = tasks.iter().filter(|t| old.contains(&t.key)).collect();
    assert!(
        leaving
            .iter()
            .all(|t| t.status.last_status == TaskStatus::Deactivating),
        "they finish what they have"
    );
    groups.drained();
    town.rest(&[]).await;
    let tasks = town.tasks().await;
    let mut left = tasks.iter().filter(|t| old.contains(&t.key));
    assert!(
        left.all(|t| t.status.last_status == TaskStatus::Stopped && t.status.targets.is_empty())
    );
    let said = town.events().await;
    let draining = "(service web) has begun draining connections on ";
    assert!(said.iter().any(|m| m.starts_with(draining)), "{said:?}");
}

#[tokio::test]
async fn a_task_that_its_load_balancer_finds_unhealthy_is_replaced_after_its_grace() {
    let (town, groups) = town().await;
    service(&town, |c| {
        c.desired_count = Some(1);
        c.health_check_grace_period_seconds = Some(30);
        // Otherwise one that is healthy comes first.
        c.deployment_configuration = Some(api::DeploymentConfiguration {
            minimum_healthy_percent: Some(0),
            maximum_percent: Some(100),
            ..Default::default()
        });
    })
    .await;
    observed(&town, &groups, TargetState::Unhealthy).await;
    let first = town.live().await[0].key.clone();
    town.lab.advance(Duration::from_secs(31));
    town.settle().await;
    let tasks = town.tasks().await;
    let replaced = tasks.iter().find(|t| t.key == first).expect("stored");
    assert_eq!(
        replaced.status.stopped_reason.as_deref(),
        Some(format!("Task failed ELB health checks in (target-group {GROUP})").as_str())
    );
    let said = town.events().await;
    let why = format!(
        "(service web) (port 80) is unhealthy in (target-group {GROUP}) due to (reason Health \
         checks failed with these codes: [500])"
    );
    assert!(said.contains(&why), "{said:?}");
    let failed = town.describe().await.deployments.expect("a list")[0].failed_tasks;
    assert_eq!(failed, Some(1), "counted once");
}

#[tokio::test]
async fn a_service_that_is_deleted_drains_first() {
    let (town, groups) = town().await;
    service(&town, |_| {}).await;
    observed(&town, &groups, TargetState::Healthy).await;
    town.delete(true).await.expect("deleted");
    town.rest(&[]).await;
    assert_eq!(groups.registered(), 0);
    assert_eq!(town.describe().await.status.as_deref(), Some("DRAINING"));
    groups.targets.lock().clear();
    town.rest(&[]).await;
    assert_eq!(town.describe().await.status.as_deref(), Some("INACTIVE"));
}

#[tokio::test]
async fn what_cannot_be_balanced_is_refused() {
    let (town, _groups) = town().await;
    type Change = fn(&mut api::LoadBalancer);
    let cases: [(&str, Change); 5] = [
        ("does not have an associated load balancer", |lb| {
            lb.target_group_arn = Some(LONELY.into());
        }),
        ("Unable to assume role and validate", |lb| {
            lb.target_group_arn = Some(format!("{GROUP}0"));
        }),
        ("The container other does not exist", |lb| {
            lb.container_name = Some("other".into());
        }),
        ("did not have a container port 81 defined", |lb| {
            lb.container_port = Some(81);
        }),
        ("Classic Load Balancers", |lb| {
            lb.target_group_arn = None;
            lb.load_balancer_name = Some("old".into());
        }),
    ];
    for (words, change) in cases {
        let refused = town.create(|c| {
            c.load_balancers = behind(GROUP);
            c.load_balancers.iter_mut().flatten().for_each(change);
        });
        let (_, message) = said(refused.await);
        assert!(message.contains(words), "{message}");
    }
    let refused = town.create(|c| c.health_check_grace_period_seconds = Some(5));
    let (_, message) = said(refused.await);
    assert!(message.contains("only valid for services configured to use load balancers"));
}
