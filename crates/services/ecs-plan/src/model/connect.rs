//! ECS Service Connect, checked: what the tasks of a service offer, and in which namespace they find others
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-concepts-deploy.html>).

use super::ServiceRegistry;
use neargate_api_ecs as api;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Where a proxy takes what comes for its task's ports.
pub const INGRESS_PORT: u16 = 15_000;
/// What the names of these proxies' containers begin with.
pub const CONTAINER: &str = "ecs-service-connect-";

/// Service Connect of a revision. Written with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connect {
    /// As it was given.
    pub given: Json<api::ServiceConnectConfiguration>,
    pub namespace_arn: String,
    /// What its tasks offer; none of a client alone.
    pub endpoints: Vec<ConnectEndpoint>,
}

/// One of `services`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectEndpoint {
    pub discovery_name: String,
    /// The service of Cloud Map that its tasks are instances of: by it clients know it.
    pub registry_arn: String,
    pub container_port: u16,
    /// The proxy is reached at this port; `None`: at the container's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_port: Option<u16>,
    /// What clients call it, and at which port.
    pub alias: String,
    pub alias_port: u16,
    pub speech: Speech,
}

impl ConnectEndpoint {
    /// Where others reach it.
    pub fn port(&self) -> u16 {
        self.ingress_port.unwrap_or(self.container_port)
    }
}

/// What is spoken there, and how long it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speech {
    pub protocol: AppProtocol,
    /// 0: for ever.
    pub idle_secs: u32,
    /// 0: for ever.
    pub per_request_secs: u32,
}

/// `appProtocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppProtocol {
    /// None is named.
    Tcp,
    Http,
    Http2,
    Grpc,
}

impl Connect {
    /// Its tasks are instances there.
    pub fn registries(&self) -> impl Iterator<Item = ServiceRegistry> {
        self.endpoints.iter().map(|endpoint| ServiceRegistry {
            registry_arn: endpoint.registry_arn.clone(),
            port: Some(endpoint.port()),
            container_name: None,
            container_port: None,
            takes_health: false,
        })
    }

    /// `serviceConnectResources`.
    pub fn resources(&self) -> Vec<api::ServiceConnectServiceResource> {
        let resource = |endpoint: &ConnectEndpoint| api::ServiceConnectServiceResource {
            discovery_name: Some(endpoint.discovery_name.clone()),
            discovery_arn: Some(endpoint.registry_arn.clone()),
        };
        self.endpoints.iter().map(resource).collect()
    }
}

/// Service Connect of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskConnect {
    pub connect: Connect,
    /// The container of its proxy.
    pub container: String,
    /// What of its namespace it finds: what was there when it was started, as on AWS.
    pub aliases: Vec<ConnectAlias>,
}

/// A name of another service, in `/etc/hosts` of the task's containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectAlias {
    pub name: String,
    /// Where its proxy answers in the task's place.
    pub address: Ipv4Addr,
    pub port: u16,
    /// See [`ConnectEndpoint::registry_arn`].
    pub registry_arn: String,
    pub discovery_name: String,
    pub speech: Speech,
}
