//! The parts of `deploymentConfiguration` that shift traffic, as they are asked for and shown
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>).

use crate::error;
use crate::model::{
    DeploymentController, DeploymentRules, HookAction, HookStage, PauseHook, Scheduling,
    ShiftRules, Steps,
};
use neargate_api_ecs as api;
use neargate_service::AwsError;

/// A day.
const MAX_MINUTES: i32 = 1_440;
/// How long a hook waits at most: "maximum 20,160 minutes / 14 days"
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/troubleshooting-blue-green.html>).
const MAX_PAUSE_MINUTES: i32 = 20_160;
/// Where a pause is not allowed.
const NO_PAUSE: [&str; 2] = ["TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"];

/// What is given instead of what `rules` has.
///
/// # Errors
/// `InvalidParameterException`, `UnsupportedFeatureException`.
pub(super) fn apply(
    rules: &mut DeploymentRules,
    given: &api::DeploymentConfiguration,
    scheduling: Scheduling,
    controller: DeploymentController,
) -> Result<(), AwsError> {
    let before = rules.strategy.clone();
    if let Some(strategy) = &given.strategy {
        rules.strategy = strategy.clone();
    }
    let strategy = rules.strategy.as_str();
    let alone = [
        (
            "LINEAR",
            given.linear_configuration.is_some(),
            "linearConfiguration",
        ),
        (
            "CANARY",
            given.canary_configuration.is_some(),
            "canaryConfiguration",
        ),
    ];
    if let Some((wanted, _, what)) = alone.iter().find(|(of, is, _)| *is && *of != strategy) {
        return Err(error::invalid_parameter(format!(
            "{what} is only valid when the deployment strategy is {wanted}."
        )));
    }
    if strategy == "ROLLING" {
        rules.shift = None;
        return match given
            .lifecycle_hooks
            .as_ref()
            .is_some_and(|h| !h.is_empty())
        {
            true => Err(error::unsupported(
                "deploymentConfiguration.lifecycleHooks with the strategy ROLLING",
            )),
            false => Ok(()),
        };
    }
    if scheduling == Scheduling::Daemon || controller != DeploymentController::Ecs {
        return Err(error::invalid_parameter(format!(
            "The {strategy} deployment strategy is only supported for services with the REPLICA \
             scheduling strategy and the ECS deployment controller."
        )));
    }
    let kept = rules.shift.take().filter(|_| before == strategy);
    let steps = match (strategy, kept.as_ref().map(|k| k.steps)) {
        ("LINEAR", kept) => linear_steps(given.linear_configuration.as_ref(), kept)?,
        ("CANARY", kept) => canary_steps(given.canary_configuration.as_ref(), kept)?,
        _ => Steps::AllAtOnce,
    };
    let hooks = match &given.lifecycle_hooks {
        Some(given) => given.iter().map(hook).collect::<Result<_, _>>()?,
        None => kept.map(|k| k.hooks).unwrap_or_default(),
    };
    rules.shift = Some(ShiftRules { steps, hooks });
    Ok(())
}

fn linear_steps(
    given: Option<&api::LinearConfiguration>,
    kept: Option<Steps>,
) -> Result<Steps, AwsError> {
    let Some(given) = given else {
        return Ok(kept.unwrap_or(Steps::Linear {
            step: 100,
            bake_minutes: 6,
        }));
    };
    Ok(Steps::Linear {
        step: tenths(given.step_percent.unwrap_or(10.0), 30, "stepPercent")?,
        bake_minutes: minutes(
            given.step_bake_time_in_minutes.unwrap_or(6),
            MAX_MINUTES,
            "stepBakeTimeInMinutes",
        )?,
    })
}

fn canary_steps(
    given: Option<&api::CanaryConfiguration>,
    kept: Option<Steps>,
) -> Result<Steps, AwsError> {
    let Some(given) = given else {
        return Ok(kept.unwrap_or(Steps::Canary {
            share: 50,
            bake_minutes: 10,
        }));
    };
    Ok(Steps::Canary {
        share: tenths(given.canary_percent.unwrap_or(5.0), 1, "canaryPercent")?,
        bake_minutes: minutes(
            given.canary_bake_time_in_minutes.unwrap_or(10),
            MAX_MINUTES,
            "canaryBakeTimeInMinutes",
        )?,
    })
}

/// "multiples of 0.1", from `least` tenths to all.
fn tenths(percent: f64, least: u32, what: &str) -> Result<u32, AwsError> {
    let scaled = percent * 10.0;
    let whole = (scaled.round() - scaled).abs() < 1e-6;
    let tenths = (0..=1_000).find(|n| f64::from(*n) == scaled.round());
    let tenths = tenths.filter(|n| whole && *n >= least);
    tenths.ok_or_else(|| {
        error::invalid_parameter(format!(
            "{what} must be a multiple of 0.1 between {}.{} and 100.0.",
            least / 10,
            least % 10
        ))
    })
}

fn minutes(given: i32, most: i32, what: &str) -> Result<u32, AwsError> {
    let given = u32::try_from(given).ok().filter(|_| given <= most);
    given.ok_or_else(|| error::invalid_parameter(format!("{what} must be between 0 and {most}.")))
}

fn hook(given: &api::DeploymentLifecycleHook) -> Result<PauseHook, AwsError> {
    match given.target_type.as_deref() {
        Some("PAUSE") => {}
        None | Some("AWS_LAMBDA") => {
            return Err(error::unsupported(
                "deploymentConfiguration.lifecycleHooks of the target type AWS_LAMBDA",
            ));
        }
        Some(_) => {
            return Err(error::invalid_parameter(
                "Invalid targetType. Valid values are: AWS_LAMBDA, PAUSE",
            ));
        }
    }
    let stages = given.lifecycle_stages.as_deref().unwrap_or_default();
    if stages.is_empty() {
        return Err(error::invalid_parameter(
            "lifecycleStages of a lifecycle hook cannot be empty.",
        ));
    }
    let timeout = given.timeout_configuration.clone().unwrap_or_default();
    Ok(PauseHook {
        stages: stages.iter().map(|s| stage(s)).collect::<Result<_, _>>()?,
        timeout_minutes: minutes(
            timeout.timeout_in_minutes.unwrap_or(MAX_MINUTES),
            MAX_PAUSE_MINUTES,
            "timeoutInMinutes",
        )?,
        timeout_action: match timeout.action.as_deref() {
            Some("CONTINUE") => HookAction::Continue,
            _ => HookAction::Rollback,
        },
    })
}

fn stage(named: &str) -> Result<HookStage, AwsError> {
    let mut known = HookStage::ALL.into_iter();
    known.find(|stage| stage.as_str() == named).ok_or_else(|| {
        error::invalid_parameter(match NO_PAUSE.contains(&named) {
            true => "Invalid lifecycle stage provided for Pause Hook".into(),
            false => format!("Invalid lifecycle stage: {named}."),
        })
    })
}

fn percent(tenths: u32) -> f64 {
    f64::from(tenths) / 10.0
}

pub(super) fn linear(rules: &DeploymentRules) -> Option<api::LinearConfiguration> {
    match rules.shift.as_ref()?.steps {
        Steps::Linear { step, bake_minutes } => Some(api::LinearConfiguration {
            step_percent: Some(percent(step)),
            step_bake_time_in_minutes: i32::try_from(bake_minutes).ok(),
        }),
        _ => None,
    }
}

pub(super) fn canary(rules: &DeploymentRules) -> Option<api::CanaryConfiguration> {
    match rules.shift.as_ref()?.steps {
        Steps::Canary {
            share,
            bake_minutes,
        } => Some(api::CanaryConfiguration {
            canary_percent: Some(percent(share)),
            canary_bake_time_in_minutes: i32::try_from(bake_minutes).ok(),
        }),
        _ => None,
    }
}

pub(super) fn hooks(rules: &DeploymentRules) -> Option<Vec<api::DeploymentLifecycleHook>> {
    let hooks = &rules.shift.as_ref()?.hooks;
    let shown = hooks.iter().map(|hook| api::DeploymentLifecycleHook {
        target_type: Some("PAUSE".into()),
        lifecycle_stages: Some(hook.stages.iter().map(|s| s.as_str().to_owned()).collect()),
        timeout_configuration: Some(api::DeploymentLifecycleHookTimeoutConfiguration {
            timeout_in_minutes: i32::try_from(hook.timeout_minutes).ok(),
            action: Some(hook.timeout_action.as_str().into()),
        }),
        ..Default::default()
    });
    Some(shown.collect())
}
