//! Cloud Map's operations, called through the table as the gateway calls them.

use crate::ServiceDiscovery;
use crate::controller::Registrar;
use crate::model;
use neargate_api_servicediscovery::{self as api, ops};
use neargate_service::controller::Controller;
use neargate_service::dns::{self, HostedZone, RecordData, RecordSet};
use neargate_service::golden::check;
use neargate_service::vpc::{self, Vpc};
use neargate_service::{AwsError, Component, Resource};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
mod checks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

async fn ask<O: OperationDef>(lab: &Lab, op: O, input: O::Input) -> Result<O::Output, AwsError> {
    call(&*Arc::new(ServiceDiscovery).table(), lab.cx(), op, input).await
}

/// What the controller does when it is woken for a service.
async fn settle(lab: &Lab, service_id: &str) {
    let registrar = Registrar {
        house: lab.house.clone(),
    };
    let key = registrar.key_of(&format!(
        "servicediscovery/service/{}/{}/{service_id}",
        lab.scope.account, lab.scope.region
    ));
    let view = registrar.view(&key.unwrap()).await.unwrap().unwrap();
    for action in registrar.plan(&view, lab.house.now()).actions {
        let _ = registrar.apply(action).await.unwrap();
    }
    let view = registrar.view(&key_of(lab, service_id)).await.unwrap();
    let again = registrar.plan(&view.unwrap(), lab.house.now()).actions;
    assert_eq!(again, [], "planning after applying is empty");
}

fn key_of(lab: &Lab, service_id: &str) -> String {
    format!("{}/{}/{service_id}", lab.scope.account, lab.scope.region)
}

async fn vpc_id(lab: &Lab) -> String {
    vpc::ensure_default(&lab.house, &lab.scope).await.unwrap();
    let all = lab.house.db.list::<Vpc>(&lab.scope).await.unwrap();
    all[0].id().to_owned()
}

/// The operation, which names what it made.
async fn operation(lab: &Lab, id: Option<String>) -> api::Operation {
    let operation_id = id.expect("an operation");
    let input = api::GetOperationInput {
        operation_id,
        ..Default::default()
    };
    let got = ask(lab, ops::GetOperation, input).await.unwrap();
    got.operation.unwrap()
}

async fn private_namespace(lab: &Lab, name: &str) -> Result<String, AwsError> {
    let input = api::CreatePrivateDnsNamespaceInput {
        name: name.into(),
        vpc: vpc_id(lab).await,
        ..Default::default()
    };
    let made = ask(lab, ops::CreatePrivateDnsNamespace, input).await?;
    let operation = operation(lab, made.operation_id).await;
    assert_eq!(operation.status.as_deref(), Some("SUCCESS"));
    Ok(operation.targets.unwrap()["NAMESPACE"].clone())
}

fn record(record_type: &str) -> api::DnsRecord {
    api::DnsRecord {
        r#type: record_type.into(),
        ttl: 10,
    }
}

async fn service(lab: &Lab, namespace: &str, name: &str, records: &[&str]) -> String {
    let input = api::CreateServiceInput {
        name: name.into(),
        namespace_id: Some(namespace.into()),
        dns_config: (!records.is_empty()).then(|| api::DnsConfig {
            dns_records: records.iter().map(|r| record(r)).collect(),
            ..Default::default()
        }),
        health_check_custom_config: Some(api::HealthCheckCustomConfig {
            failure_threshold: Some(1),
        }),
        ..Default::default()
    };
    let made = ask(lab, ops::CreateService, input).await.unwrap();
    made.service.unwrap().id.unwrap()
}

async fn register(
    lab: &Lab,
    service: &str,
    id: &str,
    attributes: &[(&str, &str)],
) -> Result<api::Operation, AwsError> {
    let attribute = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    let input = api::RegisterInstanceInput {
        service_id: service.into(),
        instance_id: id.into(),
        attributes: attributes.iter().map(attribute).collect(),
        ..Default::default()
    };
    let made = ask(lab, ops::RegisterInstance, input).await?;
    Ok(operation(lab, made.operation_id).await)
}

/// Every record but those of the zone itself: name, type, values, and whether it is withheld.
async fn records(lab: &Lab) -> Vec<String> {
    let all = lab.house.db.list_prefix::<RecordSet>("route53/record-set/");
    let all = all.await.unwrap();
    let mut shown: Vec<String> = all
        .iter()
        .filter(|set| !matches!(&*set.record_type, "SOA" | "NS"))
        .map(|set| {
            let RecordData::Records { values, .. } = &set.data else {
                panic!("no alias");
            };
            let bad = if set.unhealthy { " unhealthy" } else { "" };
            format!("{} {} {}{bad}", set.name, set.record_type, values.join(","))
        })
        .collect();
    shown.sort();
    shown
}

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {}", error.code, error.message)
}

#[tokio::test]
async fn a_private_namespace_has_a_zone_until_it_is_deleted() {
    let lab = Lab::default();
    let id = private_namespace(&lab, "microservices.local")
        .await
        .unwrap();
    let global = dns::global(&lab.scope.account);
    let zones = lab.house.db.list::<HostedZone>(&global).await.unwrap();
    assert_eq!(zones[0].name, "microservices.local.");
    assert_eq!(
        zones[0].vpcs.as_ref().unwrap()[0].vpc_id,
        vpc_id(&lab).await
    );
    assert_eq!(
        said(private_namespace(&lab, "microservices.local").await),
        "NamespaceAlreadyExists Namespace already exists."
    );
    let got = ask(
        &lab,
        ops::GetNamespace,
        api::GetNamespaceInput { id: id.clone() },
    );
    let got = got.await.unwrap().namespace.unwrap();
    let properties = got.properties.unwrap().dns_properties.unwrap();
    assert_eq!(properties.hosted_zone_id.as_deref(), Some(zones[0].id()));
    assert_eq!(got.r#type.as_deref(), Some("DNS_PRIVATE"));

    let service = service(&lab, &id, "api", &["A"]).await;
    // ARNs are as good as ids.
    let by_arn = api::GetServiceInput {
        id: lab
            .scope
            .arn("servicediscovery", format!("service/{service}")),
    };
    let found = ask(&lab, ops::GetService, by_arn).await.unwrap().service;
    assert_eq!(found.unwrap().id, Some(service.clone()));
    let delete = || api::DeleteNamespaceInput { id: id.clone() };
    assert!(said(ask(&lab, ops::DeleteNamespace, delete()).await).starts_with("ResourceInUse"));
    ask(
        &lab,
        ops::DeleteService,
        api::DeleteServiceInput { id: service },
    )
    .await
    .unwrap();
    ask(&lab, ops::DeleteNamespace, delete()).await.unwrap();
    let left = lab.house.db.list_prefix::<RecordSet>("route53/record-set/");
    assert!(left.await.unwrap().is_empty());
    private_namespace(&lab, "microservices.local")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_vpc_that_is_not_there_fails_the_operation() {
    let lab = Lab::default();
    let input = |vpc: &str| api::CreatePrivateDnsNamespaceInput {
        name: "a.local".into(),
        vpc: vpc.into(),
        ..Default::default()
    };
    let made = ask(&lab, ops::CreatePrivateDnsNamespace, input("vpc-none")).await;
    let failed = operation(&lab, made.unwrap().operation_id).await;
    assert_eq!(failed.status.as_deref(), Some("FAIL"));
    assert_eq!(
        failed.error_code.as_deref(),
        Some("CANNOT_CREATE_HOSTED_ZONE")
    );
}

#[tokio::test]
async fn instances_have_records_from_their_registration_on() {
    let lab = Lab::default();
    let namespace = private_namespace(&lab, "m.local").await.unwrap();
    let api_ = service(&lab, &namespace, "api", &["A"]).await;
    let grpc = service(&lab, &namespace, "_grpc._tcp", &["SRV"]).await;
    let missing = register(&lab, &api_, "one", &[("AWS_INSTANCE_PORT", "80")]).await;
    assert!(said(missing).starts_with("InvalidInput The attribute AWS_INSTANCE_IPV4 is required"));
    let address = ("AWS_INSTANCE_IPV4", "10.0.0.1");
    let asked = register(&lab, &api_, "one", &[address]).await.unwrap();
    assert_eq!(asked.status.as_deref(), Some("SUBMITTED"));
    register(
        &lab,
        &grpc,
        "two",
        &[address, ("AWS_INSTANCE_PORT", "32768")],
    )
    .await
    .unwrap();
    settle(&lab, &api_).await;
    settle(&lab, &grpc).await;
    let done = operation(&lab, asked.id).await;
    assert_eq!(done.status.as_deref(), Some("SUCCESS"));
    assert_eq!(
        records(&lab).await,
        [
            "_grpc._tcp.m.local. SRV 1 1 32768 two._grpc._tcp.m.local.",
            "api.m.local. A 10.0.0.1",
            "two._grpc._tcp.m.local. A 10.0.0.1",
        ]
    );
    let remove = |service_id: &str, instance_id: &str| api::DeregisterInstanceInput {
        service_id: service_id.into(),
        instance_id: instance_id.into(),
    };
    assert!(
        said(
            ask(
                &lab,
                ops::DeleteService,
                api::DeleteServiceInput { id: api_.clone() }
            )
            .await
        )
        .ends_with("delete the instances before deleting the service")
    );
    ask(&lab, ops::DeregisterInstance, remove(&api_, "one"))
        .await
        .unwrap();
    ask(&lab, ops::DeregisterInstance, remove(&grpc, "two"))
        .await
        .unwrap();
    let twice = ask(&lab, ops::DeregisterInstance, remove(&api_, "one")).await;
    assert!(said(twice).starts_with("InstanceNotFound"));
    settle(&lab, &api_).await;
    settle(&lab, &grpc).await;
    assert!(records(&lab).await.is_empty());
    ask(
        &lab,
        ops::DeleteService,
        api::DeleteServiceInput { id: api_ },
    )
    .await
    .unwrap();
}

async fn found(lab: &Lab, status: Option<&str>, query: &[(&str, &str)]) -> Vec<String> {
    let attribute = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    let input = api::DiscoverInstancesInput {
        namespace_name: "m.local".into(),
        service_name: "api".into(),
        health_status: status.map(str::to_owned),
        query_parameters: Some(query.iter().map(attribute).collect::<BTreeMap<_, _>>()),
        ..Default::default()
    };
    let got = ask(lab, ops::DiscoverInstances, input).await.unwrap();
    let shown = |i: api::HttpInstanceSummary| {
        format!("{} {}", i.instance_id.unwrap(), i.health_status.unwrap())
    };
    got.instances.unwrap().into_iter().map(shown).collect()
}

async fn revision(lab: &Lab) -> i64 {
    let input = api::DiscoverInstancesRevisionInput {
        namespace_name: "m.local".into(),
        service_name: "api".into(),
        ..Default::default()
    };
    let got = ask(lab, ops::DiscoverInstancesRevision, input)
        .await
        .unwrap();
    got.instances_revision.unwrap()
}

#[tokio::test]
async fn custom_health_counts_after_thirty_seconds() {
    let lab = Lab::default();
    let namespace = private_namespace(&lab, "m.local").await.unwrap();
    let id = service(&lab, &namespace, "api", &["A"]).await;
    for (n, stage) in [("1", "red"), ("2", "blue")] {
        let address = format!("10.0.0.{n}");
        register(
            &lab,
            &id,
            n,
            &[("AWS_INSTANCE_IPV4", &address), ("stage", stage)],
        )
        .await
        .unwrap();
    }
    settle(&lab, &id).await;
    let first = revision(&lab).await;
    let say = |status: &str| api::UpdateInstanceCustomHealthStatusInput {
        service_id: id.clone(),
        instance_id: "1".into(),
        status: status.into(),
    };
    let update = ops::UpdateInstanceCustomHealthStatus;
    ask(&lab, update, say("UNHEALTHY")).await.unwrap();
    lab.clock.advance(Duration::from_secs(20));
    ask(&lab, update, say("UNHEALTHY")).await.unwrap();
    lab.clock.advance(Duration::from_secs(9));
    assert_eq!(
        found(&lab, Some("HEALTHY"), &[]).await,
        ["1 HEALTHY", "2 HEALTHY"]
    );
    lab.clock.advance(Duration::from_secs(1));
    settle(&lab, &id).await;
    assert_eq!(found(&lab, Some("HEALTHY"), &[]).await, ["2 HEALTHY"]);
    assert_eq!(found(&lab, None, &[]).await, ["1 UNHEALTHY", "2 HEALTHY"]);
    assert_eq!(
        found(&lab, None, &[("stage", "red")]).await,
        ["1 UNHEALTHY"]
    );
    let all = Some("HEALTHY_OR_ELSE_ALL");
    assert_eq!(found(&lab, all, &[("stage", "red")]).await, ["1 UNHEALTHY"]);
    assert_eq!(
        records(&lab).await,
        [
            "api.m.local. A 10.0.0.1 unhealthy",
            "api.m.local. A 10.0.0.2"
        ]
    );
    assert!(revision(&lab).await > first);
    // Taken back in time, it never counts.
    ask(&lab, update, say("HEALTHY")).await.unwrap();
    lab.clock.advance(Duration::from_secs(29));
    ask(&lab, update, say("UNHEALTHY")).await.unwrap();
    lab.clock.advance(Duration::from_secs(300));
    assert_eq!(found(&lab, Some("HEALTHY"), &[]).await, ["2 HEALTHY"]);
}

#[tokio::test]
async fn a_change_of_the_service_reaches_its_records() {
    let lab = Lab::default();
    let namespace = private_namespace(&lab, "m.local").await.unwrap();
    let id = service(&lab, &namespace, "api", &["A", "SRV"]).await;
    let attributes = [
        ("AWS_INSTANCE_IPV4", "10.0.0.1"),
        ("AWS_INSTANCE_PORT", "80"),
    ];
    register(&lab, &id, "one", &attributes).await.unwrap();
    settle(&lab, &id).await;
    assert_eq!(records(&lab).await.len(), 3);
    let input = api::UpdateServiceInput {
        id: id.clone(),
        service: api::ServiceChange {
            dns_config: Some(api::DnsConfigChange {
                dns_records: vec![record("A")],
            }),
            ..Default::default()
        },
    };
    let made = ask(&lab, ops::UpdateService, input).await.unwrap();
    settle(&lab, &id).await;
    assert_eq!(records(&lab).await, ["api.m.local. A 10.0.0.1"]);
    let done = operation(&lab, made.operation_id).await;
    assert_eq!(done.status.as_deref(), Some("SUCCESS"));
}

#[tokio::test]
async fn http_namespaces_and_lists() {
    let lab = Lab::default();
    let input = |creator: &str| api::CreateHttpNamespaceInput {
        name: "m.local".into(),
        creator_request_id: Some(creator.into()),
        ..Default::default()
    };
    let first = ask(&lab, ops::CreateHttpNamespace, input("1"))
        .await
        .unwrap();
    let again = ask(&lab, ops::CreateHttpNamespace, input("1"))
        .await
        .unwrap();
    assert_eq!(first.operation_id, again.operation_id);
    let other = ask(&lab, ops::CreateHttpNamespace, input("2")).await;
    assert!(said(other).starts_with("NamespaceAlreadyExists"));
    let made = operation(&lab, first.operation_id).await;
    let namespace = made.targets.unwrap()["NAMESPACE"].clone();
    let id = service(&lab, &namespace, "api", &[]).await;
    register(&lab, &id, "one", &[("a", "b")]).await.unwrap();
    assert_eq!(found(&lab, None, &[]).await, ["one HEALTHY"]);
    let filter = |kind: &str| api::ListNamespacesInput {
        filters: Some(vec![api::NamespaceFilter {
            name: "TYPE".into(),
            values: vec![kind.into()],
            condition: Some("EQ".into()),
        }]),
        ..Default::default()
    };
    let http = ask(&lab, ops::ListNamespaces, filter("HTTP"))
        .await
        .unwrap();
    assert_eq!(http.namespaces.unwrap().len(), 1);
    let dns = ask(&lab, ops::ListNamespaces, filter("DNS_PRIVATE"))
        .await
        .unwrap();
    assert!(dns.namespaces.unwrap().is_empty());
    let with_dns = api::CreateServiceInput {
        name: "b".into(),
        namespace_id: Some(namespace.clone()),
        dns_config: Some(api::DnsConfig {
            dns_records: vec![record("A")],
            ..Default::default()
        }),
        ..Default::default()
    };
    assert!(said(ask(&lab, ops::CreateService, with_dns).await).starts_with("InvalidInput"));
    let operations = ask(&lab, ops::ListOperations, Default::default())
        .await
        .unwrap();
    assert_eq!(operations.operations.unwrap().len(), 2);
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<model::Namespace>(dir);
    check::<model::NamespaceName>(dir);
    check::<model::Service>(dir);
    check::<model::ServiceName>(dir);
    check::<model::Instance>(dir);
    check::<model::InstancesRevision>(dir);
    check::<model::Operation>(dir);
    check::<model::Submitted>(dir);
    check::<model::Check>(dir);
    assert_eq!(model::Submitted::KIND, "servicediscovery/submitted");
}
