//! What a `RunTask` call must satisfy.

use crate::api::{parse_tags, task_definitions};
use crate::error;
use crate::launch::capacity::{Wanted, compatible, rules};
use crate::launch::requirements;
use crate::launch::{Capacity, Launch};
use crate::model::Cluster;
use crate::plan::ebs;
use crate::plan::{assignment, task_definition};
use neargate_api_ecs as api;
use neargate_service::tags::{InvalidTags, MAX_TAGS};
use neargate_service::{AwsError, Ctx, Stored};
use neargate_wire::json::to_json;
use std::sync::Arc;

/// The longest that the overrides may be, as JSON.
const MAX_OVERRIDES_CHARS: usize = 8_192;
const MAX_STARTED_BY_CHARS: usize = 128;

/// A `RunTask` call that passed its checks.
pub(in crate::api) struct Request {
    pub(in crate::api) launch: Launch,
    /// What each task runs on.
    pub(super) capacities: Vec<Capacity>,
}

impl Request {
    pub(in crate::api) async fn check(
        cx: &Ctx,
        input: &api::RunTaskInput,
        cluster: &Stored<Cluster>,
    ) -> Result<Request, AwsError> {
        let count = input.count.unwrap_or(1);
        if !(1..=10).contains(&count) {
            return Err(error::invalid_parameter("count must be between 1 and 10."));
        }
        let found = task_definitions::find(cx, &input.task_definition).await?;
        let stored = found.ok_or_else(error::task_definition_not_found)?;
        let definition = stored.value.definition.0;
        task_definitions::may_run(cx, &definition)?;
        if definition.status.as_deref() != Some("ACTIVE") {
            return Err(error::task_definition_inactive());
        }
        let strategy = input.capacity_provider_strategy.as_ref();
        let wanted = Wanted::of(cluster, input.launch_type.as_deref(), strategy)?;
        let launch_type = wanted.launch_type();
        compatible(&definition, launch_type)?;
        let (constraints, strategies) = (&input.placement_constraints, &input.placement_strategy);
        let rules = rules(
            launch_type,
            &definition,
            constraints.as_ref(),
            strategies.as_ref(),
        )?;
        let platform_version =
            requirements::platform_version(launch_type, input.platform_version.as_deref())?;
        refuse_unbuilt(input)?;
        task_definition::runnable(&definition, launch_type)?;
        let configured = input.volume_configurations.as_deref().unwrap_or_default();
        let volumes = ebs::wanted(&definition, configured, launch_type)?;
        let overrides = input.overrides.clone().unwrap_or_default();
        if to_json(&overrides).to_string().chars().count() > MAX_OVERRIDES_CHARS {
            return Err(error::invalid_parameter(format!(
                "Container Overrides length must be at most {MAX_OVERRIDES_CHARS}"
            )));
        }
        assignment::check_overrides(&definition, &overrides)?;
        let network = requirements::network(&definition, input.network_configuration.as_ref())?;
        requirements::public_ip(launch_type, network.as_ref())?;
        if input
            .started_by
            .as_ref()
            .is_some_and(|s| s.chars().count() > MAX_STARTED_BY_CHARS)
        {
            return Err(error::invalid_parameter(format!(
                "startedBy longer than {MAX_STARTED_BY_CHARS}."
            )));
        }
        let (cpu_units, memory_mib) = requirements::size(launch_type, &definition, &overrides)?;
        let mut tags = parse_tags(input.tags.clone())?;
        match input.propagate_tags.as_deref() {
            Some("TASK_DEFINITION") => {
                // The call's own tags win.
                let own = std::mem::replace(&mut tags, stored.value.tags);
                tags.extend(own);
            }
            Some("SERVICE") => {
                return Err(error::invalid_parameter(
                    "Propagating tags from SERVICE is not supported for RunTask.",
                ));
            }
            _ => {}
        }
        if tags.len() > MAX_TAGS {
            return Err(error::invalid_tags(InvalidTags::TooMany));
        }
        if input.enable_ecs_managed_tags == Some(true) {
            tags.insert("aws:ecs:clusterName".into(), cluster.name.clone());
        }
        let count = usize::try_from(count).expect("1..=10");
        let capacities = wanted.next(count, |_| 0, &rules);
        let mut launch = Launch {
            scope: cx.scope.clone(),
            cluster: cluster.clone(),
            group: input.group.clone().unwrap_or_else(|| {
                format!(
                    "family:{}",
                    definition.family.as_deref().unwrap_or_default()
                )
            }),
            definition: Arc::new(definition),
            overrides,
            cpu_units,
            memory_mib,
            capacity: capacities.first().cloned().expect("count is at least 1"),
            network,
            started_by: input.started_by.clone(),
            platform_version,
            enable_execute_command: input.enable_execute_command.unwrap_or(false),
            tags,
            service: None,
            target_groups: Vec::new(),
            volumes,
            registries: Vec::new(),
            connect: None,
            blocking_logs: false,
        };
        launch.locate(&cx.house).await?;
        Ok(Request { launch, capacities })
    }
}

fn refuse_unbuilt(input: &api::RunTaskInput) -> Result<(), AwsError> {
    let some = |used: bool, what: &str| {
        if used {
            Err(error::unsupported(what))
        } else {
            Ok(())
        }
    };
    let overrides = input
        .overrides
        .iter()
        .flat_map(|o| o.container_overrides.iter().flatten());
    some(
        overrides.into_iter().any(|o| {
            o.resource_requirements
                .as_ref()
                .is_some_and(|r| !r.is_empty())
        }),
        "RunTask with resourceRequirements overridden",
    )?;
    let mut overrides = input.overrides.iter();
    some(
        overrides.any(|o| {
            let accelerators = o.inference_accelerator_overrides.as_ref();
            accelerators.is_some_and(|a| !a.is_empty())
        }),
        "RunTask with inferenceAcceleratorOverrides",
    )
}
