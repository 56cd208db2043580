//! Shell commands without a project of the customer's: a build of CodeBuild's that CodePipeline asks for by itself
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Commands.html>).
//!
//! The build runs with the action's role, in AWS's usual image, and writes its log to `/aws/codepipeline/PIPELINE`.

use super::{Ended, Progress, Step, Work, artifacts, codebuild, failed};
use neargate_service::caller::By;
use neargate_service::{AwsError, Caller, managed};
use serde_json::{Value, json};

/// What AWS runs the commands in.
const IMAGE: &str = "aws/codebuild/amazonlinux-x86_64-standard:5.0";
const BUILD: &str = "build";

/// Calls CodeBuild as CodePipeline, which needs no right of the customer's to it.
async fn call(work: &Work<'_>, operation: &str, input: Value) -> Result<Value, AwsError> {
    let own = work.own_role();
    let named = ("codebuild", operation);
    Caller::call_by_name(work.house, &work.scope, By::Role(&own), named, input).await
}

pub async fn step(work: &Work<'_>) -> Result<Step, Ended> {
    let Some(id) = work.done(BUILD) else {
        return start(work).await;
    };
    let found = call(work, "BatchGetBuilds", json!({ "ids": [id] })).await?;
    codebuild::came_to(id, &found["builds"][0])
}

async fn start(work: &Work<'_>) -> Result<Step, Ended> {
    let commands = work.declared.commands.clone().unwrap_or_default();
    if commands.is_empty() {
        return Err(failed("ConfigurationError", "The action has no commands"));
    }
    let exported = work.declared.output_variables.clone().unwrap_or_default();
    let outputs = work
        .declared
        .output_artifacts
        .as_deref()
        .unwrap_or_default();
    let mut buildspec = json!({
        "version": 0.2,
        "env": { "exported-variables": exported },
        "phases": { "build": { "commands": commands } },
    });
    if let Some(output) = outputs.first() {
        let all = || vec!["**/*".to_owned()];
        buildspec["artifacts"] = json!({ "files": output.files.clone().unwrap_or_else(all) });
    }
    let declared = work.declared.environment_variables.as_deref();
    let variables: Vec<Value> = declared
        .unwrap_or_default()
        .iter()
        .map(|of| {
            let kind = of.r#type.as_deref().unwrap_or("PLAINTEXT");
            json!({ "name": of.name, "value": of.value, "type": kind })
        })
        .collect();
    let mut input = json!({
        "projectName": managed::cluster("codepipeline"),
        "buildspecOverride": buildspec.to_string(),
        "environmentTypeOverride": "LINUX_CONTAINER",
        "computeTypeOverride": "BUILD_GENERAL1_SMALL",
        "imageOverride": IMAGE,
        "imagePullCredentialsTypeOverride": "CODEBUILD",
        "serviceRoleOverride": work.role,
        "environmentVariablesOverride": variables,
        "idempotencyToken": work.run.id,
        "timeoutInMinutesOverride": work.declared.timeout_in_minutes.unwrap_or(60).max(5),
        "logsConfigOverride": {
            "cloudWatchLogs": {
                "status": "ENABLED",
                "groupName": format!("/aws/codepipeline/{}", work.execution.declaration.name),
            },
        },
    });
    codebuild::places(work, &mut input)?;
    let (encryption, key) = artifacts::encryption(work);
    if encryption.is_some() {
        input["encryptionKeyOverride"] = json!(key);
    }
    let started = call(work, "StartBuild", input).await?;
    let build = &started["build"];
    let id = build["id"].as_str().unwrap_or_default();
    let mut progress = Progress::of(BUILD, id).external(id);
    if let Some(stream) = build["logs"]["cloudWatchLogsArn"].as_str() {
        progress.fields.insert("log".into(), stream.into());
    }
    Ok(Step::Progress(progress))
}
