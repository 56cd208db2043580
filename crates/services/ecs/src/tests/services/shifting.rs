//! Deployments that shift traffic between two target groups.

use super::Town;
use super::balancing::{GROUP, Groups, OTHER, behind, observed, town};
use crate::tests::said;
use neargate_api_ecs::{self as api, ops};
use neargate_api_elbv2 as elb;
use neargate_domain::load_balancer::TargetState;
use std::sync::Arc;
use std::time::Duration;

const RULE: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/lb/1/2/production";
const TEST: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/lb/1/3/test";
const MINUTE: Duration = Duration::from_secs(60);

fn forward(weights: &[(&str, i32)]) -> elb::Action {
    let tuples = weights.iter().map(|(group, weight)| elb::TargetGroupTuple {
        target_group_arn: Some((*group).to_owned()),
        weight: Some(*weight),
    });
    elb::Action {
        r#type: "forward".into(),
        forward_config: Some(elb::ForwardActionConfig {
            target_groups: Some(tuples.collect()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The weight of a target group in a rule.
fn weight(groups: &Groups, rule: &str, group: &str) -> Option<i32> {
    let rules = groups.rules.lock();
    let config = rules.get(rule)?.first()?.forward_config.clone()?;
    let mut tuples = config.target_groups?.into_iter();
    let tuple = tuples.find(|t| t.target_group_arn.as_deref() == Some(group));
    tuple?.weight
}

fn balanced() -> Option<Vec<api::LoadBalancer>> {
    let mut all = behind(GROUP);
    for lb in all.iter_mut().flatten() {
        lb.advanced_configuration = Some(api::AdvancedConfiguration {
            alternate_target_group_arn: Some(OTHER.into()),
            production_listener_rule: Some(RULE.into()),
            test_listener_rule: Some(TEST.into()),
            role_arn: Some("arn:aws:iam::123456789012:role/shift".into()),
        });
    }
    all
}

/// A service of two tasks that runs, and a new revision of it.
async fn deploying(configuration: api::DeploymentConfiguration) -> (Town, Arc<Groups>) {
    let (town, groups) = serving(configuration).await;
    let updated = town.update(|u| u.force_new_deployment = Some(true));
    updated.await.expect("updated");
    town.rest(&[]).await;
    (town, groups)
}

/// A service of two tasks that runs.
async fn serving(configuration: api::DeploymentConfiguration) -> (Town, Arc<Groups>) {
    let (town, groups) = town().await;
    for rule in [RULE, TEST] {
        let only = vec![forward(&[(GROUP, 100), (OTHER, 0)])];
        groups.rules.lock().insert(rule.into(), only);
    }
    let created = town.create(|c| {
        c.load_balancers = balanced();
        c.deployment_configuration = Some(configuration);
    });
    created.await.expect("created");
    town.rest(&[]).await;
    observed(&town, &groups, TargetState::Healthy).await;
    assert_eq!(groups.registered_in(GROUP), 2);
    town.lab.advance(MINUTE);
    (town, groups)
}

fn configuration(strategy: &str) -> api::DeploymentConfiguration {
    api::DeploymentConfiguration {
        strategy: Some(strategy.into()),
        bake_time_in_minutes: Some(5),
        ..Default::default()
    }
}

fn advanced(input: &mut api::CreateServiceInput) -> &mut api::AdvancedConfiguration {
    let mut all = input.load_balancers.iter_mut().flatten();
    let advanced = all.next().and_then(|lb| lb.advanced_configuration.as_mut());
    advanced.expect("given")
}

async fn newest(town: &Town) -> api::ServiceDeployment {
    let mut all = super::deployments::records(town).await;
    all.sort_by_key(|r| r.created_at);
    all.pop().expect("one")
}

async fn stage(town: &Town) -> String {
    newest(town).await.lifecycle_stage.expect("shown")
}

#[tokio::test]
async fn blue_and_green_stand_beside_each_other_until_green_has_baked() {
    let (town, groups) = deploying(configuration("BLUE_GREEN")).await;
    assert_eq!(stage(&town).await, "SCALE_UP");
    assert_eq!(
        (groups.registered_in(GROUP), groups.registered_in(OTHER)),
        (2, 2)
    );
    assert_eq!(weight(&groups, RULE, GROUP), Some(100));
    observed(&town, &groups, TargetState::Healthy).await;
    assert_eq!(stage(&town).await, "BAKE_TIME");
    assert_eq!(weight(&groups, RULE, OTHER), Some(100));
    assert_eq!(weight(&groups, RULE, GROUP), Some(0));
    assert_eq!(weight(&groups, TEST, OTHER), Some(100));
    assert_eq!(town.live().await.len(), 4, "blue can be gone back to");
    let target = newest(&town).await.target_service_revision.expect("shown");
    assert_eq!(target.requested_production_traffic_weight, Some(100.0));
    town.lab.advance(5 * MINUTE);
    town.rest(&[]).await;
    groups.drained();
    town.rest(&[]).await;
    assert_eq!(newest(&town).await.status.as_deref(), Some("SUCCESSFUL"));
    assert_eq!(town.live().await.len(), 2);
    assert_eq!(
        (groups.registered_in(GROUP), groups.registered_in(OTHER)),
        (0, 2)
    );

    // The next one goes the other way.
    town.lab.advance(MINUTE);
    let updated = town.update(|u| u.force_new_deployment = Some(true));
    updated.await.expect("updated");
    town.rest(&[]).await;
    observed(&town, &groups, TargetState::Healthy).await;
    assert_eq!(weight(&groups, RULE, GROUP), Some(100));
    assert_eq!(groups.registered_in(GROUP), 2);
}

#[tokio::test]
async fn a_canary_gets_its_share_first() {
    let mut given = configuration("CANARY");
    given.canary_configuration = Some(api::CanaryConfiguration {
        canary_percent: Some(2.5),
        canary_bake_time_in_minutes: Some(3),
    });
    let (town, groups) = deploying(given).await;
    observed(&town, &groups, TargetState::Healthy).await;
    assert_eq!(stage(&town).await, "PRODUCTION_TRAFFIC_SHIFT");
    assert_eq!(weight(&groups, RULE, OTHER), Some(25), "of a thousand");
    assert_eq!(weight(&groups, RULE, GROUP), Some(975));
    town.lab.advance(2 * MINUTE);
    town.rest(&[]).await;
    assert_eq!(weight(&groups, RULE, OTHER), Some(25));
    town.lab.advance(MINUTE);
    town.rest(&[]).await;
    assert_eq!(weight(&groups, RULE, OTHER), Some(100));
    assert_eq!(stage(&town).await, "BAKE_TIME");
}

#[tokio::test]
async fn a_linear_deployment_goes_step_by_step() {
    let mut given = configuration("LINEAR");
    given.linear_configuration = Some(api::LinearConfiguration {
        step_percent: Some(40.0),
        step_bake_time_in_minutes: Some(1),
    });
    let (town, groups) = deploying(given).await;
    observed(&town, &groups, TargetState::Healthy).await;
    for share in [40, 80, 100] {
        assert_eq!(weight(&groups, RULE, OTHER), Some(share));
        town.lab.advance(MINUTE);
        town.rest(&[]).await;
    }
    assert_eq!(stage(&town).await, "BAKE_TIME");
}

#[tokio::test]
async fn what_is_stopped_goes_back_before_any_task_ends() {
    let (town, groups) = deploying(configuration("BLUE_GREEN")).await;
    observed(&town, &groups, TargetState::Healthy).await;
    let arn = newest(&town).await.service_deployment_arn.expect("named");
    let input = api::StopServiceDeploymentInput {
        service_deployment_arn: arn,
        stop_type: Some("ROLLBACK".into()),
    };
    let stopped = town.lab.call(ops::StopServiceDeployment, input).await;
    stopped.expect("stopped");
    town.rest(&[]).await;
    assert_eq!(weight(&groups, RULE, GROUP), Some(100));
    assert_eq!(weight(&groups, TEST, GROUP), Some(100));
    groups.drained();
    town.rest(&[]).await;
    let over = newest(&town).await;
    assert_eq!(over.status.as_deref(), Some("ROLLBACK_SUCCESSFUL"));
    assert_eq!(
        (groups.registered_in(GROUP), groups.registered_in(OTHER)),
        (2, 0)
    );
}

#[tokio::test]
async fn a_hook_holds_a_deployment_until_it_is_continued() {
    let mut given = configuration("BLUE_GREEN");
    given.lifecycle_hooks = Some(vec![api::DeploymentLifecycleHook {
        target_type: Some("PAUSE".into()),
        lifecycle_stages: Some(vec!["POST_SCALE_UP".into()]),
        ..Default::default()
    }]);
    let (town, groups) = deploying(given).await;
    observed(&town, &groups, TargetState::Healthy).await;
    assert_eq!(stage(&town).await, "POST_SCALE_UP");
    let held = newest(&town).await;
    let hook = held.lifecycle_hook_details.expect("shown").remove(0);
    assert_eq!(hook.status.as_deref(), Some("AWAITING_ACTION"));
    let answer = |hook_id: String| api::ContinueServiceDeploymentInput {
        service_deployment_arn: held.service_deployment_arn.clone().expect("named"),
        hook_id,
        action: None,
    };
    let other = town
        .lab
        .call(ops::ContinueServiceDeployment, answer("x".into()));
    assert_eq!(said(other.await).0, "InvalidParameterException");
    let hook_id = hook.hook_id.expect("named");
    let go_on = town
        .lab
        .call(ops::ContinueServiceDeployment, answer(hook_id.clone()));
    go_on.await.expect("continued");
    let twice = town
        .lab
        .call(ops::ContinueServiceDeployment, answer(hook_id));
    assert_eq!(said(twice.await).0, "InvalidParameterException");
    town.rest(&[]).await;
    assert_eq!(stage(&town).await, "BAKE_TIME");
}

#[tokio::test]
async fn a_hook_that_nobody_answers_rolls_back() {
    let mut given = configuration("BLUE_GREEN");
    given.lifecycle_hooks = Some(vec![api::DeploymentLifecycleHook {
        target_type: Some("PAUSE".into()),
        lifecycle_stages: Some(vec!["PRE_SCALE_UP".into()]),
        timeout_configuration: Some(api::DeploymentLifecycleHookTimeoutConfiguration {
            timeout_in_minutes: Some(1),
            action: None,
        }),
        ..Default::default()
    }]);
    let (town, groups) = deploying(given).await;
    assert_eq!(groups.registered_in(OTHER), 0, "it has not started");
    town.lab.advance(MINUTE);
    town.rest(&[]).await;
    let over = newest(&town).await;
    assert_eq!(over.status.as_deref(), Some("ROLLBACK_SUCCESSFUL"));
    assert_eq!(
        over.rollback.expect("shown").reason.as_deref(),
        Some("Service deployment rolled back because PRE_SCALE_UP pause hook timed out.")
    );
    assert_eq!(town.live().await.len(), 2);
}

#[tokio::test]
async fn a_rule_that_does_more_than_forward_fails_the_deployment() {
    let (town, groups) = deploying(configuration("BLUE_GREEN")).await;
    let mixed = elb::Action {
        r#type: "fixed-response".into(),
        ..Default::default()
    };
    let rule = vec![mixed, forward(&[(GROUP, 100)])];
    groups.rules.lock().insert(RULE.into(), rule);
    observed(&town, &groups, TargetState::Healthy).await;
    let over = newest(&town).await;
    assert_eq!(over.status.as_deref(), Some("ROLLBACK_SUCCESSFUL"));
}

#[tokio::test]
async fn rules_that_lead_elsewhere_fail_the_deployment_before_it_starts_a_task() {
    let elsewhere = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/x/1";
    let cases = [
        (
            vec![forward(&[(GROUP, 100), (elsewhere, 1)])],
            "Production listener rule is forwarding traffic to unexpected target group",
        ),
        (
            vec![forward(&[(GROUP, 100)])],
            "is not associated with either productionListenerRule or testListenerRule.",
        ),
    ];
    for (rule, words) in cases {
        let (town, groups) = serving(configuration("BLUE_GREEN")).await;
        groups.rules.lock().insert(RULE.into(), rule);
        let only = vec![forward(&[(GROUP, 1)])];
        groups.rules.lock().insert(TEST.into(), only);
        let updated = town.update(|u| u.force_new_deployment = Some(true));
        updated.await.expect("updated");
        town.rest(&[]).await;
        let over = newest(&town).await;
        assert_eq!(over.status.as_deref(), Some("ROLLBACK_SUCCESSFUL"));
        let reason = over.rollback.and_then(|r| r.reason).expect("shown");
        assert!(reason.contains(words), "{reason}");
        assert_eq!(groups.registered_in(OTHER), 0);
    }
}

#[tokio::test]
async fn what_cannot_be_shifted_is_refused() {
    let (town, _) = town().await;
    type Change = fn(&mut api::CreateServiceInput);
    let cases: [(&str, Change); 9] = [
        ("has an invalid ARN format. Must be RuleArn for ALB", |c| {
            advanced(c).production_listener_rule = Some(RULE.replace("-rule", ""));
        }),
        ("cannot be used as both production and test", |c| {
            advanced(c).test_listener_rule = Some(RULE.into());
        }),
        ("Either all or none of the provided loadBalancers", |c| {
            let other = behind(OTHER).expect("one");
            c.load_balancers.as_mut().expect("given").extend(other);
        }),
        (
            "advancedConfiguration field is required for all loadBalancers when using the Blue/green",
            |c| {
                c.load_balancers = behind(GROUP);
            },
        ),
        ("canaryConfiguration is only valid", |c| {
            let rules = c.deployment_configuration.as_mut().expect("given");
            rules.canary_configuration = Some(api::CanaryConfiguration::default());
        }),
        ("stepPercent must be a multiple of 0.1 between 3.0", |c| {
            let rules = c.deployment_configuration.as_mut().expect("given");
            rules.strategy = Some("LINEAR".into());
            rules.linear_configuration = Some(api::LinearConfiguration {
                step_percent: Some(2.9),
                ..Default::default()
            });
        }),
        ("target type AWS_LAMBDA", |c| {
            let rules = c.deployment_configuration.as_mut().expect("given");
            rules.lifecycle_hooks = Some(vec![api::DeploymentLifecycleHook::default()]);
        }),
        ("Invalid lifecycle stage provided for Pause Hook", |c| {
            let rules = c.deployment_configuration.as_mut().expect("given");
            rules.lifecycle_hooks = Some(vec![api::DeploymentLifecycleHook {
                target_type: Some("PAUSE".into()),
                lifecycle_stages: Some(vec!["TEST_TRAFFIC_SHIFT".into()]),
                ..Default::default()
            }]);
        }),
        ("only supported for services with the REPLICA", |c| {
            c.scheduling_strategy = Some("DAEMON".into());
            c.desired_count = None;
            c.launch_type = Some("EC2".into());
        }),
    ];
    for (words, change) in cases {
        let refused = town.create(|c| {
            c.load_balancers = balanced();
            c.deployment_configuration = Some(configuration("BLUE_GREEN"));
            change(c);
        });
        let (_, message) = said(refused.await);
        assert!(message.contains(words), "{message}");
    }
}
