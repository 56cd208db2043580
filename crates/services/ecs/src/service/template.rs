//! What the tasks of one service revision look like: a launch without a place. The API checks
//! with it what the controller will start with it.

use crate::balancing;
use crate::launch::capacity::{Wanted, compatible, rules};
use crate::launch::requirements;
use crate::launch::{Capacity, Instances, Launch};
use crate::model::{
    Cluster, Connect, PropagateTags, Scheduling, ServiceLink, ServiceRegistry, ServiceRevision,
    ServiceSpec, TaskConnect, TaskDefinition,
};
use crate::plan::ebs;
use crate::plan::placement::Strategy;
use neargate_api_ecs as api;
use neargate_domain::LaunchType;
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Scope, Stored};
use std::sync::Arc;

/// A launch, and what its tasks run on.
#[derive(Debug, Clone)]
pub struct Template {
    pub launch: Launch,
    pub wanted: Wanted,
    pub rules: Instances,
}

impl Template {
    /// `deployment`: `ecs-svc/…`, of the deployment or task set that the tasks belong to, and
    /// whether they are in the alternate target groups.
    ///
    /// # Errors
    /// What the configuration may not be, in ECS's words.
    pub fn of(
        scope: &Scope,
        cluster: &Stored<Cluster>,
        spec: &ServiceSpec,
        revision: &ServiceRevision,
        definition: &TaskDefinition,
        (deployment, alternate): (&str, bool),
    ) -> Result<Template, AwsError> {
        let strategy = revision.strategy.iter().map(|item| item.0.clone());
        let strategy: Vec<api::CapacityProviderStrategyItem> = strategy.collect();
        let wanted = Wanted::of(cluster, revision.launch_type.as_deref(), Some(&strategy))?;
        let launch_type = wanted.launch_type();
        let of_definition = &definition.definition.0;
        compatible(of_definition, launch_type)?;
        let constraints = spec.placement_constraints.iter().map(|c| c.0.clone());
        let strategies = spec.placement_strategy.iter().map(|s| s.0.clone());
        let mut rules = rules(
            launch_type,
            of_definition,
            Some(&constraints.collect()),
            Some(&strategies.collect()),
        )?;
        let replica = spec.scheduling == Scheduling::Replica;
        if launch_type != LaunchType::Fargate && rules.strategies.is_empty() && replica {
            rules.strategies = Strategy::service_default();
        }
        let network = revision.network.as_ref().map(|n| &n.0);
        let network = requirements::network(of_definition, network)?;
        let overrides = api::TaskOverride::default();
        let (cpu_units, memory_mib) = requirements::size(launch_type, of_definition, &overrides)?;
        let version = revision.platform_version.as_deref();
        let platform_version = requirements::platform_version(launch_type, version)?;
        let configured = ebs::of_service(revision.volumes.iter().map(|v| &v.0));
        let volumes = ebs::wanted(of_definition, &configured, launch_type)?;
        let capacity = first(&wanted, &rules);
        let launch = Launch {
            scope: scope.clone(),
            cluster: cluster.clone(),
            definition: Arc::new(of_definition.clone()),
            overrides,
            cpu_units,
            memory_mib,
            capacity,
            network,
            group: format!("service:{}", spec.name),
            started_by: Some(deployment.to_owned()),
            platform_version,
            enable_execute_command: spec.enable_execute_command,
            tags: tags(spec, definition),
            service: Some(ServiceLink {
                service: spec.name.clone(),
                deployment: deployment.to_owned(),
                revision: revision.id.clone(),
            }),
            target_groups: balancing::links(revision, alternate),
            volumes,
            registries: registries(revision),
            connect: revision.connect.clone().map(|connect| {
                Box::new(TaskConnect {
                    connect,
                    container: String::new(),
                    aliases: Vec::new(),
                })
            }),
            blocking_logs: false,
        };
        Ok(Template {
            launch,
            wanted,
            rules,
        })
    }
}

/// Of its own, and of Service Connect.
fn registries(revision: &ServiceRevision) -> Vec<ServiceRegistry> {
    let own = revision.registries.iter().cloned();
    let connect = revision.connect.iter();
    own.chain(connect.flat_map(Connect::registries)).collect()
}

fn first(wanted: &Wanted, rules: &Instances) -> Capacity {
    let next = wanted.next(1, |_| 0, rules).pop();
    next.unwrap_or(Capacity::Instances(rules.clone()))
}

/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html>)
fn tags(spec: &ServiceSpec, definition: &TaskDefinition) -> Tags {
    let mut tags = match spec.propagate_tags {
        PropagateTags::None => Tags::new(),
        PropagateTags::Service => spec.tags.clone(),
        PropagateTags::TaskDefinition => definition.tags.clone(),
    };
    if spec.enable_ecs_managed_tags {
        tags.insert("aws:ecs:clusterName".into(), spec.cluster.clone());
        tags.insert("aws:ecs:serviceName".into(), spec.name.clone());
    }
    tags
}
