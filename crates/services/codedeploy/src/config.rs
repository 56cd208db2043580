//! Deployment configurations: AWS's own for ECS, and what others may be
//! (<https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html>). Pure.

use crate::error;
use crate::model::Routing;
use neargate_api_codedeploy as api;
use neargate_service::AwsError;

/// AWS's configurations of the ECS platform.
pub static KNOWN: &[(&str, Routing)] = &[
    ("CodeDeployDefault.ECSAllAtOnce", Routing::AllAtOnce),
    (
        "CodeDeployDefault.ECSCanary10Percent15Minutes",
        Routing::Canary(10, 15),
    ),
    (
        "CodeDeployDefault.ECSCanary10Percent5Minutes",
        Routing::Canary(10, 5),
    ),
    (
        "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
        Routing::Linear(10, 1),
    ),
    (
        "CodeDeployDefault.ECSLinear10PercentEvery3Minutes",
        Routing::Linear(10, 3),
    ),
];

pub const DEFAULT: &str = "CodeDeployDefault.ECSAllAtOnce";

pub fn known(name: &str) -> Option<Routing> {
    let found = KNOWN.iter().find(|(known, _)| *known == name);
    found.map(|(_, routing)| *routing)
}

/// How it is told.
pub fn shown(name: &str, routing: Routing) -> api::DeploymentConfigInfo {
    let share = i32::from;
    let minutes = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let told = match routing {
        Routing::AllAtOnce => api::TrafficRoutingConfig {
            r#type: Some("AllAtOnce".into()),
            ..Default::default()
        },
        Routing::Canary(percent, after) => api::TrafficRoutingConfig {
            r#type: Some("TimeBasedCanary".into()),
            time_based_canary: Some(api::TimeBasedCanary {
                canary_percentage: Some(share(percent)),
                canary_interval: Some(minutes(after)),
            }),
            time_based_linear: None,
        },
        Routing::Linear(percent, every) => api::TrafficRoutingConfig {
            r#type: Some("TimeBasedLinear".into()),
            time_based_canary: None,
            time_based_linear: Some(api::TimeBasedLinear {
                linear_percentage: Some(share(percent)),
                linear_interval: Some(minutes(every)),
            }),
        },
    };
    api::DeploymentConfigInfo {
        deployment_config_name: Some(name.to_owned()),
        compute_platform: Some("ECS".into()),
        traffic_routing_config: Some(told),
        ..Default::default()
    }
}

/// How a configuration lets traffic go over.
///
/// # Errors
/// `InvalidTrafficRoutingConfigurationException`.
pub fn routing(given: Option<&api::TrafficRoutingConfig>) -> Result<Routing, AwsError> {
    let wrong = |why: &str| error::named("InvalidTrafficRoutingConfiguration", why);
    let Some(given) = given else {
        return Ok(Routing::AllAtOnce);
    };
    let checked = |percent: Option<i32>, minutes: Option<i32>| {
        let percent = percent.and_then(|n| u8::try_from(n).ok());
        let percent = percent.filter(|n| (1..=99).contains(n));
        let percent = percent.ok_or_else(|| wrong("The percentage must be between 1 and 99"))?;
        let minutes = minutes.and_then(|n| u32::try_from(n).ok());
        let minutes = minutes.filter(|n| (1..=2_880).contains(n));
        let minutes = minutes.ok_or_else(|| wrong("The interval must be at least 1 minute"))?;
        Ok::<_, AwsError>((percent, minutes))
    };
    match given.r#type.as_deref() {
        Some("TimeBasedCanary") => {
            let canary = given.time_based_canary.clone().unwrap_or_default();
            let (percent, minutes) = checked(canary.canary_percentage, canary.canary_interval)?;
            Ok(Routing::Canary(percent, minutes))
        }
        Some("TimeBasedLinear") => {
            let linear = given.time_based_linear.clone().unwrap_or_default();
            let (percent, minutes) = checked(linear.linear_percentage, linear.linear_interval)?;
            Ok(Routing::Linear(percent, minutes))
        }
        _ => Ok(Routing::AllAtOnce),
    }
}

/// The next share of a replacement that has `weight`, and the minutes until it may have more.
pub fn next(routing: Routing, weight: u8) -> (u8, u32) {
    match routing {
        Routing::Canary(percent, minutes) if weight == 0 => (percent, minutes),
        Routing::Linear(percent, minutes) => {
            let next = weight.saturating_add(percent).min(100);
            (next, if next < 100 { minutes } else { 0 })
        }
        Routing::AllAtOnce | Routing::Canary(..) => (100, 0),
    }
}
