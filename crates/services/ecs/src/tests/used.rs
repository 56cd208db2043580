//! What a service keeps from going: its cluster, its task definition; and what is said of it.

use super::services::Town;
use super::{Lab, arn, said};
use crate::Deletion;
use crate::model::TaskDefinition;
use neargate_api_ecs::{self as api, ops};
use neargate_service::controller::Controller;
use neargate_service::db;
use std::collections::BTreeMap;

async fn statistics(lab: &Lab) -> (BTreeMap<String, String>, Option<i32>) {
    let input = api::DescribeClustersInput {
        clusters: Some(vec!["c".into()]),
        include: Some(vec!["STATISTICS".into()]),
    };
    let output = lab
        .call(ops::DescribeClusters, input)
        .await
        .expect("described");
    let cluster = output.clusters.expect("set").remove(0);
    let pairs = cluster.statistics.expect("asked for").into_iter();
    let pairs = pairs.filter_map(|p| Some((p.name?, p.value?)));
    (
        pairs.filter(|(_, value)| value != "0").collect(),
        cluster.active_services_count,
    )
}

fn delete_cluster() -> api::DeleteClusterInput {
    api::DeleteClusterInput {
        cluster: "c".into(),
    }
}

/// Is the family's one definition due to be deleted?
pub(super) async fn is_doomed(lab: &Lab, family: &str) -> bool {
    let controller = Deletion {
        db: lab.house.db.clone(),
        fleet: lab.ecs.fleet.clone(),
    };
    let key = db::key::<TaskDefinition>(&lab.scope, &TaskDefinition::id(family, 1));
    let view = controller.view(&key).await.expect("read").expect("exists");
    !controller.plan(&view, lab.house.now()).actions.is_empty()
}

#[tokio::test]
async fn a_service_holds_its_cluster_and_its_definition() {
    let town = Town::new().await;
    let definition = town.lab.register("web").await;
    town.create(|_| {}).await.expect("created");
    town.settle().await;
    for task in town.live().await {
        town.runs(&task).await;
    }
    town.settle().await;
    let (numbers, active) = statistics(&town.lab).await;
    let numbers: Vec<_> = numbers
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        numbers,
        [
            ("activeFargateServiceCount", "1"),
            ("runningFargateTasksCount", "2")
        ]
    );
    assert_eq!(active, Some(1));
    let refused = said(town.lab.call(ops::DeleteCluster, delete_cluster()).await);
    assert_eq!(refused.0, "ClusterContainsServicesException");

    let tasks: Vec<String> = town
        .live()
        .await
        .iter()
        .map(|t| t.spec.arn.clone())
        .collect();
    let listed = api::ListTasksInput {
        cluster: Some("c".into()),
        service_name: Some("web".into()),
        ..Default::default()
    };
    let listed = town.lab.call(ops::ListTasks, listed).await.expect("listed");
    let mut sorted = tasks.clone();
    sorted.sort();
    assert_eq!(listed.task_arns, Some(sorted));
    let protect = api::UpdateTaskProtectionInput {
        cluster: "c".into(),
        tasks: tasks.clone(),
        protection_enabled: true,
        expires_in_minutes: None,
    };
    let protected = town.lab.call(ops::UpdateTaskProtection, protect).await;
    assert_eq!(protected.expect("answered").failures, Some(vec![]));

    let service = town.describe().await.service_arn.expect("named");
    let tag = api::TagResourceInput {
        resource_arn: service.clone(),
        tags: vec![api::Tag {
            key: Some("a".into()),
            value: Some("b".into()),
        }],
    };
    town.lab.call(ops::TagResource, tag).await.expect("tagged");
    assert_eq!(town.describe().await.tags.expect("asked for").len(), 1);
    let short = api::ListTagsForResourceInput {
        resource_arn: service.replace("/c/", "/"),
    };
    let refused = said(town.lab.call(ops::ListTagsForResource, short).await);
    assert_eq!(
        refused.1,
        "Long arn format must be used for tagging operations"
    );

    let deregister = api::DeregisterTaskDefinitionInput {
        task_definition: definition.clone(),
    };
    town.lab
        .call(ops::DeregisterTaskDefinition, deregister)
        .await
        .expect("deregistered");
    let delete = api::DeleteTaskDefinitionsInput {
        task_definitions: vec![definition],
    };
    town.lab
        .call(ops::DeleteTaskDefinitions, delete)
        .await
        .expect("marked");
    assert!(
        !is_doomed(&town.lab, "web").await,
        "a service and its tasks use it"
    );

    town.delete(true).await.expect("deleted");
    town.settle().await;
    let (_, active) = statistics(&town.lab).await;
    assert_eq!(active, Some(0));
    let refused = said(town.lab.call(ops::DeleteCluster, delete_cluster()).await);
    assert_eq!(refused.0, "ClusterContainsTasksException");
    for task in town.tasks().await {
        town.lab.end(&task.spec.arn).await;
    }
    town.settle().await;
    assert!(is_doomed(&town.lab, "web").await, "nothing uses it");
    town.lab
        .call(ops::DeleteCluster, delete_cluster())
        .await
        .expect("empty");
    let gone = api::ListTasksInput {
        cluster: Some("c".into()),
        ..Default::default()
    };
    let refused = said(town.lab.call(ops::ListTasks, gone).await);
    assert_eq!(refused.1, "The referenced cluster was inactive.");
}

/// A capacity provider is its instances.
#[tokio::test]
async fn tasks_of_a_provider_go_to_its_instances() {
    use super::instances::{connected, machine, register_bridge, seen};
    let lab = Lab::new();
    register_bridge(&lab, "web", 0).await;
    let other = connected(&lab, "other").await;
    let create = api::CreateCapacityProviderInput {
        name: "mine".into(),
        auto_scaling_group_provider: Some(api::AutoScalingGroupProvider {
            auto_scaling_group_arn: "group".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    lab.call(ops::CreateCapacityProvider, create)
        .await
        .expect("created");
    let item = api::CapacityProviderStrategyItem {
        capacity_provider: "mine".into(),
        weight: Some(1),
        base: None,
    };
    let put = api::PutClusterCapacityProvidersInput {
        cluster: "default".into(),
        capacity_providers: vec!["mine".into()],
        default_capacity_provider_strategy: vec![item],
    };
    lab.call(ops::PutClusterCapacityProviders, put)
        .await
        .expect("put");
    let run = api::RunTaskInput {
        task_definition: "web".into(),
        ..Default::default()
    };
    let refused = said(lab.run(run.clone()).await);
    assert_eq!(
        refused.1,
        "No Container Instances were found in your capacity provider."
    );
    let mut of_provider = machine(&lab, "default", "mine");
    of_provider.capacity_provider = Some("mine".into());
    lab.ecs
        .nodes
        .connect("mine", neargate_domain::NodeKind::Ec2);
    let mine = crate::instances::register(&lab.house, of_provider).await;
    let mine = mine.expect("registered");
    seen(&lab, &mine.id, true).await;
    let tasks = lab.run(run).await.expect("started");
    assert_ne!(tasks[0].container_instance_arn.as_ref(), Some(&other.arn));
    assert_eq!(tasks[0].container_instance_arn.as_ref(), Some(&mine.arn));
    assert_eq!(tasks[0].capacity_provider_name.as_deref(), Some("mine"));
    assert!(arn(&tasks[0]).contains(":task/default/"));
}
