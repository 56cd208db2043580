//! What a task needs of an instance, and how the instance is to be chosen.

use super::instance::Port;
use crate::plan::query::Expression;
use neargate_api_ecs as api;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What one task takes of its instance while it runs there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Claim {
    /// `service:NAME`, `family:NAME` or what RunTask was given: spread, `distinctInstance` and
    /// `task:group` count within it.
    pub group: String,
    pub cpu_units: u32,
    pub memory_mib: u32,
    /// Host ports asked for by number; dynamic ones are not placement's.
    pub ports: Vec<Port>,
    pub gpus: u32,
    /// Has a network interface of its own (network mode awsvpc).
    pub eni: bool,
}

/// A task to be placed. Tasks that differ in id only share one request: it is also the key
/// under which [`super::Capacity`] keeps its indexes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Request {
    pub claim: Arc<Claim>,
    /// The definition's `requiresAttributes`: a name, and a value if it must be that one.
    pub required_attributes: Vec<(String, Option<String>)>,
    /// The task definition's and the service's (or RunTask's); all must hold.
    pub constraints: Vec<Constraint>,
    /// In order of weight. Empty: any instance, by the seed.
    pub strategies: Vec<Strategy>,
    /// Only instances of this capacity provider.
    pub capacity_provider: Option<String>,
    /// Launch type EXTERNAL rather than EC2.
    pub external: bool,
}

impl Request {
    /// Only what is asked of an instance's registration, the same for many requests.
    pub(super) fn fixed(&self) -> Request {
        Request {
            claim: Arc::default(),
            required_attributes: self.required_attributes.clone(),
            constraints: self
                .constraints
                .iter()
                .filter(|c| c.is_of_registration())
                .cloned()
                .collect(),
            strategies: Vec::new(),
            capacity_provider: self.capacity_provider.clone(),
            external: self.external,
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-constraints.html>
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// No other task of the same group on the instance.
    DistinctInstance,
    MemberOf(Expression),
    /// In one of these zones: those of the subnets that the task's own network interface may
    /// be in. ECS counts it as an attribute that is missing
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>).
    Zones(BTreeSet<String>),
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-strategies.html>
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Fewest tasks of the group first.
    Spread(SpreadBy),
    /// The least left that still fits first.
    Binpack(Resource),
    /// By the seed; strategies after it have nothing left to decide.
    Random,
}

/// What tasks are spread over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SpreadBy {
    /// `instanceId`, or `host` which is the same.
    Instance,
    /// The values of an attribute. Instances without it count as one more value, for a
    /// strategy is a best effort and must not keep a task from being placed. After another
    /// attribute it spreads within each value of that one.
    Attribute(String),
}

/// What `binpack` packs by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    Cpu,
    Memory,
}

impl Constraint {
    /// Whether it asks only for what an instance registered.
    pub(super) fn is_of_registration(&self) -> bool {
        match self {
            Constraint::MemberOf(e) => !e.of_tasks(),
            Constraint::Zones(_) => true,
            Constraint::DistinctInstance => false,
        }
    }

    /// As [`Constraint::from_api`] reads it; `None`: it is not a caller's.
    pub fn to_api(&self) -> Option<api::PlacementConstraint> {
        let (kind, expression) = match self {
            Constraint::DistinctInstance => ("distinctInstance", None),
            Constraint::MemberOf(expression) => ("memberOf", Some(expression.source().to_owned())),
            Constraint::Zones(_) => return None,
        };
        Some(api::PlacementConstraint {
            r#type: Some(kind.into()),
            expression,
        })
    }

    /// Reads the API's `type` and `expression`; the error is the sentence for the caller.
    pub fn from_api(kind: &str, expression: Option<&str>) -> Result<Constraint, String> {
        match (kind, expression) {
            ("distinctInstance", None) => Ok(Constraint::DistinctInstance),
            // <https://github.com/hashicorp/terraform/issues/11471>
            ("distinctInstance", Some(_)) => {
                Err("distinctInstance expression should not be specified.".into())
            }
            ("memberOf", Some(expression)) => Expression::parse(expression)
                .map(Constraint::MemberOf)
                .map_err(|e| format!("Invalid placement constraint expression: {e}.")),
            ("memberOf", None) => Err("memberOf expression should be specified.".into()),
            _ => Err(format!(
                "Placement constraint type '{kind}' is not supported."
            )),
        }
    }
}

impl Strategy {
    /// As [`Strategy::from_api`] reads it.
    pub fn to_api(&self) -> api::PlacementStrategy {
        let (kind, field) = match self {
            Strategy::Random => ("random", None),
            Strategy::Binpack(Resource::Cpu) => ("binpack", Some("cpu".to_owned())),
            Strategy::Binpack(Resource::Memory) => ("binpack", Some("memory".to_owned())),
            Strategy::Spread(SpreadBy::Instance) => ("spread", Some("instanceId".to_owned())),
            Strategy::Spread(SpreadBy::Attribute(name)) => {
                ("spread", Some(format!("attribute:{name}")))
            }
        };
        api::PlacementStrategy {
            r#type: Some(kind.into()),
            field,
        }
    }

    /// Reads the API's `type` and `field`; the error is the sentence for the caller.
    pub fn from_api(kind: &str, field: Option<&str>) -> Result<Strategy, String> {
        let unknown = || {
            format!(
                "Placement strategy field '{}' is not supported for {kind}.",
                field.unwrap_or_default()
            )
        };
        match (kind, field.unwrap_or_default()) {
            ("random", _) => Ok(Strategy::Random),
            ("binpack", f) if f.eq_ignore_ascii_case("cpu") => Ok(Strategy::Binpack(Resource::Cpu)),
            ("binpack", f) if f.eq_ignore_ascii_case("memory") => {
                Ok(Strategy::Binpack(Resource::Memory))
            }
            ("spread", f)
                if f.eq_ignore_ascii_case("instanceId") || f.eq_ignore_ascii_case("host") =>
            {
                Ok(Strategy::Spread(SpreadBy::Instance))
            }
            ("spread", f) => match f.strip_prefix("attribute:") {
                Some(name) if !name.is_empty() => {
                    Ok(Strategy::Spread(SpreadBy::Attribute(name.to_owned())))
                }
                _ => Err(unknown()),
            },
            ("binpack", _) => Err(unknown()),
            _ => Err(format!(
                "Placement strategy type '{kind}' is not supported."
            )),
        }
    }

    /// What ECS does for a service that names no strategy: spread over the zones
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement-strategies.html>),
    /// and within each over the instances.
    pub fn service_default() -> Vec<Strategy> {
        vec![
            Strategy::Spread(SpreadBy::Attribute("ecs.availability-zone".into())),
            Strategy::Spread(SpreadBy::Instance),
        ]
    }
}
