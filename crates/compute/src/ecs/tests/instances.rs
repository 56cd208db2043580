//! Container instances: registration and the way out.

use super::{Lab, said};
use crate::ecs::instances::{Registration, deregister, register};
use crate::ecs::model::InstanceStatus;
use neargate_domain::{LaunchType, Resources};

/// The node `name` as an EC2 instance of `cluster`.
pub(super) fn machine(lab: &Lab, cluster: &str, name: &str) -> Registration {
    Registration {
        scope: lab.scope.clone(),
        cluster: cluster.into(),
        node: Some(name.into()),
        ec2_instance_id: format!("i-{name}"),
        launch_type: LaunchType::Ec2,
        resources: Resources {
            cpu_units: 2_048,
            memory_mib: 3_900,
            reserved_tcp_ports: vec![22],
            eni_slots: 3,
            ..Default::default()
        },
        attributes: [("ecs.instance-type".to_owned(), Some("t3.medium".to_owned()))].into(),
        agent_version: "1.0.0".into(),
        tags: Default::default(),
        capacity_provider: None,
    }
}

#[tokio::test]
async fn a_machine_is_one_instance_however_often_it_registers() {
    let lab = Lab::new();
    let first = register(&lab.house, machine(&lab, "default", "a"))
        .await
        .expect("new");
    assert_eq!(first.attribute("ecs.availability-zone"), Some("us-east-1a"));
    let again = register(&lab.house, machine(&lab, "default", "a"))
        .await
        .expect("known");
    assert_eq!(again, first);
    let mut bigger = machine(&lab, "default", "a");
    bigger.resources.cpu_units = 4_096;
    bigger.attributes = [("ecs.instance-type".to_owned(), Some("t3.large".to_owned()))].into();
    bigger.tags = [("a".to_owned(), "b".to_owned())].into();
    let bigger = register(&lab.house, bigger).await.expect("known");
    assert_eq!((&bigger.id, bigger.version), (&first.id, 2));
    assert_eq!(bigger.attribute("ecs.instance-type"), Some("t3.large"));
    assert_eq!(
        bigger.attribute("ecs.availability-zone"),
        Some("us-east-1a")
    );
    assert_eq!(bigger.registered.cpu_units, 4_096);
    assert!(bigger.tags.is_empty(), "tags count the first time");
    let other = register(&lab.house, machine(&lab, "default", "b"))
        .await
        .expect("new");
    assert_ne!(other.id, first.id);
    assert_eq!(other.attribute("ecs.availability-zone"), Some("us-east-1b"));
    let scope = &lab.scope;
    let gone = deregister(&lab.ecs, &lab.house, scope, "default", &first.id, false).await;
    assert_eq!(gone.expect("empty").status, InstanceStatus::Inactive);
    let twice = deregister(&lab.ecs, &lab.house, scope, "default", &first.id, false).await;
    assert_eq!(said(twice).0, "InvalidParameterException");
    let back = register(&lab.house, machine(&lab, "default", "a"))
        .await
        .expect("new");
    assert_ne!(
        back.id, first.id,
        "a deregistered machine comes back as another instance"
    );
}

#[tokio::test]
async fn registrations_that_are_refused() {
    let lab = Lab::new();
    let none = register(&lab.house, machine(&lab, "none", "a")).await;
    assert_eq!(said(none).0, "ClusterNotFoundException");
    for (name, value) in [("", "v"), ("a b", "v"), ("a", " v"), ("a", ""), ("a", "é")] {
        let mut bad = machine(&lab, "default", "a");
        bad.attributes.insert(name.into(), Some(value.into()));
        let refused = said(register(&lab.house, bad).await);
        assert_eq!(refused.0, "InvalidParameterException", "{name:?} {value:?}");
    }
    let mut unknown = machine(&lab, "default", "a");
    unknown.capacity_provider = Some("none".into());
    let refused = said(register(&lab.house, unknown).await);
    assert_eq!(refused.0, "InvalidParameterException");
}
