//! From a call's parameters to a service revision that has been checked.

use crate::api::task_definitions;
use crate::balancing;
use crate::error;
use crate::fleet::ServiceId;
use crate::launch::as_ecs_says;
use crate::launch::capacity::Wanted;
use crate::launch::requirements;
use crate::model::{
    Cluster, Connect, LoadBalancer, ServiceRegistry, ServiceRevision, ServiceSpec, TaskDefinition,
};
use crate::plan::task_definition;
use crate::registries;
use crate::service::Template;
use neargate_api_ecs as api;
use neargate_base::Rng;
use neargate_service::eni::{self, Unreserved};
use neargate_service::{AwsError, Ctx, Stored, idempotency};
use neargate_wire::json::Json;

/// What a revision consists of, as asked for.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::api) struct Configuration {
    /// The whole ARN.
    pub(in crate::api) task_definition: String,
    pub(in crate::api) launch_type: Option<String>,
    pub(in crate::api) strategy: Vec<Json<api::CapacityProviderStrategyItem>>,
    pub(in crate::api) platform_version: Option<String>,
    pub(in crate::api) network: Option<Json<api::NetworkConfiguration>>,
    pub(in crate::api) load_balancers: Vec<LoadBalancer>,
    pub(in crate::api) volumes: Vec<Json<api::ServiceVolumeConfiguration>>,
    pub(in crate::api) registries: Vec<ServiceRegistry>,
    pub(in crate::api) connect: Option<Connect>,
}

impl Configuration {
    pub(super) fn of(revision: &ServiceRevision) -> Configuration {
        Configuration {
            task_definition: revision.task_definition.clone(),
            launch_type: revision.launch_type.clone(),
            strategy: revision.strategy.clone(),
            platform_version: revision.platform_version.clone(),
            network: revision.network.clone(),
            load_balancers: revision.load_balancers.clone(),
            volumes: revision.volumes.clone(),
            registries: revision.registries.clone(),
            connect: revision.connect.clone(),
        }
    }

    /// Launch type or capacity providers, the cluster's default filled in.
    pub(in crate::api) fn capacity(&mut self, wanted: &Wanted) {
        match wanted {
            Wanted::LaunchType(launch_type) => {
                self.launch_type = Some(launch_type.as_str().to_owned());
                self.strategy.clear();
            }
            Wanted::Providers(items) => {
                self.launch_type = None;
                self.strategy = items.iter().cloned().map(Json).collect();
            }
        }
    }

    /// Is it on the same launch type or strategy? What a strategy leaves out is 0.
    pub(super) fn same_capacity(&self, other: &Configuration) -> bool {
        let item = |i: &Json<api::CapacityProviderStrategyItem>| {
            let number = |n: Option<i32>| n.unwrap_or(0);
            let Json(i) = i;
            (
                i.capacity_provider.clone(),
                number(i.weight),
                number(i.base),
            )
        };
        let items = |of: &Configuration| of.strategy.iter().map(item).collect::<Vec<_>>();
        self.launch_type == other.launch_type && items(self) == items(other)
    }

    /// A revision that could be launched now.
    ///
    /// # Errors
    /// What is wrong with it, in ECS's words.
    pub(in crate::api) async fn revision(
        &self,
        cx: &Ctx,
        id: &ServiceId,
        cluster: &Stored<Cluster>,
        spec: &ServiceSpec,
        definition: &Stored<TaskDefinition>,
    ) -> Result<ServiceRevision, AwsError> {
        let of_definition = &definition.definition.0;
        let number = digits(&cx.house.rng);
        let containers = of_definition.container_definitions.iter().flatten();
        let image = |c: &api::ContainerDefinition| {
            let (name, image) = (c.name.clone(), c.image.clone());
            (name.unwrap_or_default(), image.unwrap_or_default())
        };
        let (of, name) = (&id.cluster.name, &id.name);
        let revision = ServiceRevision {
            arn: cx.arn("ecs", format!("service-revision/{of}/{name}/{number}")),
            id: number,
            service_arn: spec.arn.clone(),
            cluster_arn: spec.cluster_arn.clone(),
            created_at: cx.now(),
            task_definition: self.task_definition.clone(),
            launch_type: self.launch_type.clone(),
            strategy: self.strategy.clone(),
            platform_version: self.platform_version.clone(),
            network: self.network.clone(),
            images: containers.map(image).collect(),
            load_balancers: self.load_balancers.clone(),
            volumes: self.volumes.clone(),
            registries: self.registries.clone(),
            connect: self.connect.clone(),
        };
        balancing::fit(&self.load_balancers, of_definition)?;
        registries::fit(&self.registries, of_definition)?;
        if spec.deployment.shift.is_some() {
            balancing::shiftable(&self.load_balancers, &spec.deployment.strategy)?;
        }
        let of = ("", false);
        let template = Template::of(&cx.scope, cluster, spec, &revision, definition, of)?;
        let launch = &template.launch;
        requirements::public_ip(launch.capacity.launch_type(), launch.network.as_ref())?;
        task_definition::runnable(of_definition, launch.capacity.launch_type())?;
        if let Some(vpc) = &template.launch.network {
            for subnet in &vpc.subnets {
                // Prepared and let go: whether it exists is what matters.
                let task = &revision.service_arn;
                let wanted = eni::Wanted {
                    subnet_id: subnet,
                    security_groups: &vpc.security_groups,
                    public: false,
                    owner: task,
                    held: &[],
                };
                let tried = eni::reserve(&cx.house, &cx.scope, wanted).await;
                match tried {
                    Ok(_) | Err(Unreserved::NoFreeAddress { .. } | Unreserved::NoPublicAddress) => {
                    }
                    Err(Unreserved::Refused(e)) => return Err(as_ecs_says(e)),
                }
            }
        }
        Ok(revision)
    }
}

/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html>)
const MAX_TOKEN_CHARS: usize = 36;

/// The client token of a call that makes a service or a task set.
///
/// # Errors
/// `InvalidParameterException` for one that is too long or has other characters.
pub fn idempotency_token(given: Option<&str>) -> Result<&str, AwsError> {
    let token = given.unwrap_or_default();
    if token.len() > MAX_TOKEN_CHARS {
        return Err(error::invalid_parameter(format!(
            "idempotency token longer than {MAX_TOKEN_CHARS}."
        )));
    }
    if !idempotency::is_printable(token) {
        return Err(error::invalid_parameter(
            "clientToken contains invalid characters.",
        ));
    }
    Ok(token)
}

/// 19 digits, as in `ecs-svc/…` and service revisions.
pub fn digits(rng: &Rng) -> String {
    let low = 1_000_000_000_000_000_000;
    (low + rng.below(8 * low)).to_string()
}

/// 21 letters, digits, hyphens and underscores, as in service deployments.
pub(super) fn letters(rng: &Rng) -> String {
    use base64::Engine as _;
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    let mut text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    text.truncate(21);
    text
}

/// The active task definition a call names.
///
/// # Errors
/// `ClientException`.
pub async fn active_definition(cx: &Ctx, named: &str) -> Result<Stored<TaskDefinition>, AwsError> {
    let found = task_definitions::find(cx, named).await?;
    let stored = found.ok_or_else(error::task_definition_not_found)?;
    task_definitions::may_run(cx, &stored.definition.0)?;
    if stored.definition.0.status.as_deref() != Some("ACTIVE") {
        return Err(error::task_definition_inactive());
    }
    Ok(stored)
}
