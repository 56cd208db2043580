//! How a service is described, member by member: as AWS's own samples show it
//! (<https://docs.aws.amazon.com/cli/latest/reference/ecs/create-service.html#examples>,
//! <https://docs.aws.amazon.com/cli/latest/reference/ecs/update-service.html#examples>).

use super::super::said;
use super::{Town, definition};
use neargate_api_ecs::{self as api, ops};

fn tags() -> Option<Vec<api::Tag>> {
    Some(vec![api::Tag {
        key: Some("team".into()),
        value: Some("a".into()),
    }])
}

#[tokio::test]
async fn one_that_was_created_just_now() {
    let town = Town::new().await;
    town.lab.register("web").await;
    let made = town.create(|_| {}).await.expect("created");
    assert_eq!(made.desired_count, Some(2));
    let deployment = &made.deployments.as_ref().expect("one")[0];
    assert_eq!(deployment.desired_count, Some(0), "nothing has begun");
    assert_eq!(deployment.status.as_deref(), Some("PRIMARY"));
    assert_eq!(deployment.created_at, made.created_at);
    assert_eq!(made.current_service_deployment, None);
    let revision = &made.current_service_revisions.as_ref().expect("one")[0];
    assert_eq!(revision.requested_task_count, Some(0));
    assert_eq!(made.tags, None, "no member without tags");
    assert_eq!(made.health_check_grace_period_seconds, Some(0));
    let configuration = made.deployment_configuration.expect("a member");
    let breaker = configuration.deployment_circuit_breaker.expect("a member");
    assert_eq!((breaker.enable, breaker.rollback), (false, false));
    assert_eq!(breaker.reset_on_healthy_task, Some(true));
    let threshold = breaker.threshold_configuration.expect("a member");
    assert_eq!(
        (threshold.r#type.as_str(), threshold.value),
        ("BOUNDED_PERCENT", 50)
    );
    assert_eq!(made.propagate_tags.as_deref(), Some("NONE"));
    assert_eq!(
        made.availability_zone_rebalancing.as_deref(),
        Some("ENABLED")
    );
    town.rest(&[]).await;
    let now = town.describe().await;
    let deployment = &now.deployments.as_ref().expect("one")[0];
    assert_eq!(deployment.desired_count, Some(2));
    assert!(now.current_service_deployment.is_some());
}

/// `ecs-svc/6216346761948112104` deploys `service-revision/…/6216346761948112104`.
#[tokio::test]
async fn a_deployment_has_the_number_of_its_revision() {
    let town = Town::with_service().await;
    let forced = town.update(|u| u.force_new_deployment = Some(true));
    let service = forced.await.expect("updated");
    let deployments = service.deployments.expect("two");
    let revisions = service.current_service_revisions.expect("two");
    assert_eq!(deployments.len(), 2);
    for (deployment, revision) in deployments.iter().zip(&revisions) {
        let number = deployment.id.as_deref().expect("an id").split_once('/');
        let number = number.expect("ecs-svc/…").1;
        let arn = revision.arn.as_deref().expect("an ARN");
        assert_eq!(arn.rsplit('/').next(), Some(number));
    }
    assert_eq!(deployments[0].desired_count, Some(0));
    assert_eq!(deployments[1].desired_count, Some(2));
}

#[tokio::test]
async fn tags_are_shown_when_there_are_some_or_they_are_asked_for() {
    let town = Town::new().await;
    town.lab.register("web").await;
    let made = town.create(|c| c.tags = tags()).await.expect("created");
    assert_eq!(made.tags, tags());
    assert_eq!(town.describe().await.tags, tags());
    let plain = api::DescribeServicesInput {
        cluster: Some("c".into()),
        services: vec!["web".into()],
        include: None,
    };
    let shown = town.lab.call(ops::DescribeServices, plain).await;
    let shown = shown.expect("described").services.expect("one");
    assert_eq!(shown[0].tags, None);
}

/// <https://github.com/aws/aws-sdk-js/issues/4189>: deleting it again answers it.
#[tokio::test]
async fn an_inactive_one_keeps_what_it_was() {
    let town = Town::with_service().await;
    let before = town.describe().await;
    town.delete(true).await.expect("deleted");
    town.rest(&[]).await;
    let gone = town.describe().await;
    assert_eq!(gone.status.as_deref(), Some("INACTIVE"));
    assert_eq!(gone.task_definition, before.task_definition);
    assert_eq!(gone.launch_type, before.launch_type);
    assert_eq!(gone.network_configuration, before.network_configuration);
    assert_eq!(gone.role_arn, before.role_arn);
    assert_eq!(gone.deployments, Some(Vec::new()));
    assert_eq!(gone.current_service_deployment, None);
    let again = town.delete(true).await.expect("answered");
    assert_eq!(again.status.as_deref(), Some("INACTIVE"));
}

/// <https://github.com/hashicorp/terraform-provider-aws/issues/31104>
#[tokio::test]
async fn a_grace_period_needs_a_load_balancer() {
    let town = Town::with_service().await;
    let refused =
        "Health check grace period is only valid for services configured to use load balancers";
    let asked = town.update(|u| u.health_check_grace_period_seconds = Some(30));
    assert_eq!(said(asked.await).1, refused);
    let asked = town.create(|c| {
        c.service_name = "other".into();
        c.health_check_grace_period_seconds = Some(30);
    });
    assert_eq!(said(asked.await).1, refused);
    let back = town.update(|u| u.health_check_grace_period_seconds = Some(0));
    back.await.expect("as described");
    // Without a network of its own it has none.
    let mut bridge = definition("bridge");
    bridge.network_mode = None;
    bridge.requires_compatibilities = None;
    let made = town.lab.call(ops::RegisterTaskDefinition, bridge).await;
    made.expect("registered");
    let made = town.create(|c| {
        c.service_name = "bridge".into();
        c.task_definition = Some("bridge".into());
        c.launch_type = Some("EC2".into());
        c.network_configuration = None;
    });
    let made = made.await.expect("created");
    assert_eq!(made.health_check_grace_period_seconds, None);
    assert_eq!(made.role_arn, None);
}

/// <https://docs.aws.amazon.com/cli/latest/reference/ecs/describe-service-deployments.html#examples>
#[tokio::test]
async fn a_service_deployment_without_alarms_has_their_status_only() {
    let town = Town::with_service().await;
    let arn = town.describe().await.current_service_deployment;
    let input = api::DescribeServiceDeploymentsInput {
        service_deployment_arns: vec![arn.expect("one")],
    };
    let shown = town.lab.call(ops::DescribeServiceDeployments, input).await;
    let shown = shown.expect("described").service_deployments.expect("one");
    let alarms = shown[0].alarms.as_ref().expect("a member");
    assert_eq!(alarms.status.as_deref(), Some("DISABLED"));
    assert_eq!(alarms.alarm_names, None);
    assert_eq!(alarms.triggered_alarm_names, None);
    let revision = shown[0].target_service_revision.clone().expect("one");
    let input = api::DescribeServiceRevisionsInput {
        service_revision_arns: vec![revision.arn.expect("an ARN")],
    };
    let shown = town.lab.call(ops::DescribeServiceRevisions, input).await;
    let shown = shown.expect("described").service_revisions.expect("one");
    assert_eq!(shown[0].load_balancers, None);
    assert_eq!(shown[0].service_registries, None);
}
