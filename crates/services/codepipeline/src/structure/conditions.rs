//! What conditions a stage may have, and what their rules may be
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/stage-conditions.html>). Pure.

use super::{configured, counts, keys};
use crate::actions::window;
use crate::model::{Moment, as_action, conditions};
use crate::{catalogue, error};
use neargate_api_codepipeline as api;
use neargate_service::AwsError;
use std::collections::BTreeSet;

/// The artifacts that are there before the stage, and behind it.
type Made<'a> = (&'a BTreeSet<&'a str>, &'a BTreeSet<&'a str>);

/// # Errors
/// `InvalidStageDeclarationException` and its like; what is not built here, by its name.
pub fn check(
    stage: &api::StageDeclaration,
    at: usize,
    pipeline: &api::PipelineDeclaration,
    made: Made<'_>,
) -> Result<(), AwsError> {
    let mut results = Vec::new();
    for (moment, allowed) in [
        (Moment::BeforeEntry, &["FAIL", "SKIP"][..]),
        (Moment::OnSuccess, &["ROLLBACK", "FAIL"]),
        (Moment::OnFailure, &["ROLLBACK", "FAIL", "RETRY", "SKIP"]),
    ] {
        for condition in conditions(stage, moment) {
            if pipeline.pipeline_type.as_deref() != Some("V2") {
                return Err(error::structure(
                    "Conditions are not supported for pipelines of type V1",
                ));
            }
            let result = condition.result.as_deref().unwrap_or("FAIL");
            if !allowed.contains(&result) {
                return Err(error::stage_declaration(format!(
                    "The result {result} is not supported for {moment:?} conditions of stage '{}'",
                    stage.name
                )));
            }
            results.push(result);
            let there = match moment {
                Moment::BeforeEntry => made.0,
                _ => made.1,
            };
            rules(condition, stage, there)?;
        }
    }
    let failure = stage.on_failure.as_ref();
    results.extend(failure.and_then(|f| f.result.as_deref()));
    if at == 0 && results.contains(&"ROLLBACK") {
        return Err(error::stage_declaration(format!(
            "Stage '{}' cannot be rolled back: it is the source stage",
            stage.name
        )));
    }
    if at == 0 && !conditions(stage, Moment::BeforeEntry).is_empty() {
        return Err(error::stage_declaration(format!(
            "Stage '{}' cannot have entry conditions: it is the source stage",
            stage.name
        )));
    }
    Ok(())
}

fn rules(
    condition: &api::Condition,
    stage: &api::StageDeclaration,
    made: &BTreeSet<&str>,
) -> Result<(), AwsError> {
    let mut names = BTreeSet::new();
    for rule in condition.rules.iter().flatten() {
        if !names.insert(&rule.name) {
            return Err(error::structure(format!(
                "Rule name must be unique within a condition. {} has been used more than once in stage {}",
                rule.name, stage.name
            )));
        }
        let asked = as_action(rule);
        let id = &asked.action_type_id;
        if catalogue::is_elsewhere(id) {
            return Err(error::not_built(&format!(
                "rules of the provider {}:",
                id.provider
            )));
        }
        let known = catalogue::find(id).ok_or_else(|| {
            error::structure(format!(
                "RuleType (Category: '{}', Provider: '{}', Owner: '{}', Version: '{}') in rule '{}' is not available in \
                 region",
                id.category, id.provider, id.owner, id.version, rule.name
            ))
        })?;
        counts(&asked, known.inputs, known.outputs)?;
        keys(&asked, known)?;
        for input in asked.input_artifacts.iter().flatten() {
            if !made.contains(input.name.as_str()) {
                return Err(error::structure(format!(
                    "Input Artifact Bundle {} in rule {} is not declared as Output Artifact Bundle in any of the \
                     preceding actions",
                    input.name, rule.name
                )));
            }
        }
        let has = asked.commands.as_ref().is_some_and(|all| !all.is_empty());
        if has != (known.provider == "Commands") {
            return Err(error::structure(format!(
                "Commands are for rules of the provider Commands, and required there: rule {}",
                rule.name
            )));
        }
        configuration(&asked, known.provider)?;
    }
    Ok(())
}

/// What can be told of a rule's configuration before it is asked.
fn configuration(rule: &api::ActionDeclaration, provider: &str) -> Result<(), AwsError> {
    let wrong = |key: &str| {
        error::structure(format!(
            "Rule configuration for rule '{}' has a value of '{key}' that is not valid",
            rule.name
        ))
    };
    let text = |key| configured(rule, key).unwrap_or_default();
    match provider {
        "DeploymentWindow" => {
            let zone = configured(rule, "TimeZone").unwrap_or("UTC");
            window(text("Cron"), zone).map_err(|_| wrong("Cron"))?;
        }
        "VariableCheck" if !matches!(text("Operator"), "EQ" | "NE" | "CONTAINS" | "MATCHES") => {
            return Err(wrong("Operator"));
        }
        "CloudWatchAlarm" => {
            let states = configured(rule, "AlarmStates").unwrap_or("ALARM");
            let known = |one: &str| matches!(one.trim(), "ALARM" | "OK" | "INSUFFICIENT_DATA");
            if !states.split(',').all(known) {
                return Err(wrong("AlarmStates"));
            }
            let wait = configured(rule, "WaitTime").map(|text| text.trim().parse::<u32>());
            if wait.is_some_and(|minutes| minutes.is_err()) {
                return Err(wrong("WaitTime"));
            }
        }
        _ => {}
    }
    Ok(())
}
