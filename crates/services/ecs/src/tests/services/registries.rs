//! Services that Cloud Map finds: a small Cloud Map says what it was asked.

use super::{Town, checked};
use crate::registries::Registrar;
use crate::tests::definition;
use neargate_api_ecs::{self as api, ops};
use neargate_api_servicediscovery as map;
use neargate_domain::{DesiredState, Health};
use neargate_service::controller::Controller;
use neargate_service::{AwsError, Ctx, OperationTable};
use neargate_wire::structure::Unit;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

const ARN: &str = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1";
/// It has SRV records.
const SRV: &str = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-2";

type Attributes = BTreeMap<String, String>;

/// What is registered: attributes by the instance's id, and what was said of its health.
#[derive(Debug, Default)]
struct Registry {
    instances: Mutex<BTreeMap<String, (Attributes, &'static str)>>,
}

async fn get(
    _: Arc<Registry>,
    _: Ctx,
    input: map::GetServiceInput,
) -> Result<map::GetServiceOutput, AwsError> {
    let record = match input.id.as_str() {
        ARN => "A",
        SRV => "SRV",
        _ => return Err(AwsError::client("ServiceNotFound", "none")),
    };
    let service = map::Service {
        dns_config: Some(map::DnsConfig {
            dns_records: vec![map::DnsRecord {
                r#type: record.into(),
                ttl: 10,
            }],
            ..Default::default()
        }),
        health_check_custom_config: Some(map::HealthCheckCustomConfig::default()),
        ..Default::default()
    };
    Ok(map::GetServiceOutput {
        service: Some(service),
    })
}

async fn register(
    registry: Arc<Registry>,
    _: Ctx,
    input: map::RegisterInstanceInput,
) -> Result<map::RegisterInstanceOutput, AwsError> {
    let mut instances = registry.instances.lock();
    instances.insert(input.instance_id, (input.attributes, "HEALTHY"));
    Ok(map::RegisterInstanceOutput::default())
}

async fn deregister(
    registry: Arc<Registry>,
    _: Ctx,
    input: map::DeregisterInstanceInput,
) -> Result<map::DeregisterInstanceOutput, AwsError> {
    match registry.instances.lock().remove(&input.instance_id) {
        Some(_) => Ok(map::DeregisterInstanceOutput::default()),
        None => Err(AwsError::client("InstanceNotFound", "none")),
    }
}

async fn report(
    registry: Arc<Registry>,
    _: Ctx,
    input: map::UpdateInstanceCustomHealthStatusInput,
) -> Result<Unit, AwsError> {
    let mut instances = registry.instances.lock();
    let instance = instances.get_mut(&input.instance_id).expect("registered");
    instance.1 = match input.status.as_str() {
        "HEALTHY" => "HEALTHY",
        _ => "UNHEALTHY",
    };
    Ok(Unit)
}

async fn town(input: api::RegisterTaskDefinitionInput) -> (Town, Arc<Registry>) {
    let town = Town::new().await;
    let registry = Arc::new(Registry::default());
    let table = OperationTable::new(&map::SERVICE, registry.clone())
        .on(map::ops::GetService, get)
        .on(map::ops::RegisterInstance, register)
        .on(map::ops::DeregisterInstance, deregister)
        .on(map::ops::UpdateInstanceCustomHealthStatus, report);
    town.lab.house.caller.connect(vec![Arc::new(table)]);
    let registered = town.lab.call(ops::RegisterTaskDefinition, input).await;
    registered.expect("registered");
    (town, registry)
}

fn found(arn: &str) -> api::ServiceRegistry {
    api::ServiceRegistry {
        registry_arn: Some(arn.into()),
        ..Default::default()
    }
}

/// The registrar does what is due of every task.
async fn registered(town: &Town) {
    let registrar = Registrar {
        ecs: town.lab.ecs.clone(),
        house: town.lab.house.clone(),
    };
    for task in town.tasks().await {
        for _ in 0..10 {
            let Some(view) = registrar.view(&task.key).await.expect("read") else {
                break;
            };
            for action in registrar.plan(&view, town.lab.house.now()).actions {
                let _ = registrar.apply(action).await.expect("applied");
            }
        }
    }
}

#[tokio::test]
async fn tasks_are_instances_while_they_run() {
    let (town, registry) = town(definition("web")).await;
    let created = town
        .create(|c| c.service_registries = Some(vec![found(ARN)]))
        .await;
    assert_eq!(created.unwrap().service_registries, Some(vec![found(ARN)]));
    town.rest(&[]).await;
    registered(&town).await;
    let tasks = town.live().await;
    let instances = registry.instances.lock().clone();
    assert_eq!(instances.len(), 2);
    let (attributes, _) = &instances[&tasks[0].spec.assignment.task_id];
    let network = tasks[0].spec.assignment.network.interface().unwrap();
    assert_eq!(
        attributes["AWS_INSTANCE_IPV4"],
        network.private_ipv4.to_string()
    );
    assert_eq!(attributes["ECS_SERVICE_NAME"], "web");
    assert_eq!(attributes["ECS_CLUSTER_NAME"], "c");
    assert!(!attributes.contains_key("AWS_INSTANCE_PORT"));

    // It is found no longer before its containers are told to end.
    town.update(|u| u.desired_count = Some(1)).await.unwrap();
    town.settle().await;
    let held = |t: &&neargate_service::Stored<crate::model::Task>| {
        t.spec.stop.is_some() && t.spec.assignment.desired == DesiredState::Running
    };
    assert_eq!(town.tasks().await.iter().filter(held).count(), 1);
    registered(&town).await;
    assert_eq!(registry.instances.lock().len(), 1);
    assert_eq!(town.tasks().await.iter().filter(held).count(), 0);
    town.rest(&[]).await;
    // One that ends by itself is found no longer either, and another takes its place.
    let last = town.live().await.remove(0);
    town.ends(&last, "EssentialContainerExited").await;
    registered(&town).await;
    assert!(registry.instances.lock().is_empty());
}

#[tokio::test]
async fn what_health_checks_find_is_reported() {
    let (town, registry) = town(checked("web")).await;
    let created = town.create(|c| {
        c.desired_count = Some(1);
        c.service_registries = Some(vec![found(ARN)]);
    });
    created.await.unwrap();
    town.rest(&[]).await;
    registered(&town).await;
    assert!(
        registry.instances.lock().is_empty(),
        "nobody found it healthy yet"
    );
    let task = town.live().await.remove(0);
    town.health(&task, Health::Healthy).await;
    registered(&town).await;
    let id = task.spec.assignment.task_id.clone();
    assert_eq!(registry.instances.lock()[&id].1, "HEALTHY");
    town.health(&task, Health::Unhealthy).await;
    registered(&town).await;
    assert_eq!(registry.instances.lock()[&id].1, "UNHEALTHY");
}

#[tokio::test]
async fn registries_are_checked() {
    let (town, _) = town(definition("web")).await;
    let refused = [
        (
            api::ServiceRegistry {
                container_name: Some("app".into()),
                container_port: Some(80),
                ..found(ARN)
            },
            "The values specified for serviceRegistries do not require a value for 'containerPort'. \
             Remove the value and retry.",
        ),
        (
            api::ServiceRegistry {
                port: Some(80),
                container_name: Some("app".into()),
                container_port: Some(80),
                ..found(SRV)
            },
            "Specify a value for either 'port' or the 'containerName' and 'containerPort' combination, \
             but not both. Remove one and retry.",
        ),
        (found(SRV), "Specify a value for either 'port' or"),
        (
            found("arn:none"),
            "The service registry arn:none does not exist.",
        ),
        (
            api::ServiceRegistry {
                container_name: Some("none".into()),
                container_port: Some(80),
                ..found(SRV)
            },
            "The container none does not exist in the task definition.",
        ),
    ];
    for (registry, why) in refused {
        let created = town
            .create(|c| c.service_registries = Some(vec![registry]))
            .await;
        let error = created.expect_err("refused");
        assert!(error.message.contains(why), "{error}");
    }
    let two = Some(vec![found(ARN), found(ARN)]);
    let created = town.create(|c| c.service_registries = two).await;
    assert!(
        created
            .expect_err("refused")
            .message
            .contains("at most 1 items")
    );
}
