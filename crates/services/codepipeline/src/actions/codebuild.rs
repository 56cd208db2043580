//! CodeBuild: a build of the input artifacts, whose outputs become artifacts
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html>).

use super::{Done, Ended, Progress, Step, Work, artifacts, failed};
use crate::model::Place;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const BUILD: &str = "build";

pub async fn step(work: &Work<'_>) -> Result<Step, Ended> {
    match work.done(BUILD) {
        None => start(work).await,
        Some(build) => follow(work, build).await,
    }
}

async fn start(work: &Work<'_>) -> Result<Step, Ended> {
    let mut input = json!({
        "projectName": work.required("ProjectName"),
        "environmentVariablesOverride": variables(work)?,
        "idempotencyToken": work.run.id,
    });
    places(work, &mut input)?;
    let started = work.call(("codebuild", "StartBuild"), input).await?;
    let id = started["build"]["id"].as_str().unwrap_or_default();
    Ok(Step::Progress(Progress::of(BUILD, id).external(id)))
}

/// Says where the build's sources are and where its artifacts go.
pub fn places(work: &Work<'_>, input: &mut Value) -> Result<(), Ended> {
    let inputs = work.declared.input_artifacts.as_deref().unwrap_or_default();
    let first = inputs.first().map(|input| input.name.as_str());
    let primary = work.configured("PrimarySource").or(first);
    let location = |place: &Place| format!("{}/{}", place.bucket, place.key);
    match primary {
        Some(name) => {
            let source = work.run.inputs.get(name).ok_or_else(|| {
                failed(
                    "ConfigurationError",
                    "The primary source is none of the action's input artifacts",
                )
            })?;
            input["sourceTypeOverride"] = json!("S3");
            input["sourceLocationOverride"] = json!(location(source));
        }
        None => input["sourceTypeOverride"] = json!("NO_SOURCE"),
    }
    let secondary: Vec<Value> = work
        .run
        .inputs
        .iter()
        .filter(|(name, _)| Some(name.as_str()) != primary)
        .map(|(name, place)| {
            json!({ "type": "S3", "location": location(place), "sourceIdentifier": name })
        })
        .collect();
    input["secondarySourcesOverride"] = json!(secondary);
    let (encryption, _) = artifacts::encryption(work);
    let artifact = |(name, place): (&String, &Place)| {
        json!({
            "type": "S3",
            "location": place.bucket,
            "path": "",
            "namespaceType": "NONE",
            "name": place.key,
            "packaging": "ZIP",
            "overrideArtifactName": false,
            "encryptionDisabled": encryption.is_none(),
            "artifactIdentifier": name,
        })
    };
    let outputs: Vec<Value> = work.run.outputs.iter().map(artifact).collect();
    // With one output it is the build's own; with more each has its identifier.
    match outputs.as_slice() {
        [] => input["artifactsOverride"] = json!({ "type": "NO_ARTIFACTS" }),
        [one] => {
            let mut one = one.clone();
            if let Some(members) = one.as_object_mut() {
                members.remove("artifactIdentifier");
            }
            input["artifactsOverride"] = one;
        }
        many => {
            input["artifactsOverride"] = json!({ "type": "NO_ARTIFACTS" });
            input["secondaryArtifactsOverride"] = json!(many);
        }
    }
    Ok(())
}

/// Those of the action, beside what tells a build of its pipeline.
fn variables(work: &Work<'_>) -> Result<Vec<Value>, Ended> {
    let mut all = match work.configured("EnvironmentVariables") {
        Some(text) => serde_json::from_str::<Vec<Value>>(text).map_err(|_| {
            failed(
                "ConfigurationError",
                "EnvironmentVariables is not a JSON array of environment variables",
            )
        })?,
        None => Vec::new(),
    };
    for variable in &mut all {
        if let Some(members) = variable.as_object_mut() {
            members.entry("type").or_insert_with(|| json!("PLAINTEXT"));
        }
    }
    Ok(all)
}

async fn follow(work: &Work<'_>, id: &str) -> Result<Step, Ended> {
    let found = work
        .call(("codebuild", "BatchGetBuilds"), json!({ "ids": [id] }))
        .await?;
    came_to(id, &found["builds"][0])
}

/// What a build came to.
pub fn came_to(id: &str, build: &Value) -> Result<Step, Ended> {
    match build["buildStatus"].as_str() {
        Some("IN_PROGRESS") => Ok(Step::Wait),
        Some("SUCCEEDED") => {
            let mut exported = BTreeMap::new();
            let all = build["exportedEnvironmentVariables"].as_array();
            for variable in all.into_iter().flatten() {
                if let (Some(name), Some(value)) =
                    (variable["name"].as_str(), variable["value"].as_str())
                {
                    exported.insert(name.to_owned(), value.to_owned());
                }
            }
            Ok(Step::Done(Done {
                external_id: Some(id.to_owned()),
                variables: exported,
                ..Done::default()
            }))
        }
        Some(status) => Err(failed(
            "JobFailed",
            format!("Build terminated with state: {status}"),
        )),
        None => Err(failed(
            "JobFailed",
            format!("The build {id} does not exist"),
        )),
    }
}
