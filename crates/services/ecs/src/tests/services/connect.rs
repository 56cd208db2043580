//! Service Connect: what a service may ask for, what its tasks get, and what their proxies are told. A small
//! Cloud Map has one namespace.

use super::Town;
use crate::connect::{ConnectSource, Endpoints, follow};
use crate::model::Task;
use crate::registries::Registrar;
use crate::tests::definition;
use neargate_api_ecs::{self as api, ops};
use neargate_api_servicediscovery as map;
use neargate_domain::Health;
use neargate_service::controller::Controller;
use neargate_service::{AwsError, Ctx, OperationTable, Stored};
use neargate_xds::envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use neargate_xds::envoy_types::pb::envoy::config::route::v3::route::Action;
use neargate_xds::envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use neargate_xds::envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use neargate_xds::{Proxy, Snapshot, Source};
use prost::Message;
use std::sync::Arc;

const NAMESPACE: &str = "arn:aws:servicediscovery:us-east-1:000000000000:namespace/ns-1";

#[derive(Debug, Default)]
struct CloudMap;

async fn namespaces(
    _: Arc<CloudMap>,
    _: Ctx,
    _: map::ListNamespacesInput,
) -> Result<map::ListNamespacesOutput, AwsError> {
    Ok(map::ListNamespacesOutput {
        namespaces: Some(vec![map::NamespaceSummary {
            id: Some("ns-1".into()),
            arn: Some(NAMESPACE.into()),
            name: Some("shop".into()),
            ..Default::default()
        }]),
        next_token: None,
    })
}

async fn make(
    _: Arc<CloudMap>,
    _: Ctx,
    input: map::CreateServiceInput,
) -> Result<map::CreateServiceOutput, AwsError> {
    if input.name == "taken" {
        return Err(AwsError::client("ServiceAlreadyExists", "another's"));
    }
    let name = input.name;
    Ok(map::CreateServiceOutput {
        service: Some(map::Service {
            arn: Some(format!("{NAMESPACE}/{name}")),
            ..Default::default()
        }),
    })
}

async fn register(
    _: Arc<CloudMap>,
    _: Ctx,
    _: map::RegisterInstanceInput,
) -> Result<map::RegisterInstanceOutput, AwsError> {
    Ok(map::RegisterInstanceOutput::default())
}

async fn deregister(
    _: Arc<CloudMap>,
    _: Ctx,
    _: map::DeregisterInstanceInput,
) -> Result<map::DeregisterInstanceOutput, AwsError> {
    Ok(map::DeregisterInstanceOutput::default())
}

fn named_port(protocol: Option<&str>) -> api::RegisterTaskDefinitionInput {
    let mut input = definition("web");
    input.container_definitions[0].port_mappings = Some(vec![api::PortMapping {
        container_port: Some(80),
        name: Some("http".into()),
        app_protocol: protocol.map(str::to_owned),
        ..Default::default()
    }]);
    input
}

async fn town(protocol: Option<&str>) -> Town {
    let town = Town::new().await;
    let table = OperationTable::new(&map::SERVICE, Arc::new(CloudMap))
        .on(map::ops::ListNamespaces, namespaces)
        .on(map::ops::CreateService, make)
        .on(map::ops::RegisterInstance, register)
        .on(map::ops::DeregisterInstance, deregister);
    town.lab.house.caller.connect(vec![Arc::new(table)]);
    let registered = town
        .lab
        .call(ops::RegisterTaskDefinition, named_port(protocol))
        .await;
    registered.expect("registered");
    town
}

fn connect(
    change: impl FnOnce(&mut api::ServiceConnectService),
) -> Option<api::ServiceConnectConfiguration> {
    let mut service = api::ServiceConnectService {
        port_name: "http".into(),
        client_aliases: Some(vec![api::ServiceConnectClientAlias {
            port: 8080,
            dns_name: Some("api".into()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    change(&mut service);
    Some(api::ServiceConnectConfiguration {
        enabled: true,
        namespace: Some("shop".into()),
        services: Some(vec![service]),
        ..Default::default()
    })
}

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

/// The tasks run, their proxies are healthy, and Cloud Map knows them.
async fn serving(town: &Town) {
    town.rest(&[]).await;
    for task in town.live().await {
        town.health(&task, Health::Healthy).await;
    }
    registered(town).await;
}

/// What the task's proxy is told, once its endpoints are as many.
async fn told(town: &Town, task: &Stored<Task>, behind: usize) -> Arc<Snapshot> {
    let (db, rng) = (town.lab.house.db.clone(), town.lab.house.rng.clone());
    let endpoints = Arc::new(Endpoints::default());
    let mut changes = endpoints.changes();
    let following =
        neargate_base::task::spawn("connect", follow(endpoints.clone(), db.clone(), rng));
    let source = ConnectSource { db, endpoints };
    let assignment = &task.spec.assignment;
    let proxy = Proxy {
        account: assignment.account.clone(),
        region: assignment.region.clone(),
        task_id: assignment.task_id.clone(),
        task_arn: assignment.task_arn.clone(),
        task_key: task.key.clone(),
        task_role_arn: None,
        container: task.spec.connect.as_ref().unwrap().container.clone(),
        resource: String::new(),
    };
    assert!(source.knows(&proxy));
    let snapshot = loop {
        let snapshot = source.snapshot(&proxy).await.unwrap();
        let of = |s: &Snapshot| -> usize {
            let groups = s.endpoints.iter().flat_map(|e| &e.endpoints);
            groups.map(|group| group.lb_endpoints.len()).sum()
        };
        if of(&snapshot) == behind {
            break snapshot;
        }
        changes.changed().await.unwrap();
    };
    // Another container of the task is told nothing.
    let other = Proxy {
        container: "ecs-service-connect-other".into(),
        ..proxy
    };
    assert!(source.snapshot(&other).await.is_err());
    following.abort();
    snapshot
}

#[tokio::test]
async fn tasks_have_a_proxy_that_knows_who_is_behind_each_name() {
    let town = town(Some("http")).await;
    let created = town
        .create(|c| c.service_connect_configuration = connect(|_| {}))
        .await
        .unwrap();
    let deployment = &created.deployments.as_ref().unwrap()[0];
    assert_eq!(
        deployment.service_connect_configuration,
        connect(|_| {}),
        "as it was given"
    );
    let resources = deployment.service_connect_resources.as_ref().unwrap();
    assert_eq!(resources[0].discovery_name.as_deref(), Some("http"));
    assert_eq!(created.service_registries, Some(vec![]));
    serving(&town).await;
    let tasks = town.live().await;
    let task = &tasks[0];
    let assignment = &task.spec.assignment;
    let [app, proxy] = assignment.containers.as_slice() else {
        panic!("{:?}", assignment.containers);
    };
    assert!(proxy.name.starts_with("ecs-service-connect-") && proxy.essential);
    assert_eq!(proxy.image.name, "neargate/envoy:latest");
    assert_eq!(app.depends_on, [(proxy.name.clone(), "HEALTHY".to_owned())]);
    assert_eq!(
        app.extra_hosts,
        [("api".to_owned(), "127.255.0.1".to_owned())]
    );
    let redirect = assignment.proxy.as_ref().unwrap();
    assert_eq!((redirect.egress_port, &redirect.app_ports), (0, &vec![80]));
    let snapshot = told(&town, task, 2).await;
    let listeners: Vec<&str> = snapshot.listeners.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(listeners, ["egress_api_8080", "ingress"]);
    let clusters: Vec<&str> = snapshot.clusters.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(clusters, ["outbound/http/http", "inbound/80"]);

    // One that is asked to stop is left out at once.
    let input = api::StopTaskInput {
        cluster: Some("c".into()),
        task: tasks[1].spec.assignment.task_id.clone(),
        ..Default::default()
    };
    town.lab.call(ops::StopTask, input).await.unwrap();
    told(&town, task, 1).await;
}

#[tokio::test]
async fn another_port_of_the_proxy_leaves_the_containers_alone() {
    let town = town(None).await;
    let given = connect(|service| service.ingress_port_override = Some(9000));
    town.create(|c| c.service_connect_configuration = given)
        .await
        .unwrap();
    serving(&town).await;
    let tasks = town.live().await;
    let redirect = tasks[0].spec.assignment.proxy.as_ref().unwrap();
    assert_eq!(redirect.app_ports, Vec::<u16>::new());
    let snapshot = told(&town, &tasks[0], 2).await;
    let listeners: Vec<&str> = snapshot.listeners.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(listeners, ["egress_api_8080", "ingress_80"]);
    let filter = &snapshot.listeners[0].filter_chains[0].filters[0];
    assert_eq!(filter.name, "envoy.filters.network.tcp_proxy");
}

#[tokio::test]
async fn what_may_not_be_is_refused() {
    let town = town(None).await;
    let refusals = [
        (
            connect(|s| s.port_name = "none".into()),
            "InvalidParameterException",
            "portName 'none'",
        ),
        (
            connect(|s| s.discovery_name = Some("-a".into())),
            "InvalidParameterException",
            "'-a'",
        ),
        (
            connect(|s| s.discovery_name = Some("taken".into())),
            "InvalidParameterException",
            "already in use",
        ),
        (
            connect(|s| {
                s.timeout = Some(api::TimeoutConfiguration {
                    per_request_timeout_seconds: Some(3),
                    ..Default::default()
                });
            }),
            "InvalidParameterException",
            "perRequestTimeout",
        ),
        (
            connect(|s| s.tls = Some(api::ServiceConnectTlsConfiguration::default())),
            "UnsupportedFeatureException",
            "with tls",
        ),
        (
            connect(|s| {
                let aliases = s.client_aliases.as_mut().unwrap();
                aliases[0].test_traffic_rules = Some(Default::default());
            }),
            "UnsupportedFeatureException",
            "with testTrafficRules",
        ),
        (
            connect(|_| {}).map(|c| api::ServiceConnectConfiguration {
                namespace: Some("elsewhere".into()),
                ..c
            }),
            "NamespaceNotFoundException",
            "namespace",
        ),
        (
            connect(|_| {}).map(|c| api::ServiceConnectConfiguration {
                namespace: None,
                ..c
            }),
            "InvalidParameterException",
            "namespace must be specified",
        ),
    ];
    for (given, code, words) in refusals {
        let refused = town.create(|c| c.service_connect_configuration = given);
        let refused = refused.await.unwrap_err();
        assert_eq!(refused.code, code, "{words}");
        assert!(refused.message.contains(words), "{}", refused.message);
    }
}

#[tokio::test]
async fn a_namespace_lists_its_services() {
    let town = town(Some("grpc")).await;
    let created = town
        .create(|c| c.service_connect_configuration = connect(|_| {}))
        .await
        .unwrap();
    let input = api::ListServicesByNamespaceInput {
        namespace: "shop".into(),
        ..Default::default()
    };
    let listed = town.lab.call(ops::ListServicesByNamespace, input).await;
    assert_eq!(
        listed.unwrap().service_arns,
        Some(vec![created.service_arn.unwrap()])
    );
}

#[tokio::test]
async fn times_and_logs_are_as_asked_for() {
    let town = town(Some("http2")).await;
    let given = connect(|service| {
        service.timeout = Some(api::TimeoutConfiguration {
            idle_timeout_seconds: Some(7),
            per_request_timeout_seconds: Some(3),
        });
    });
    let options = [
        ("awslogs-group", "mesh"),
        ("awslogs-region", "us-east-1"),
        ("awslogs-stream-prefix", "proxy"),
    ];
    let given = given.map(|c| api::ServiceConnectConfiguration {
        log_configuration: Some(api::LogConfiguration {
            log_driver: "awslogs".into(),
            options: Some(options.map(|(n, v)| (n.to_owned(), v.to_owned())).into()),
            ..Default::default()
        }),
        access_log_configuration: Some(api::ServiceConnectAccessLogConfiguration {
            format: "JSON".into(),
            ..Default::default()
        }),
        container_configurations: Some(vec![api::ServiceConnectContainerConfiguration {
            log_level: Some("debug".into()),
        }]),
        ..c
    });
    town.create(|c| c.service_connect_configuration = given)
        .await
        .unwrap();
    serving(&town).await;
    let tasks = town.live().await;
    let assignment = &tasks[0].spec.assignment;
    let proxy = assignment.containers.last().unwrap();
    assert_eq!(proxy.environment["ENVOY_LOG_LEVEL"], "debug");
    let stream = &proxy.log.as_ref().unwrap().stream;
    assert!(stream.starts_with("proxy/ecs-service-connect-"), "{stream}");
    let snapshot = told(&town, &tasks[0], 2).await;
    let filter = &snapshot.listeners[0].filter_chains[0].filters[0];
    let Some(ConfigType::TypedConfig(any)) = &filter.config_type else {
        panic!("{filter:?}");
    };
    let manager = HttpConnectionManager::decode(any.value.as_slice()).unwrap();
    let options = manager.common_http_protocol_options.unwrap();
    assert_eq!(options.idle_timeout.unwrap().seconds, 7);
    let said = format!("{:?}", manager.access_log);
    let text = String::from_utf8_lossy(&any.value);
    assert!(
        text.contains("%PATH(NQ)%") && text.contains("response_code"),
        "{said}"
    );
    let Some(RouteSpecifier::RouteConfig(routes)) = manager.route_specifier else {
        panic!("its routes are its own");
    };
    let Some(Action::Route(route)) = &routes.virtual_hosts[0].routes[0].action else {
        panic!("{routes:?}");
    };
    assert_eq!(route.timeout.as_ref().unwrap().seconds, 3);
}
