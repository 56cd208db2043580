//! Target groups of a group. Elastic Load Balancing is played: it keeps the states of targets.

use super::{Place, invalid, place, some};
use neargate_api_autoscaling::{self as api, ops};

const ARN: &str = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/web/1";

impl Place {
    async fn with_targets(&self, more: api::CreateAutoScalingGroupInput) {
        self.create(api::CreateAutoScalingGroupInput {
            target_group_arns: Some(vec![ARN.into()]),
            ..more
        })
        .await;
        self.live().await;
    }

    fn targets(&self) -> Vec<(String, String)> {
        let all = self.ec2.targets.lock().clone();
        all.into_iter().collect()
    }

    fn becomes(&self, id: &str, state: Option<&str>) {
        let mut all = self.ec2.targets.lock();
        match state {
            Some(state) => all.insert(id.into(), state.into()),
            None => all.remove(id),
        };
    }
}

#[tokio::test]
async fn instances_are_targets_while_they_are_in_service() {
    let p = place();
    p.with_targets(p.new_group(1, 2)).await;
    let id = p.in_state("InService").await.remove(0);
    assert_eq!(p.targets(), [(id.clone(), "healthy".to_owned())]);
    let input = api::DescribeTrafficSourcesInput {
        auto_scaling_group_name: "web".into(),
        ..Default::default()
    };
    let found = p.call(ops::DescribeTrafficSources, input).await.unwrap();
    let found = found.traffic_sources.unwrap();
    assert_eq!(found[0].state.as_deref(), Some("Added"));
    assert_eq!(found[0].r#type.as_deref(), Some("elbv2"));

    // It drains before it ends.
    let update = api::UpdateAutoScalingGroupInput {
        auto_scaling_group_name: "web".into(),
        min_size: Some(0),
        desired_capacity: Some(0),
        ..Default::default()
    };
    p.call(ops::UpdateAutoScalingGroup, update).await.unwrap();
    p.live().await;
    assert_eq!(p.targets(), [(id.clone(), "draining".to_owned())]);
    assert_eq!(
        p.in_state("Terminating:Proceed").await,
        std::slice::from_ref(&id)
    );
    let all = p.activities().await;
    let drains =
        |a: &api::Activity| a.status_code.as_deref() == Some("WaitingForELBConnectionDraining");
    assert!(all.iter().any(drains));
    p.becomes(&id, None);
    p.live().await;
    assert_eq!(p.described().await.instances.unwrap().len(), 0);
}

#[tokio::test]
async fn what_load_balancers_find_counts_if_the_group_says_so() {
    let p = place();
    p.with_targets(api::CreateAutoScalingGroupInput {
        health_check_type: some("ELB"),
        health_check_grace_period: Some(60),
        ..p.new_group(1, 1)
    })
    .await;
    let id = p.in_state("InService").await.remove(0);
    p.becomes(&id, Some("unhealthy"));
    p.live().await;
    assert_eq!(p.in_state("InService").await, std::slice::from_ref(&id));
    p.later(61);
    p.live().await;
    p.becomes(&id, None);
    p.live().await;
    assert!(!p.in_state("InService").await.contains(&id));
    let causes: Vec<_> = p
        .activities()
        .await
        .into_iter()
        .filter_map(|a| a.cause)
        .collect();
    let why = "taken out of service in response to an ELB system health check failure.";
    assert!(causes.iter().any(|c| c.contains(why)), "{causes:?}");
}

#[tokio::test]
async fn target_groups_come_and_go() {
    let p = place();
    p.create(p.new_group(1, 1)).await;
    p.live().await;
    let id = p.in_state("InService").await.remove(0);
    let attach = |arn: &str| api::AttachLoadBalancerTargetGroupsInput {
        auto_scaling_group_name: "web".into(),
        target_group_arns: vec![arn.into()],
    };
    invalid(
        p.call(ops::AttachLoadBalancerTargetGroups, attach("arn:none"))
            .await,
        "Provided Target Groups may not be valid. Please ensure they exist and try again.",
    );
    p.call(ops::AttachLoadBalancerTargetGroups, attach(ARN))
        .await
        .unwrap();
    p.live().await;
    assert_eq!(p.targets().len(), 1);
    let detach = api::DetachLoadBalancerTargetGroupsInput {
        auto_scaling_group_name: "web".into(),
        target_group_arns: vec![ARN.into()],
    };
    p.call(ops::DetachLoadBalancerTargetGroups, detach)
        .await
        .unwrap();
    p.live().await;
    assert_eq!(p.targets(), [(id.clone(), "draining".to_owned())]);
    let input = || api::DescribeLoadBalancerTargetGroupsInput {
        auto_scaling_group_name: "web".into(),
        ..Default::default()
    };
    let shown = p
        .call(ops::DescribeLoadBalancerTargetGroups, input())
        .await
        .unwrap();
    let shown = shown.load_balancer_target_groups.unwrap();
    assert_eq!(shown[0].state.as_deref(), Some("Removing"));
    p.becomes(&id, None);
    p.live().await;
    let shown = p
        .call(ops::DescribeLoadBalancerTargetGroups, input())
        .await
        .unwrap();
    assert_eq!(shown.load_balancer_target_groups.unwrap().len(), 0);
    assert_eq!(p.in_state("InService").await, [id], "it goes on");
    let classic = api::AttachLoadBalancersInput {
        auto_scaling_group_name: "web".into(),
        load_balancer_names: vec!["classic".into()],
    };
    invalid(
        p.call(ops::AttachLoadBalancers, classic).await,
        "Provided Load Balancers may not be valid. Please ensure they exist and try again.",
    );
}
