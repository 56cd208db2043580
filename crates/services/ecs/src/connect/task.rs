//! The proxy of a task: its container, the names that it answers for, and the way of what comes to its ports.

use crate::fleet::ServiceId;
use crate::model::{
    CONNECT_CONTAINER, CONNECT_INGRESS_PORT, Connect, ConnectAlias, Service, ServiceRevision,
    State, Task, TaskConnect,
};
use crate::plan::output;
use crate::plan::service::adopted;
use neargate_domain::{Assignment, ContainerSpec, HealthCheck, ImageRef, LaunchType, Proxy};
use neargate_service::{AwsError, House, Scope};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Neargate's own (`docs/service-connect.md`).
const IMAGE: &str = "neargate/envoy:latest";
/// The node asks the proxy itself: its image need not have a program for that.
const CHECK: &str = "NEARGATE-PROXY";
/// AWS's proxies answer at these.
const FIRST: [u8; 4] = [127, 255, 0, 1];
/// As many names as fit into `127.255.0.0/16`'s first network.
const MOST: usize = 250;

/// What a task that starts now finds in its namespace.
///
/// # Errors
/// The store's.
pub(crate) async fn aliases(
    house: &House,
    scope: &Scope,
    own: &Connect,
) -> Result<Vec<ConnectAlias>, AwsError> {
    let mut found = BTreeMap::new();
    let others = services_of(house, scope, &own.namespace_arn).await?;
    let all = others.iter().map(|(_, connect)| connect).chain([own]);
    for endpoint in all.flat_map(|connect| &connect.endpoints) {
        let at = (endpoint.alias.clone(), endpoint.alias_port);
        found.insert(at, endpoint.clone());
    }
    let mut addresses: BTreeMap<String, Ipv4Addr> = BTreeMap::new();
    let first = u32::from(Ipv4Addr::from(FIRST));
    let mut all = Vec::new();
    for ((name, port), endpoint) in found.into_iter().take(MOST) {
        let next = first + u32::try_from(addresses.len()).unwrap_or(0);
        let address = *addresses
            .entry(name.clone())
            .or_insert_with(|| Ipv4Addr::from(next));
        all.push(ConnectAlias {
            name,
            address,
            port,
            registry_arn: endpoint.registry_arn,
            discovery_name: endpoint.discovery_name,
            speech: endpoint.speech,
        });
    }
    Ok(all)
}

/// The ARNs of the services of a namespace, of all clusters, and what they are there.
///
/// # Errors
/// The store's.
pub(crate) async fn services_of(
    house: &House,
    scope: &Scope,
    namespace_arn: &str,
) -> Result<Vec<(String, Connect)>, AwsError> {
    let mut all = Vec::new();
    for service in house.db.list::<Service>(scope).await? {
        let active = service.state() == State::Active;
        let current = adopted(&service).first().map(|d| d.revision.clone());
        let Some(current) = current.filter(|_| active) else {
            continue;
        };
        let id = ServiceId::new(scope, &service.spec.cluster, &service.spec.name);
        let key = id.key::<ServiceRevision>(&current);
        let revision = house.db.get_key::<ServiceRevision>(&key).await?;
        let connect = revision.and_then(|revision| revision.value.connect);
        let connect = connect.filter(|connect| connect.namespace_arn == namespace_arn);
        all.extend(connect.map(|connect| (service.spec.arn.clone(), connect)));
    }
    Ok(all)
}

/// Puts the proxy into a task that is about to be written.
pub(crate) fn join(house: &House, scope: &Scope, task: &mut Task) {
    let Some(connect) = &mut task.spec.connect else {
        return;
    };
    let assignment = &mut task.spec.assignment;
    let id = assignment.task_id.clone();
    connect.container = format!("{CONNECT_CONTAINER}{}", house.rng.hex(5));
    hosts(assignment, connect);
    let of = (assignment.launch_type, id.as_str());
    let mut proxy = container(scope, of, connect);
    let resource = format!("container/{}/{id}/{}", assignment.cluster, house.rng.uuid());
    let arn = scope.arn("ecs", resource);
    proxy.arn = Some(arn.clone());
    task.spec.containers.push(crate::model::ContainerSpec {
        arn,
        name: proxy.name.clone(),
        image: proxy.image.name.clone(),
        cpu: 0,
        memory: None,
        memory_reservation: None,
    });
    assignment.containers.push(proxy);
    let redirected = connect.connect.endpoints.iter();
    let redirected = redirected.filter(|endpoint| endpoint.ingress_port.is_none());
    assignment.proxy = Some(Proxy {
        ingress_port: CONNECT_INGRESS_PORT,
        app_ports: redirected.map(|endpoint| endpoint.container_port).collect(),
        ..Proxy::default()
    });
}

/// The other containers know the names, and run only while the proxy does.
fn hosts(assignment: &mut Assignment, connect: &TaskConnect) {
    for spec in &mut assignment.containers {
        for alias in &connect.aliases {
            let line = (alias.name.clone(), alias.address.to_string());
            if !spec.extra_hosts.contains(&line) {
                spec.extra_hosts.push(line);
            }
        }
        let on = (connect.container.clone(), "HEALTHY".to_owned());
        spec.depends_on.push(on);
    }
}

fn container(scope: &Scope, of: (LaunchType, &str), connect: &TaskConnect) -> ContainerSpec {
    let given = &connect.connect.given.0;
    let name = connect.container.clone();
    let log = given.log_configuration.as_ref();
    let levels = given.container_configurations.iter().flatten();
    let level = levels.filter_map(|c| c.log_level.clone()).next();
    let level = level.unwrap_or_else(|| "info".to_owned()).to_lowercase();
    ContainerSpec {
        image: ImageRef {
            name: IMAGE.to_owned(),
        },
        essential: true,
        user: Some("1337".to_owned()),
        stop_timeout_secs: 30,
        start_timeout_secs: 180,
        labels: [("neargate:proxy".to_owned(), "envoy".to_owned())].into(),
        environment: [("ENVOY_LOG_LEVEL".to_owned(), level)].into(),
        health_check: Some(HealthCheck {
            command: vec![CHECK.to_owned()],
            interval_secs: 1,
            timeout_secs: 2,
            retries: 30,
            start_period_secs: 30,
        }),
        log: log.and_then(|log| output::target(scope, of, &name, log)),
        log_route: log.and_then(output::route),
        log_buffer: log.and_then(output::buffer),
        log_secrets: log.map(output::secrets).unwrap_or_default(),
        name,
        ..ContainerSpec::default()
    }
}
