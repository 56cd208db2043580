//! Targets of rules.

use super::{commit, paged, rule};
use crate::target::Kind;
use crate::{Events, error, input as inputs, name};
use neargate_api_events as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::Json;
use std::sync::Arc;

/// Targets of a rule.
const MOST: usize = 5;
/// Of one call.
const MOST_ENTRIES: usize = 10;
/// Variables of a template.
const MOST_PATHS: usize = 100;

pub async fn put_targets(
    events: Arc<Events>,
    cx: Ctx,
    input: api::PutTargetsInput,
) -> Result<api::PutTargetsOutput, AwsError> {
    let bus = name::own_bus(&cx, input.event_bus_name.as_deref())?;
    if input.targets.len() > MOST_ENTRIES {
        return Err(error::validation(format!(
            "1 validation error detected: Value at 'targets' failed to satisfy constraint: Member must have length less than or equal to {MOST_ENTRIES}"
        )));
    }
    for target in &input.targets {
        check(target)?;
    }
    loop {
        let there = rule(&cx, &bus, &input.rule).await?;
        let mut changed = there.value.clone();
        for target in &input.targets {
            changed.targets.retain(|other| other.id != target.id);
            changed.targets.push(Json(target.clone()));
        }
        if changed.targets.len() > MOST {
            return Err(error::limit(
                "The requested resource exceeds the maximum number allowed.",
            ));
        }
        changed.targets.sort_by(|a, b| a.id.cmp(&b.id));
        if commit(&events, cx.db().tx().update(&there, &changed)).await? {
            return Ok(api::PutTargetsOutput {
                failed_entry_count: Some(0),
                failed_entries: Some(Vec::new()),
            });
        }
    }
}

/// Is it a target that can be invoked here, with what it needs?
fn check(target: &api::Target) -> Result<(), AwsError> {
    let id = &target.id;
    let wrong = |reason: &str| error::parameter(&target.arn, reason);
    let arn: Arn = target
        .arn
        .parse()
        .map_err(|_| wrong("Provided Arn is not in correct format."))?;
    let kind = Kind::of(&arn)
        .ok_or_else(|| error::not_built(&format!("targets such as {}", target.arn)))?;
    let inputs = [
        target.input.is_some(),
        target.input_path.is_some(),
        target.input_transformer.is_some(),
    ];
    if inputs.into_iter().filter(|given| *given).count() > 1 {
        return Err(error::validation(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
        )));
    }
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if let Some(text) = &target.input
        && !is_json(text)
    {
        return Err(error::validation(format!(
            "JSON syntax error in input for target {id}."
        )));
    }
    if let Some(path) = &target.input_path
        && !path.is_empty()
        && !inputs::is_path(path)
    {
        return Err(error::validation(format!(
            "Invalid InputPath for target {id}."
        )));
    }
    if let Some(transformer) = &target.input_transformer {
        self::transformer(id, transformer)?;
    }
    match kind {
        Kind::EcsCluster if target.ecs_parameters.is_none() => Err(error::validation(format!(
            "Parameter(s) EcsParameters must be specified for target: {id}."
        ))),
        Kind::EcsCluster | Kind::Pipeline | Kind::Build | Kind::ApiDestination
            if target.role_arn.is_none() =>
        {
            Err(error::validation(format!(
                "RoleArn is required for target {}.",
                target.arn
            )))
        }
        Kind::Queue => queue(target, &arn),
        _ => Ok(()),
    }
}

fn queue(target: &api::Target, arn: &Arn) -> Result<(), AwsError> {
    let group = target
        .sqs_parameters
        .as_ref()
        .and_then(|p| p.message_group_id.as_ref());
    let is_fifo = arn.resource.ends_with(".fifo");
    if is_fifo && group.is_none() {
        return Err(error::validation(format!(
            "Parameter(s) SqsParameters must be specified for target: {}.",
            target.id
        )));
    }
    Ok(())
}

fn transformer(id: &str, transformer: &api::InputTransformer) -> Result<(), AwsError> {
    let paths = transformer.input_paths_map.as_ref();
    if paths.is_some_and(|paths| paths.len() > MOST_PATHS) {
        return Err(error::validation(format!(
            "InputPathsMap for target {id} has more than {MOST_PATHS} entries."
        )));
    }
    for (name, path) in paths.into_iter().flatten() {
        if name.to_ascii_lowercase().starts_with("aws") {
            return Err(error::validation(format!(
                "InputPathsMap for target {id} contains a key that starts with the reserved prefix AWS: {name}."
            )));
        }
        if !inputs::is_path(path) {
            return Err(error::validation(format!(
                "Invalid InputPathsMap for target {id}: {path}."
            )));
        }
    }
    for variable in inputs::variables(&transformer.input_template) {
        let is_known = inputs::DEFINED.contains(&variable)
            || paths.is_some_and(|paths| paths.contains_key(variable));
        if !is_known {
            return Err(error::validation(format!(
                "InputTemplate for target {id} contains invalid placeholder {variable}."
            )));
        }
    }
    Ok(())
}

pub async fn remove_targets(
    events: Arc<Events>,
    cx: Ctx,
    input: api::RemoveTargetsInput,
) -> Result<api::RemoveTargetsOutput, AwsError> {
    let bus = name::own_bus(&cx, input.event_bus_name.as_deref())?;
    loop {
        let there = rule(&cx, &bus, &input.rule).await?;
        let mut changed = there.value.clone();
        changed
            .targets
            .retain(|target| !input.ids.contains(&target.id));
        let missing = input
            .ids
            .iter()
            .filter(|id| !there.targets.iter().any(|t| t.id == **id));
        let failed = |id: &String| api::RemoveTargetsResultEntry {
            target_id: Some(id.clone()),
            error_code: Some("ResourceNotFoundException".into()),
            error_message: Some(format!(
                "Rule {} does not have a target with the Id {id}.",
                input.rule
            )),
        };
        let failed: Vec<_> = missing.map(failed).collect();
        if commit(&events, cx.db().tx().update(&there, &changed)).await? {
            return Ok(api::RemoveTargetsOutput {
                failed_entry_count: i32::try_from(failed.len()).ok(),
                failed_entries: Some(failed),
            });
        }
    }
}

pub async fn list_targets_by_rule(
    _: Arc<Events>,
    cx: Ctx,
    input: api::ListTargetsByRuleInput,
) -> Result<api::ListTargetsByRuleOutput, AwsError> {
    let bus = name::own_bus(&cx, input.event_bus_name.as_deref())?;
    let rule = rule(&cx, &bus, &input.rule).await?.value;
    let token = input.next_token.as_deref();
    let page = paged(rule.targets, token, input.limit, |target| target.id.clone())?;
    Ok(api::ListTargetsByRuleOutput {
        targets: Some(page.items.into_iter().map(|target| target.0).collect()),
        next_token: page.next_token,
    })
}
