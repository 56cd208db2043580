//! Targets and their health.

use super::*;
use crate::edges;
use neargate_domain::load_balancer::{TargetHealth, TargetKey, TargetReason, TargetState};
use neargate_service::instance::{self, Instance, NewInstance, Power, State};
use neargate_service::target_health;
use neargate_service::{Committed, db};
use std::net::Ipv4Addr;
use std::time::Duration;

impl Place {
    /// An address in a default subnet.
    pub(crate) fn address(&self, subnet: usize, last: u8) -> String {
        let base = u32::from(self.vpc.subnets[subnet].base);
        Ipv4Addr::from(base + u32::from(last)).to_string()
    }

    /// A group that a load balancer leads to.
    pub(crate) async fn used(&self) -> (String, String) {
        let balancer = self.make(self.application("web")).await;
        let group = self.group("web").await;
        self.listen(&balancer, 80, forward(&group)).await;
        (balancer, group)
    }

    pub(crate) async fn observe(
        &self,
        group: &str,
        id: &str,
        state: TargetState,
        reason: Option<TargetReason>,
    ) {
        let health = TargetHealth {
            target_group_arn: group.into(),
            key: TargetKey {
                id: id.into(),
                port: 80,
            },
            state,
            reason,
            description: None,
        };
        edges::report(&self.cx.house, vec![health]).await.unwrap();
    }

    /// An instance in this state, by its id.
    pub(crate) async fn instance(&self, state: State) -> String {
        let house = &self.cx.house;
        let id = instance::new_id(house);
        let new = NewInstance {
            instance_type: "t3.small".into(),
            subnet_id: self.vpc.subnets[0].id.clone(),
            ..Default::default()
        };
        let made = instance::create(house, &self.cx.scope, house.db.tx(), &id, new, &[]).await;
        let (tx, _) = made.unwrap();
        assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
        self.set_state(&id, state).await;
        id
    }

    pub(crate) async fn set_state(&self, id: &str, state: State) {
        let key = db::key::<Instance>(&self.cx.scope, id);
        let set = instance::observed(&self.cx.house, &key, |i| {
            i.state = state;
            if state == State::Stopped {
                i.wanted = Power::Stopped;
            }
            true
        });
        set.await.unwrap();
    }
}

#[tokio::test]
async fn health_is_what_was_observed_of_this_registration() {
    let place = place();
    let (_, group) = place.used().await;
    let ip = place.address(0, 20);
    place.register(&group, &[(&ip, None)]).await;
    let shown = async || place.health(&group).await.remove(0);
    assert_eq!(
        shown().await,
        format!("{ip}:80 initial Elb.RegistrationInProgress")
    );
    place.observe(&group, &ip, TargetState::Healthy, None).await;
    assert_eq!(shown().await, format!("{ip}:80 healthy "));
    let reason = Some(TargetReason::Timeout);
    place
        .observe(&group, &ip, TargetState::Unhealthy, reason)
        .await;
    assert_eq!(shown().await, format!("{ip}:80 unhealthy Target.Timeout"));

    place.deregister(&group, &[(&ip, None)]).await;
    assert_eq!(
        shown().await,
        format!("{ip}:80 draining Target.DeregistrationInProgress")
    );
    place.observe(&group, &ip, TargetState::Drained, None).await;
    assert_eq!(place.health(&group).await, Vec::<String>::new());
    let known = target_health::of_group(&place.cx.house, &place.cx.scope, &group).await;
    assert_eq!(known.unwrap().targets, vec![], "nothing is kept of it");
    place.register(&group, &[(&ip, None)]).await;
    assert_eq!(
        shown().await,
        format!("{ip}:80 initial Elb.RegistrationInProgress")
    );
}

#[tokio::test]
async fn draining_ends_by_time_and_by_registering_again() {
    let place = place();
    let (_, group) = place.used().await;
    let ip = place.address(0, 20);
    place.register(&group, &[(&ip, None)]).await;
    place.observe(&group, &ip, TargetState::Healthy, None).await;
    place.deregister(&group, &[(&ip, None)]).await;
    place.register(&group, &[(&ip, None)]).await;
    assert_eq!(place.health(&group).await, [format!("{ip}:80 healthy ")]);
    place.deregister(&group, &[(&ip, None)]).await;
    place.lab.clock.advance(Duration::from_secs(299));
    assert_eq!(place.health(&group).await.len(), 1);
    place.lab.clock.advance(Duration::from_secs(1));
    assert_eq!(place.health(&group).await, Vec::<String>::new());
}

#[tokio::test]
async fn nothing_drains_that_carries_nothing() {
    let place = place();
    let group = place.group("web").await;
    let ip = place.address(0, 20);
    place
        .register(&group, &[(&ip, None), (&ip, Some(81))])
        .await;
    assert_eq!(
        place.health(&group).await,
        [
            format!("{ip}:80 unused Target.NotInUse"),
            format!("{ip}:81 unused Target.NotInUse")
        ]
    );
    place
        .deregister(&group, &[(&ip, None), ("10.0.0.1", None)])
        .await;
    assert_eq!(
        place.health(&group).await,
        [format!("{ip}:81 unused Target.NotInUse")]
    );
}

#[tokio::test]
async fn the_four_reasons_of_unused() {
    let place = place();
    let (_, group) = place.used().await;
    let elsewhere = place.address(2, 20);
    let addresses = place
        .cx
        .db()
        .list::<crate::model::LoadBalancer>(&place.cx.scope)
        .await;
    let own = addresses.unwrap()[0].nodes[0].private_ipv4.to_string();
    place
        .register(&group, &[(&elsewhere, None), (&own, None)])
        .await;
    let mut health = place.health(&group).await;
    health.sort();
    let mut expected = [
        format!("{elsewhere}:80 unused Target.NotInUse"),
        format!("{own}:80 unused Target.IpUnusable"),
    ];
    expected.sort();
    assert_eq!(health, expected);
    let asked = api::DescribeTargetHealthInput {
        target_group_arn: group.clone(),
        targets: Some(descriptions(&[("10.9.9.9", None)])),
        include: None,
    };
    let out = place.call(ops::DescribeTargetHealth, asked).await.unwrap();
    let shown = out.target_health_descriptions.unwrap().remove(0);
    assert_eq!(shown.administrative_override, None);
    let shown = shown.target_health.unwrap();
    assert_eq!(shown.state.as_deref(), Some("unused"));
    assert_eq!(shown.reason.as_deref(), Some("Target.NotRegistered"));

    let instances = api::CreateTargetGroupInput {
        target_type: None,
        ..place.group_input("instances", "HTTP")
    };
    let instances = place
        .try_group(instances)
        .await
        .unwrap()
        .target_group_arn
        .unwrap();
    let balancer = place.make(place.application("other")).await;
    place.listen(&balancer, 80, forward(&instances)).await;
    let id = place.instance(State::Running).await;
    place.register(&instances, &[(&id, None)]).await;
    assert_eq!(
        place.health(&instances).await,
        [format!("{id}:80 initial Elb.RegistrationInProgress")]
    );
    place.set_state(&id, State::Stopped).await;
    assert_eq!(
        place.health(&instances).await,
        [format!("{id}:80 unused Target.InvalidState")]
    );
}

#[tokio::test]
async fn bad_targets_are_refused() {
    let place = place();
    let group = place.group("web").await;
    let refuse = async |target: api::TargetDescription, code: &str, message: &str| {
        let input = api::RegisterTargetsInput {
            target_group_arn: group.clone(),
            targets: vec![target],
        };
        refused(place.call(ops::RegisterTargets, input).await, code, message);
    };
    let target = |id: &str, zone: Option<&str>| api::TargetDescription {
        id: id.into(),
        availability_zone: zone.map(str::to_owned),
        ..Default::default()
    };
    let own = place.address(0, 20);
    let zone = &place.vpc.subnets[0].availability_zone;
    refuse(
        target("web", None),
        "ValidationError",
        "The IP address 'web' is not a valid IPv4 address",
    )
    .await;
    refuse(
        target(&own, Some("all")),
        "ValidationError",
        &format!(
            "The IP address '{own}' is within the VPC, and cannot have its Availability Zone overridden to 'all' from '{zone}'"
        ),
    )
    .await;
    refuse(
        target("10.99.0.1", None),
        "ValidationError",
        "The Availability Zone is required for IP address '10.99.0.1' because it is not in the VPC",
    )
    .await;
    refuse(
        target("10.99.0.1", Some("us-east-1a")),
        "ValidationError",
        "The Availability Zone for IP address '10.99.0.1' must be 'all' for Application Load Balancer target groups, when not within the VPC",
    )
    .await;
    refused_as(
        place.try_register(&group, &[("8.8.8.8", None)]).await,
        "ValidationError",
    );
    refused_as(place.try_register(&group, &[]).await, "ValidationError");
    let far = api::RegisterTargetsInput {
        target_group_arn: group.clone(),
        targets: vec![target("10.99.0.1", Some("all"))],
    };
    place.call(ops::RegisterTargets, far).await.unwrap();

    let instances = api::CreateTargetGroupInput {
        target_type: None,
        ..place.group_input("instances", "HTTP")
    };
    let instances = place
        .try_group(instances)
        .await
        .unwrap()
        .target_group_arn
        .unwrap();
    refused(
        place.try_register(&instances, &[("10.0.0.1", None)]).await,
        "ValidationError",
        "Instance ID '10.0.0.1' is not valid",
    );
    refused_as(
        place.try_register(&instances, &[("i-0", None)]).await,
        "InvalidTarget",
    );
    let pending = place.instance(State::Pending).await;
    refused(
        place.try_register(&instances, &[(&pending, None)]).await,
        "InvalidTarget",
        &format!(
            "The following targets are not in a running state and cannot be registered: '{pending}'"
        ),
    );
}

#[tokio::test]
async fn there_are_not_too_many() {
    let place = place();
    let group = place.group("web").await;
    let target = |n: u32| api::TargetDescription {
        id: place.address(0, 20),
        port: i32::try_from(n).ok(),
        ..Default::default()
    };
    let register = async |ports: std::ops::Range<u32>| {
        let input = api::RegisterTargetsInput {
            target_group_arn: group.clone(),
            targets: ports.map(target).collect(),
        };
        place.call(ops::RegisterTargets, input).await
    };
    register(1..1_001).await.unwrap();
    register(1..1_001).await.unwrap();
    refused_as(register(2_000..2_001).await, "TooManyTargets");
    assert_eq!(place.health(&group).await.len(), 1_000);
    let input = api::DeleteTargetGroupInput {
        target_group_arn: group,
    };
    place.call(ops::DeleteTargetGroup, input).await.unwrap();
    let left = place.cx.db().store().range("elbv2/", None, 10, None);
    assert_eq!(left.await.unwrap().entries, vec![]);
}

#[tokio::test]
async fn a_load_balancer_is_a_target() {
    let place = place();
    let application = place.make(place.application("web")).await;
    let input = api::CreateTargetGroupInput {
        target_type: some("alb"),
        ..place.group_input("front", "TCP")
    };
    let group = place
        .try_group(input)
        .await
        .unwrap()
        .target_group_arn
        .unwrap();
    refused_as(
        place.try_register(&group, &[(&application, None)]).await,
        "InvalidTarget",
    );
    place.listen(&application, 80, answer("200")).await;
    place.register(&group, &[(&application, None)]).await;
    let network = place.make(place.network("front")).await;
    place
        .try_listen(&network, "TCP", 80, forward(&group))
        .await
        .unwrap();
    assert_eq!(
        place.health(&group).await,
        [format!(
            "{application}:80 initial Elb.RegistrationInProgress"
        )]
    );
    let input = api::DeleteLoadBalancerInput {
        load_balancer_arn: application.clone(),
    };
    refused_as(
        place.call(ops::DeleteLoadBalancer, input).await,
        "ResourceInUse",
    );
}
