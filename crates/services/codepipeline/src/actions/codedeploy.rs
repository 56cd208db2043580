//! CodeDeploy's blue/green deployments of ECS services
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECSbluegreen.html>).

use super::{Done, Ended, Progress, Step, Work, artifacts, failed};
use serde_json::{Value, json};

const DEFINITION: &str = "taskDefinition";
const DEPLOYMENT: &str = "deployment";

pub async fn step(work: &Work<'_>) -> Result<Step, Ended> {
    let Some(definition) = work.done(DEFINITION) else {
        let arn = register(work).await?;
        return Ok(Step::Progress(Progress::of(DEFINITION, arn)));
    };
    match work.done(DEPLOYMENT) {
        None => create(work, definition).await,
        Some(deployment) => follow(work, deployment).await,
    }
}

/// A file of the artifact that a key of the configuration names.
async fn file(work: &Work<'_>, artifact: &str, path: &str, usual: &str) -> Result<String, Ended> {
    let name = work.required(artifact);
    let place = work.run.inputs.get(name).ok_or_else(|| {
        failed(
            "ConfigurationError",
            format!("The action has no input artifact {name}"),
        )
    })?;
    let path = work.configured(path).unwrap_or(usual);
    let found = artifacts::text(work, place, path).await?;
    found.ok_or_else(|| {
        failed(
            "JobFailed",
            format!("The file {path} is not in the input artifact {name}"),
        )
    })
}

async fn register(work: &Work<'_>) -> Result<String, Ended> {
    let mut text = file(
        work,
        "TaskDefinitionTemplateArtifact",
        "TaskDefinitionTemplatePath",
        "taskdef.json",
    )
    .await?;
    for n in 1..=4 {
        let artifact = format!("Image{n}ArtifactName");
        let Some(artifact) = work.configured(&artifact) else {
            continue;
        };
        let placeholder = format!("Image{n}ContainerName");
        let placeholder = work.configured(&placeholder).unwrap_or("IMAGE1_NAME");
        let place = work.run.inputs.get(artifact).ok_or_else(|| {
            failed(
                "ConfigurationError",
                format!("The action has no input artifact {artifact}"),
            )
        })?;
        let detail = artifacts::text(work, place, "imageDetail.json").await?;
        let detail: Option<Value> = detail.and_then(|text| serde_json::from_str(&text).ok());
        let image = detail.and_then(|d| d["ImageURI"].as_str().map(str::to_owned));
        let image = image.ok_or_else(|| {
            failed(
                "JobFailed",
                format!("The artifact {artifact} has no imageDetail.json with an ImageURI"),
            )
        })?;
        text = text.replace(&format!("<{placeholder}>"), &image);
    }
    let input: Value = serde_json::from_str(&text).map_err(|why| {
        failed(
            "JobFailed",
            format!("The task definition is no JSON: {why}"),
        )
    })?;
    let made = work.call(("ecs", "RegisterTaskDefinition"), input).await?;
    let arn = made["taskDefinition"]["taskDefinitionArn"].as_str();
    Ok(arn.unwrap_or_default().to_owned())
}

async fn create(work: &Work<'_>, definition: &str) -> Result<Step, Ended> {
    let application = work.required("ApplicationName");
    let group = work.required("DeploymentGroupName");
    // What names the action is how a deployment of it is known again.
    let description = format!("CodePipeline action execution {}", work.run.id);
    let named = json!({ "applicationName": application, "deploymentGroupName": group });
    let there = work.call(("codedeploy", "ListDeployments"), named).await?;
    for id in there["deployments"]
        .as_array()
        .into_iter()
        .flatten()
        .take(20)
    {
        let named = json!({ "deploymentId": id });
        let found = work.call(("codedeploy", "GetDeployment"), named).await?;
        if found["deploymentInfo"]["description"] == description {
            let id = id.as_str().unwrap_or_default();
            return Ok(Step::Progress(Progress::of(DEPLOYMENT, id).external(id)));
        }
    }
    let spec = file(
        work,
        "AppSpecTemplateArtifact",
        "AppSpecTemplatePath",
        "appspec.yaml",
    )
    .await?;
    let spec = spec.replace("<TASK_DEFINITION>", definition);
    let input = json!({
        "applicationName": application,
        "deploymentGroupName": group,
        "description": description,
        "revision": { "revisionType": "AppSpecContent", "appSpecContent": { "content": spec } },
    });
    let made = work.call(("codedeploy", "CreateDeployment"), input).await?;
    let id = made["deploymentId"].as_str().unwrap_or_default();
    Ok(Step::Progress(Progress::of(DEPLOYMENT, id).external(id)))
}

async fn follow(work: &Work<'_>, id: &str) -> Result<Step, Ended> {
    let named = json!({ "deploymentId": id });
    let found = work.call(("codedeploy", "GetDeployment"), named).await?;
    let info = &found["deploymentInfo"];
    match info["status"].as_str() {
        Some("Succeeded") => Ok(Step::Done(Done {
            summary: Some(format!("Deployment {id} succeeded")),
            external_id: Some(id.to_owned()),
            ..Done::default()
        })),
        Some(status @ ("Failed" | "Stopped")) => {
            let why = info["errorInformation"]["message"]
                .as_str()
                .unwrap_or_default();
            let message = format!("The deployment {id} is {status}: {why}");
            Err(failed("JobFailed", message))
        }
        _ => Ok(Step::Wait),
    }
}
