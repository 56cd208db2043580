//! What tasks are asked to run on: launch type or capacity providers, placement constraints and
//! strategies. `RunTask` and services check them alike.

use crate::error;
use crate::launch::{Capacity, Instances};
use crate::model::Cluster;
use crate::plan::capacity;
use crate::plan::placement::provider::{self, Share};
use crate::plan::placement::{Constraint, Strategy};
use neargate_api_ecs as api;
use neargate_domain::LaunchType;
use neargate_service::AwsError;

/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>).
const MAX_CONSTRAINTS: usize = 10;
const MAX_STRATEGIES: usize = 5;

/// Launch type or capacity provider strategy, as asked for or as the cluster's default has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    LaunchType(LaunchType),
    Providers(Vec<api::CapacityProviderStrategyItem>),
}

impl Wanted {
    /// # Errors
    /// `InvalidParameterException` for both at once, an unknown launch type, or a provider that is
    /// not the cluster's.
    pub fn of(
        cluster: &Cluster,
        launch_type: Option<&str>,
        strategy: Option<&Vec<api::CapacityProviderStrategyItem>>,
    ) -> Result<Wanted, AwsError> {
        let strategy = strategy.filter(|s| !s.is_empty());
        match (launch_type.filter(|l| !l.is_empty()), strategy) {
            (Some(_), Some(_)) => Err(error::invalid_parameter(
                "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
            )),
            (Some("FARGATE"), None) => Ok(Wanted::LaunchType(LaunchType::Fargate)),
            (Some("EC2"), None) => Ok(Wanted::LaunchType(LaunchType::Ec2)),
            (Some("EXTERNAL"), None) => Ok(Wanted::LaunchType(LaunchType::External)),
            (Some(other), None) => Err(error::unsupported(&format!("launchType {other}"))),
            (None, Some(strategy)) => {
                check_strategy(cluster, strategy)?;
                Ok(Wanted::Providers(strategy.clone()))
            }
            (None, None) if cluster.default_strategy.is_empty() => {
                Ok(Wanted::LaunchType(LaunchType::Ec2))
            }
            (None, None)
                if cluster
                    .default_strategy
                    .iter()
                    .all(|s| s.0.weight.unwrap_or(0) == 0) =>
            {
                Err(error::invalid_parameter(
                    "There are no capacity providers with a weight value greater than zero defined in the default capacity provider strategy. At least one capacity provider must have a weight value greater than zero specified. Update the cluster's default capacity provider strategy or specify a valid capacity provider strategy and try again.",
                ))
            }
            (None, None) => {
                let items = cluster.default_strategy.iter().map(|s| s.0.clone());
                Ok(Wanted::Providers(items.collect()))
            }
        }
    }

    /// The launch type of the tasks.
    pub fn launch_type(&self) -> LaunchType {
        match self {
            Wanted::LaunchType(launch_type) => *launch_type,
            Wanted::Providers(items) if items.iter().any(|i| is_fargate(&i.capacity_provider)) => {
                LaunchType::Fargate
            }
            Wanted::Providers(_) => LaunchType::Ec2,
        }
    }

    /// What each of the next `count` tasks runs on, when each provider has `tasks` now. `rules`:
    /// constraints and strategies, for container instances.
    pub fn next(
        &self,
        count: usize,
        tasks: impl Fn(&str) -> u32,
        rules: &Instances,
    ) -> Vec<Capacity> {
        match self {
            Wanted::LaunchType(launch_type) => vec![of_launch_type(*launch_type, rules); count],
            Wanted::Providers(items) => {
                let share = |i: &api::CapacityProviderStrategyItem| Share {
                    provider: i.capacity_provider.clone(),
                    base: i.base.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
                    weight: i.weight.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
                    tasks: tasks(&i.capacity_provider),
                };
                let mut shares: Vec<Share> = items.iter().map(share).collect();
                let mut next = || {
                    let name = provider::next(&shares)?.provider.clone();
                    let of = shares.iter_mut().find(|s| s.provider == name)?;
                    of.tasks += 1;
                    Some(of_provider(&name, rules))
                };
                (0..count).map_while(|_| next()).collect()
            }
        }
    }
}

fn is_fargate(provider: &str) -> bool {
    matches!(provider, "FARGATE" | "FARGATE_SPOT")
}

fn of_launch_type(launch_type: LaunchType, rules: &Instances) -> Capacity {
    match launch_type {
        LaunchType::Fargate => Capacity::Fargate { provider: None },
        LaunchType::Ec2 => Capacity::Instances(rules.clone()),
        LaunchType::External => Capacity::Instances(Instances {
            external: true,
            ..rules.clone()
        }),
    }
}

fn of_provider(name: &str, rules: &Instances) -> Capacity {
    let provider = Some(name.to_owned());
    if is_fargate(name) {
        Capacity::Fargate { provider }
    } else {
        Capacity::Instances(Instances {
            provider,
            ..rules.clone()
        })
    }
}

/// The rules of a strategy
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html>).
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_strategy(
    cluster: &Cluster,
    items: &[api::CapacityProviderStrategyItem],
) -> Result<(), AwsError> {
    capacity::check_strategy(items, &cluster.capacity_providers)
        .map_err(error::invalid_parameter)?;
    if items.iter().all(|i| i.weight.unwrap_or(0) == 0) {
        return Err(error::invalid_parameter(
            "There are no capacity providers with a weight value greater than zero defined in the capacity provider strategy. At least one capacity provider must have a weight value greater than zero specified. Specify a valid capacity provider strategy and try again.",
        ));
    }
    Ok(())
}

/// The placement rules of a call: the task definition's constraints and the caller's own.
///
/// # Errors
/// `InvalidParameterException`.
pub fn rules(
    launch_type: LaunchType,
    definition: &api::TaskDefinition,
    constraints: Option<&Vec<api::PlacementConstraint>>,
    strategies: Option<&Vec<api::PlacementStrategy>>,
) -> Result<Instances, AwsError> {
    let constraints = constraints.map_or(&[][..], Vec::as_slice);
    let strategies = strategies.map_or(&[][..], Vec::as_slice);
    if launch_type == LaunchType::Fargate {
        if !constraints.is_empty() {
            return Err(error::invalid_parameter(
                "Placement constraints are not supported with FARGATE launch type.",
            ));
        }
        if !strategies.is_empty() {
            return Err(error::invalid_parameter(
                "Placement strategies are not supported with FARGATE launch type.",
            ));
        }
        return Ok(Instances::default());
    }
    if constraints.len() > MAX_CONSTRAINTS {
        return Err(error::invalid_parameter(
            "Placement constraints cannot have more than 10 elements.",
        ));
    }
    if strategies.len() > MAX_STRATEGIES {
        return Err(error::invalid_parameter(
            "Placement strategies cannot have more than 5 elements.",
        ));
    }
    let of_definition = definition.placement_constraints.iter().flatten();
    let of_definition =
        of_definition.map(|c| constraint(c.r#type.as_deref(), c.expression.as_deref()));
    let own = constraints
        .iter()
        .map(|c| constraint(c.r#type.as_deref(), c.expression.as_deref()));
    let strategy = |s: &api::PlacementStrategy| {
        let kind = s.r#type.as_deref().unwrap_or_default();
        Strategy::from_api(kind, s.field.as_deref()).map_err(error::invalid_parameter)
    };
    Ok(Instances {
        constraints: of_definition.chain(own).collect::<Result<_, _>>()?,
        strategies: strategies.iter().map(strategy).collect::<Result<_, _>>()?,
        ..Instances::default()
    })
}

/// # Errors
/// `InvalidParameterException` for another type, or an expression that is none.
pub fn constraint(kind: Option<&str>, expression: Option<&str>) -> Result<Constraint, AwsError> {
    Constraint::from_api(kind.unwrap_or_default(), expression).map_err(error::invalid_parameter)
}

/// The definition can run there.
///
/// # Errors
/// `InvalidParameterException`.
pub fn compatible(
    definition: &api::TaskDefinition,
    launch_type: LaunchType,
) -> Result<(), AwsError> {
    let name = launch_type.as_str();
    // Every registered definition can run on instances of either kind unless it asks for Fargate's.
    let fits = match launch_type {
        LaunchType::Fargate | LaunchType::Ec2 => definition
            .compatibilities
            .iter()
            .flatten()
            .any(|c| c == name),
        LaunchType::External => definition.network_mode.as_deref() != Some("awsvpc"),
    };
    if fits {
        return Ok(());
    }
    Err(error::invalid_parameter(format!(
        "Task definition does not support launch_type {name}."
    )))
}
