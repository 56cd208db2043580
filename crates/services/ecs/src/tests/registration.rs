//! Machines that become container instances.

use super::instances::{machine, register_bridge, start_on};
use super::{Lab, said};
use crate::Deregistration;
use crate::fleet::ClusterId;
use crate::instances::{deregister, register};
use crate::model::{ContainerInstance, InstanceStatus};
use futures_util::future::join;
use neargate_api_ecs::{self as api, ops};
use neargate_service::controller::Controller;

/// The controller ends what the call has made to leave, at whatever moment of the call.
#[tokio::test]
async fn a_forced_deregistration_answers_the_instance_it_found() {
    for seed in 0..12 {
        let lab = Lab::seeded(seed);
        let instance = register(&lab.house, machine(&lab, "default", "a")).await;
        let id = instance.expect("new").id.clone();
        let key = ClusterId::new(&lab.scope, "default").key::<ContainerInstance>(&id);
        let controller = Deregistration {
            db: lab.house.db.clone(),
            fleet: lab.ecs.fleet.clone(),
        };
        let ends = async {
            loop {
                let view = controller.view(&key).await.expect("read").expect("there");
                for action in controller.plan(&view, lab.house.now()).actions {
                    controller.apply(action).await.expect("applied");
                }
                let now = lab.house.db.get_key::<ContainerInstance>(&key).await;
                if now.expect("read").expect("there").status == InstanceStatus::Inactive {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let call = deregister(&lab.ecs, &lab.house, &lab.scope, "default", &id, true);
        let (gone, ()) = join(call, ends).await;
        let gone = gone.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(gone.status, InstanceStatus::Inactive, "seed {seed}");
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

/// A machine that registers twice at the same time, and one that does while another leaves.
#[tokio::test]
async fn registrations_at_the_same_time_agree() {
    for seed in 0..12 {
        let lab = Lab::seeded(seed);
        lab.create_cluster("default").await;
        let (a, b) = join(
            register(&lab.house, machine(&lab, "default", "a")),
            register(&lab.house, machine(&lab, "default", "a")),
        )
        .await;
        let (a, b) = (a.expect("registered"), b.expect("registered"));
        assert_eq!(a.id, b.id, "seed {seed}");
        let (gone, back) = join(
            deregister(&lab.ecs, &lab.house, &lab.scope, "default", &a.id, false),
            register(&lab.house, machine(&lab, "default", "a")),
        )
        .await;
        assert_eq!(gone.expect("empty").status, InstanceStatus::Inactive);
        let back = back.expect("registered");
        let now = register(&lab.house, machine(&lab, "default", "a")).await;
        let now = now.expect("registered");
        assert_ne!(now.id, a.id, "seed {seed}");
        assert!(back.id == a.id || back.id == now.id, "seed {seed}");
    }
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

#[tokio::test]
async fn other_agents_can_register_and_get_no_tasks() {
    let lab = Lab::new();
    register_bridge(&lab, "web", 0).await;
    lab.create_cluster("c").await;
    let document = r#"{"instanceId":"i-0123","instanceType":"t3.micro","availabilityZone":"us-east-1b","imageId":"ami-1","region":"us-east-1"}"#;
    let input = api::RegisterContainerInstanceInput {
        cluster: Some("c".into()),
        instance_identity_document: Some(document.into()),
        version_info: Some(api::VersionInfo {
            agent_version: Some("1.98.0".into()),
            agent_hash: Some("ec39785b".into()),
            docker_version: Some("DockerVersion: 25.0.13".into()),
        }),
        total_resources: Some(vec![api::Resource {
            name: Some("CPU".into()),
            r#type: Some("INTEGER".into()),
            integer_value: Some(1_024),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let registered = lab
        .call(ops::RegisterContainerInstance, input.clone())
        .await;
    let shown = registered
        .expect("registered")
        .container_instance
        .expect("shown");
    assert_eq!(shown.agent_connected, Some(false));
    assert_eq!(shown.version_info, input.version_info);
    let value = |name: &str| {
        let mut all = shown.attributes.iter().flatten();
        all.find(|a| a.name == name).and_then(|a| a.value.clone())
    };
    assert_eq!(value("ecs.instance-type").as_deref(), Some("t3.micro"));
    assert_eq!(
        value("ecs.availability-zone").as_deref(),
        Some("us-east-1b")
    );
    let arn = shown.container_instance_arn.expect("named");
    let again = api::RegisterContainerInstanceInput {
        container_instance_arn: Some(arn.clone()),
        ..input.clone()
    };
    let again = lab.call(ops::RegisterContainerInstance, again).await;
    let again = again.expect("known").container_instance.expect("shown");
    assert_eq!(again.container_instance_arn, Some(arn.clone()));
    let start = api::StartTaskInput {
        cluster: Some("c".into()),
        ..start_on("web", &[&arn])
    };
    let started = lab.call(ops::StartTask, start).await.expect("answered");
    let failures = started.failures.expect("set");
    assert_eq!(failures[0].reason.as_deref(), Some("AGENT"));
    let other = api::RegisterContainerInstanceInput {
        container_instance_arn: Some(format!("{}{}", &arn[..arn.len() - 32], "0".repeat(32))),
        ..input.clone()
    };
    let bad_document = |document: Option<&str>| api::RegisterContainerInstanceInput {
        instance_identity_document: document.map(Into::into),
        ..input.clone()
    };
    for bad in [
        other,
        bad_document(None),
        bad_document(Some("{}")),
        bad_document(Some("[")),
        bad_document(Some(r#"{"instanceId":"i-1/../x"}"#)),
    ] {
        assert!(
            lab.call(ops::RegisterContainerInstance, bad.clone())
                .await
                .is_err(),
            "{bad:?}"
        );
    }
    let update = |id: &str| api::UpdateContainerAgentInput {
        cluster: Some("c".into()),
        container_instance: id.into(),
    };
    let refused = said(lab.call(ops::UpdateContainerAgent, update(&arn)).await);
    assert_eq!(refused.0, "NoUpdateAvailableException");
    let delete = api::DeleteClusterInput {
        cluster: "c".into(),
    };
    let refused = said(lab.call(ops::DeleteCluster, delete).await);
    assert_eq!(refused.0, "ClusterContainsContainerInstancesException");
}

/// Whoever knows a machine's id calls the public operation with it.
#[tokio::test]
async fn nobody_rewrites_the_instance_of_a_node() {
    let lab = Lab::new();
    let mut of_node = machine(&lab, "default", "i-0a");
    of_node.ec2_instance_id = "i-0a".into();
    let real = register(&lab.house, of_node).await.expect("registered");
    let input = api::RegisterContainerInstanceInput {
        instance_identity_document: Some(
            r#"{"instanceId":"i-0a","instanceType":"u-24tb1.metal"}"#.into(),
        ),
        version_info: Some(api::VersionInfo {
            agent_version: Some("9.9.9".into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let arn = real.arn.clone();
    for claimed in [None, Some(arn.to_string())] {
        let input = api::RegisterContainerInstanceInput {
            container_instance_arn: claimed,
            ..input.clone()
        };
        let refused = lab.call(ops::RegisterContainerInstance, input).await;
        assert_eq!(said(refused).0, "ClientException");
    }
    let kept = lab.house.db.get_key::<ContainerInstance>(&real.key).await;
    assert_eq!(kept.expect("read"), Some(real));
}
