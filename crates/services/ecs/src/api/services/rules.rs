//! `deploymentConfiguration`: what may be asked for, and the defaults
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>).

use super::shifting;
use crate::error;
use crate::model::{
    Alarms, CircuitBreaker, DeploymentController, DeploymentRules, Scheduling, Threshold,
};
use crate::plan::service::tally;
use neargate_api_ecs as api;
use neargate_service::AwsError;

/// A day.
const MAX_BAKE_TIME_MINUTES: i32 = 1_440;

/// What a service without any configuration gets.
pub(super) fn defaults(scheduling: Scheduling) -> DeploymentRules {
    let (minimum_healthy_percent, maximum_percent) = match scheduling {
        Scheduling::Replica => (100, 200),
        Scheduling::Daemon => (0, 100),
    };
    DeploymentRules {
        minimum_healthy_percent,
        maximum_percent,
        circuit_breaker: None,
        alarms: None,
        strategy: "ROLLING".into(),
        bake_time_minutes: None,
        shift: None,
    }
}

/// `base` with what is given instead. Enabled alarms are refused unless CloudWatch's are served.
///
/// # Errors
/// `InvalidParameterException`, `UnsupportedFeatureException`.
pub(super) fn apply(
    base: &DeploymentRules,
    given: Option<&api::DeploymentConfiguration>,
    scheduling: Scheduling,
    controller: DeploymentController,
    alarms_served: bool,
) -> Result<DeploymentRules, AwsError> {
    let mut rules = base.clone();
    let Some(given) = given else {
        return Ok(rules);
    };
    unbuilt(given, alarms_served)?;
    if let Some(percent) = given.minimum_healthy_percent {
        rules.minimum_healthy_percent = positive(percent, "minimumHealthyPercent")?;
    }
    if let Some(percent) = given.maximum_percent {
        rules.maximum_percent = positive(percent, "maximumPercent")?;
    }
    if let Some(breaker) = &given.deployment_circuit_breaker {
        if breaker.enable && controller != DeploymentController::Ecs {
            return Err(error::invalid_parameter(
                "Deployment circuit breaker feature can only be configured with ECS deployment controller.",
            ));
        }
        rules.circuit_breaker = Some(CircuitBreaker {
            enable: breaker.enable,
            rollback: breaker.enable && breaker.rollback,
            reset_on_healthy_task: breaker.reset_on_healthy_task,
            threshold: breaker
                .threshold_configuration
                .as_ref()
                .map(threshold)
                .transpose()?,
        });
    }
    if let Some(alarms) = &given.alarms {
        if alarms.enable && controller != DeploymentController::Ecs {
            return Err(error::invalid_parameter(
                "Deployment alarms feature can only be configured with ECS deployment controller.",
            ));
        }
        rules.alarms = Some(Alarms {
            names: alarms.alarm_names.clone(),
            enable: alarms.enable,
            rollback: alarms.rollback,
        });
    }
    if let Some(minutes) = given.bake_time_in_minutes {
        if !(0..=MAX_BAKE_TIME_MINUTES).contains(&minutes) {
            return Err(error::invalid_parameter(
                "bakeTimeInMinutes must be between 0 and 1440.",
            ));
        }
        rules.bake_time_minutes = u32::try_from(minutes).ok();
    }
    shifting::apply(&mut rules, given, scheduling, controller)?;
    check(&rules, scheduling)?;
    Ok(rules)
}

fn check(rules: &DeploymentRules, scheduling: Scheduling) -> Result<(), AwsError> {
    let (minimum, maximum) = (rules.minimum_healthy_percent, rules.maximum_percent);
    if scheduling == Scheduling::Daemon {
        if maximum > 100 {
            return Err(error::invalid_parameter(
                "The daemon scheduling strategy does not support values above 100 for maximumPercent on a deployment configuration. Change the maximumPercent value to 100, and try again",
            ));
        }
        if minimum >= maximum {
            return Err(error::invalid_parameter(
                "minimumHealthyPercent must be less than maximumPercent.",
            ));
        }
        return Ok(());
    }
    if maximum < 100 {
        return Err(error::invalid_parameter(
            "maximumPercent must be at least 100.",
        ));
    }
    if minimum > maximum {
        return Err(error::invalid_parameter(
            "minimumHealthyPercent must be less than maximumPercent.",
        ));
    }
    if minimum == 100 && maximum == 100 {
        return Err(error::invalid_parameter(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.",
        ));
    }
    Ok(())
}

fn positive(percent: i32, what: &str) -> Result<u32, AwsError> {
    u32::try_from(percent)
        .map_err(|_| error::invalid_parameter(format!("{what} must not be negative.")))
}

fn threshold(given: &api::ThresholdConfiguration) -> Result<Threshold, AwsError> {
    let value = u32::try_from(given.value).ok().filter(|v| *v > 0);
    let value = value.ok_or_else(|| {
        error::invalid_parameter("The thresholdConfiguration value must be greater than 0.")
    })?;
    match given.r#type.as_str() {
        "COUNT" => Ok(Threshold::Count(value)),
        "BOUNDED_PERCENT" => Ok(Threshold::BoundedPercent(value)),
        "UNBOUNDED_PERCENT" => Ok(Threshold::UnboundedPercent(value)),
        other => Err(error::invalid_parameter(format!(
            "Invalid thresholdConfiguration type: {other}."
        ))),
    }
}

fn unbuilt(given: &api::DeploymentConfiguration, alarms_served: bool) -> Result<(), AwsError> {
    let refuse = |used: bool, what: &str| match used {
        true => Err(error::unsupported(what)),
        false => Ok(()),
    };
    refuse(
        given
            .early_success_criteria
            .as_ref()
            .is_some_and(|c| c.enable),
        "deploymentConfiguration.earlySuccessCriteria",
    )?;
    refuse(
        given.alarms.as_ref().is_some_and(|a| a.enable) && !alarms_served,
        "deploymentConfiguration.alarms: CloudWatch is not served",
    )
}

/// The rules as `DescribeServices` shows them.
pub(super) fn shown(rules: &DeploymentRules) -> api::DeploymentConfiguration {
    let breaker = rules.circuit_breaker;
    let reset = breaker.and_then(|b| b.reset_on_healthy_task);
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let threshold = |t: Threshold| {
        let (kind, value) = match t {
            Threshold::Count(n) => ("COUNT", n),
            Threshold::BoundedPercent(n) => ("BOUNDED_PERCENT", n),
            Threshold::UnboundedPercent(n) => ("UNBOUNDED_PERCENT", n),
        };
        api::ThresholdConfiguration {
            r#type: kind.into(),
            value: number(value),
        }
    };
    api::DeploymentConfiguration {
        deployment_circuit_breaker: Some(api::DeploymentCircuitBreaker {
            enable: breaker.is_some_and(|b| b.enable),
            rollback: breaker.is_some_and(|b| b.rollback),
            reset_on_healthy_task: Some(reset.unwrap_or(true)),
            threshold_configuration: Some(threshold(tally::limit(breaker.as_ref()))),
        }),
        maximum_percent: Some(number(rules.maximum_percent)),
        minimum_healthy_percent: Some(number(rules.minimum_healthy_percent)),
        alarms: rules.alarms.as_ref().map(|a| api::DeploymentAlarms {
            alarm_names: a.names.clone(),
            enable: a.enable,
            rollback: a.rollback,
        }),
        strategy: Some(rules.strategy.clone()),
        bake_time_in_minutes: Some(number(rules.bake_time_minutes.unwrap_or(0))),
        lifecycle_hooks: shifting::hooks(rules),
        linear_configuration: shifting::linear(rules),
        canary_configuration: shifting::canary(rules),
        ..Default::default()
    }
}
