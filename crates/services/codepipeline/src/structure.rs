//! What a pipeline's declaration may be
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-pipeline-structure.html>), and what AWS
//! adds to one. Pure.

mod conditions;

use crate::catalogue::{self, Known};
use crate::error;
use crate::model::{PARALLEL, QUEUED, SUPERSEDED};
use neargate_api_codepipeline as api;
use neargate_service::AwsError;
use std::collections::BTreeSet;

/// The types of customers' own that the declaration may name.
pub type Custom = Vec<api::ActionType>;

/// The declaration as it is kept and told.
pub fn completed(mut given: api::PipelineDeclaration, version: i32) -> api::PipelineDeclaration {
    given.version = Some(version);
    given
        .execution_mode
        .get_or_insert_with(|| SUPERSEDED.into());
    given.pipeline_type.get_or_insert_with(|| "V1".into());
    for stage in &mut given.stages {
        for action in &mut stage.actions {
            action.run_order.get_or_insert(1);
            action.configuration.get_or_insert_default();
            action.input_artifacts.get_or_insert_default();
            action.output_artifacts.get_or_insert_default();
        }
    }
    given
}

/// # Errors
/// `InvalidStructureException` and its like; what is not built here, by its name.
pub fn check(given: &api::PipelineDeclaration, custom: &Custom) -> Result<(), AwsError> {
    kind(given)?;
    stores(given)?;
    let stages = &given.stages;
    if stages.len() < 2 {
        return Err(error::structure(format!(
            "Pipeline has only {} stage(s). There should be a minimum of 2 stages in a pipeline",
            stages.len()
        )));
    }
    if stages.len() > 50 {
        return Err(error::structure(
            "Pipeline has more than 50 stages. The maximum is 50",
        ));
    }
    let is_source = |action: &api::ActionDeclaration| action.action_type_id.category == "Source";
    if !stages[0].actions.iter().all(is_source) {
        return Err(error::structure(
            "Pipeline should start with a stage that only contains source actions",
        ));
    }
    if let Some(stage) = stages[1..].iter().find(|s| s.actions.iter().any(is_source)) {
        return Err(error::structure(format!(
            "Stage '{}' contains a source action. Source actions may only be in the first stage",
            stage.name
        )));
    }
    let mut names = BTreeSet::new();
    let mut made = BTreeSet::new();
    let mut namespaces = BTreeSet::new();
    for (at, stage) in stages.iter().enumerate() {
        if !names.insert(&stage.name) {
            return Err(error::structure(format!(
                "Stage name must be unique within the pipeline. {} has been used more than once",
                stage.name
            )));
        }
        let before = made.clone();
        actions(stage, given, custom, &mut made, &mut namespaces)?;
        conditions::check(stage, at, given, (&before, &made))?;
    }
    Ok(())
}

fn kind(given: &api::PipelineDeclaration) -> Result<(), AwsError> {
    let is_v2 = given.pipeline_type.as_deref() == Some("V2");
    let mode = given.execution_mode.as_deref().unwrap_or(SUPERSEDED);
    if !is_v2 && matches!(mode, QUEUED | PARALLEL) {
        return Err(error::structure(format!(
            "Execution mode {mode} is not supported for pipelines of type V1"
        )));
    }
    let variables = given.variables.as_deref().unwrap_or_default();
    if !is_v2 && !variables.is_empty() {
        return Err(error::structure(
            "Pipeline variables are not supported for pipelines of type V1",
        ));
    }
    let mut names = BTreeSet::new();
    for variable in variables {
        if !names.insert(&variable.name) {
            return Err(error::structure(format!(
                "Pipeline variable names must be unique. {} has been used more than once",
                variable.name
            )));
        }
    }
    if given.triggers.as_ref().is_some_and(|all| !all.is_empty()) {
        return Err(error::not_built(
            "triggers, which are for CodeStarSourceConnection sources only:",
        ));
    }
    Ok(())
}

fn stores(given: &api::PipelineDeclaration) -> Result<(), AwsError> {
    match (&given.artifact_store, &given.artifact_stores) {
        (Some(_), None) => Ok(()),
        (None, Some(all)) if !all.is_empty() => Ok(()),
        (Some(_), Some(_)) => Err(error::structure(
            "The pipeline must have either an artifactStore or artifactStores, but not both",
        )),
        _ => Err(error::structure(
            "The pipeline must have an artifactStore or artifactStores",
        )),
    }
}

fn actions<'a>(
    stage: &'a api::StageDeclaration,
    given: &api::PipelineDeclaration,
    custom: &Custom,
    made: &mut BTreeSet<&'a str>,
    namespaces: &mut BTreeSet<&'a str>,
) -> Result<(), AwsError> {
    if stage.actions.is_empty() {
        return Err(error::stage_declaration(format!(
            "Stage '{}' has no actions. There should be a minimum of 1 action in a stage",
            stage.name
        )));
    }
    if stage.actions.len() > 100 {
        return Err(error::stage_declaration(format!(
            "Stage '{}' has more than 100 actions",
            stage.name
        )));
    }
    let mut names = BTreeSet::new();
    let mut ordered: Vec<&api::ActionDeclaration> = stage.actions.iter().collect();
    ordered.sort_by_key(|action| action.run_order.unwrap_or(1));
    // What an action of this stage makes is there for those of a later run order.
    let mut here: Vec<(i32, &str)> = Vec::new();
    for action in ordered {
        if !names.insert(&action.name) {
            return Err(error::structure(format!(
                "Action name must be unique within a stage. {} has been used more than once in stage {}",
                action.name, stage.name
            )));
        }
        typed(action, given, custom)?;
        let order = action.run_order.unwrap_or(1);
        for input in action.input_artifacts.as_deref().unwrap_or_default() {
            let earlier = here
                .iter()
                .any(|(of, name)| *of < order && *name == input.name);
            if !earlier && !made.contains(input.name.as_str()) {
                return Err(error::structure(format!(
                    "Input Artifact Bundle {} in action {} is not declared as Output Artifact Bundle in any of the \
                     preceding actions",
                    input.name, action.name
                )));
            }
        }
        for output in action.output_artifacts.as_deref().unwrap_or_default() {
            let again = here.iter().any(|(_, name)| *name == output.name);
            if again || made.contains(output.name.as_str()) {
                return Err(error::structure(format!(
                    "Output Artifact Bundle name must be unique within the pipeline. {} has been used more than once",
                    output.name
                )));
            }
            here.push((order, &output.name));
        }
        if let Some(namespace) = action.namespace.as_deref()
            && (matches!(namespace, "codepipeline" | "variables") || !namespaces.insert(namespace))
        {
            return Err(error::structure(format!(
                "Namespace must be unique within the pipeline and not reserved. {namespace} of action {} is neither",
                action.name
            )));
        }
    }
    made.extend(here.into_iter().map(|(_, name)| name));
    Ok(())
}

fn typed(
    action: &api::ActionDeclaration,
    given: &api::PipelineDeclaration,
    custom: &Custom,
) -> Result<(), AwsError> {
    let id = &action.action_type_id;
    if let Some(known) = catalogue::find(id) {
        counts(action, known.inputs, known.outputs)?;
        keys(action, known)?;
        commands(action, known, given)?;
        if known.provider == "CodeBuild" && configured(action, "BatchEnabled") == Some("true") {
            return Err(error::not_built("CodeBuild actions with batches:"));
        }
    } else if catalogue::is_elsewhere(id) {
        return Err(error::not_built(&format!(
            "actions of the provider {} ({}):",
            id.provider, id.category
        )));
    } else {
        let of = custom.iter().find(|of| of.id.as_ref() == Some(id));
        let of = of.ok_or_else(|| {
            error::action_declaration(format!(
                "ActionType (Category: '{}', Provider: '{}', Owner: '{}', Version: '{}') in action '{}' is not \
                 available in region",
                id.category, id.provider, id.owner, id.version, action.name
            ))
        })?;
        let range = |details: &Option<api::ArtifactDetails>| {
            let number = |n: i32| usize::try_from(n).unwrap_or(0);
            let all = details.as_ref();
            all.map_or((0, 5), |d| {
                (number(d.minimum_count), number(d.maximum_count))
            })
        };
        counts(
            action,
            range(&of.input_artifact_details),
            range(&of.output_artifact_details),
        )?;
    }
    if let (Some(region), Some(stores)) = (&action.region, &given.artifact_stores)
        && !stores.contains_key(region)
    {
        return Err(error::structure(format!(
            "The action {} is in region {region}, for which the pipeline has no artifact store",
            action.name
        )));
    }
    Ok(())
}

/// Commands are for the provider of that name, and that one and pipelines that start others are for V2.
fn commands(
    action: &api::ActionDeclaration,
    known: &Known,
    given: &api::PipelineDeclaration,
) -> Result<(), AwsError> {
    let has = action.commands.as_ref().is_some_and(|all| !all.is_empty());
    let takes = known.provider == "Commands";
    if has != takes {
        let what = if takes {
            "requires"
        } else {
            "does not support"
        };
        return Err(error::action_declaration(format!(
            "The action '{}' {what} commands",
            action.name
        )));
    }
    let says = action
        .output_variables
        .as_ref()
        .is_some_and(|all| !all.is_empty());
    let sets = action
        .environment_variables
        .as_ref()
        .is_some_and(|all| !all.is_empty());
    if !takes && (says || sets) {
        return Err(error::action_declaration(format!(
            "The action '{}' does not support outputVariables or environmentVariables",
            action.name
        )));
    }
    let is_new = takes || known.category == "Invoke";
    if is_new && given.pipeline_type.as_deref() != Some("V2") {
        return Err(error::action_declaration(format!(
            "The action '{}' of the provider {} is only supported for pipelines of type V2",
            action.name, known.provider
        )));
    }
    Ok(())
}

fn counts(
    action: &api::ActionDeclaration,
    inputs: (usize, usize),
    outputs: (usize, usize),
) -> Result<(), AwsError> {
    let taken = action.input_artifacts.as_ref().map_or(0, Vec::len);
    let made = action.output_artifacts.as_ref().map_or(0, Vec::len);
    let id = &action.action_type_id;
    let check = |what: &str, count: usize, (least, most): (usize, usize)| {
        if (least..=most).contains(&count) {
            return Ok(());
        }
        Err(error::action_declaration(format!(
            "ActionType (Category: '{}', Provider: '{}', Owner: '{}', Version: '{}') in action '{}' takes {least} to \
             {most} {what} artifact(s), but {count} were declared",
            id.category, id.provider, id.owner, id.version, action.name
        )))
    };
    check("input", taken, inputs)?;
    check("output", made, outputs)
}

fn keys(action: &api::ActionDeclaration, known: &Known) -> Result<(), AwsError> {
    let empty = Default::default();
    let given = action.configuration.as_ref().unwrap_or(&empty);
    for (key, required) in known.keys {
        if *required && given.get(*key).is_none_or(String::is_empty) {
            return Err(error::action_declaration(format!(
                "Action configuration for action '{}' is missing required configuration '{key}'",
                action.name
            )));
        }
    }
    for key in given.keys() {
        if !known.keys.iter().any(|(name, _)| name == key) {
            return Err(error::action_declaration(format!(
                "Action configuration for action '{}' contains unknown configuration '{key}'",
                action.name
            )));
        }
    }
    if known.provider == "CloudFormation" {
        stack(action)?;
    }
    if known.provider == "CodeBuild"
        && action.input_artifacts.as_ref().map_or(0, Vec::len) > 1
        && !given.contains_key("PrimarySource")
    {
        return Err(error::action_declaration(format!(
            "Action configuration for action '{}' is missing required configuration 'PrimarySource'",
            action.name
        )));
    }
    Ok(())
}

/// What each of CloudFormation's modes cannot be without.
fn stack(action: &api::ActionDeclaration) -> Result<(), AwsError> {
    let needed: &[&str] = match configured(action, "ActionMode").unwrap_or_default() {
        "CREATE_UPDATE" | "REPLACE_ON_FAILURE" => &["TemplatePath"],
        "DELETE_ONLY" => &[],
        "CHANGE_SET_REPLACE" => &["ChangeSetName", "TemplatePath"],
        "CHANGE_SET_EXECUTE" => &["ChangeSetName"],
        other => {
            return Err(error::action_declaration(format!(
                "Action configuration for action '{}' contains an unknown ActionMode '{other}'",
                action.name
            )));
        }
    };
    let missing = |key: &&&str| configured(action, key).is_none_or(str::is_empty);
    match needed.iter().find(missing) {
        None => Ok(()),
        Some(key) => Err(error::action_declaration(format!(
            "Action configuration for action '{}' is missing required configuration '{key}'",
            action.name
        ))),
    }
}

pub fn configured<'a>(action: &'a api::ActionDeclaration, key: &str) -> Option<&'a str> {
    action.configuration.as_ref()?.get(key).map(String::as_str)
}
