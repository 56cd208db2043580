//! What one deployment of a service runs, and how: never changed once written
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceRevision.html>).

use super::{Connect, LoadBalancer, ServiceRegistry};
use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

/// `ecs/service-revision/…/<cluster>/<service>/<id>`. Written by `CreateService`,
/// `UpdateService` and `CreateTaskSet`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceRevision {
    /// 19 digits.
    pub id: String,
    pub arn: String,
    pub service_arn: String,
    pub cluster_arn: String,
    pub created_at: Timestamp,
    /// The whole ARN.
    pub task_definition: String,
    /// `None` with a capacity provider strategy.
    pub launch_type: Option<String>,
    pub strategy: Vec<Json<api::CapacityProviderStrategyItem>>,
    /// What was asked for of Fargate: `LATEST` stays `LATEST`.
    pub platform_version: Option<String>,
    pub network: Option<Json<api::NetworkConfiguration>>,
    /// Container names and images of the task definition.
    pub images: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancers: Vec<LoadBalancer>,
    /// EBS volumes that its tasks get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Json<api::ServiceVolumeConfiguration>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<ServiceRegistry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Connect>,
}

impl Resource for ServiceRevision {
    const KIND: &'static str = "ecs/service-revision";
}
