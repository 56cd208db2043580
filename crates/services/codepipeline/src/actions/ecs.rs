//! ECS: the images of `imagedefinitions.json` in a new revision of the service's task definition, rolled out
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECS.html>).

use super::{Done, Ended, Progress, Step, Work, artifacts, failed};
use serde_json::{Value, json};

const DEFINITION: &str = "taskDefinition";
const DEPLOYMENT: &str = "deployment";

/// What a registration says back that it may not be asked for.
const TOLD_ONLY: &[&str] = &[
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

pub async fn step(work: &Work<'_>) -> Result<Step, Ended> {
    let Some(definition) = work.done(DEFINITION) else {
        let arn = register(work).await?;
        return Ok(Step::Progress(Progress::of(DEFINITION, arn)));
    };
    match work.done(DEPLOYMENT) {
        None => update(work, definition).await,
        Some(deployment) => follow(work, deployment).await,
    }
}

/// The service as it is.
async fn service(work: &Work<'_>) -> Result<Value, Ended> {
    let (cluster, name) = (work.required("ClusterName"), work.required("ServiceName"));
    let input = json!({ "cluster": cluster, "services": [name] });
    let found = work.call(("ecs", "DescribeServices"), input).await?;
    let service = &found["services"][0];
    if service["status"] != "ACTIVE" {
        return Err(failed(
            "ConfigurationError",
            format!("The service {name} does not exist in the cluster {cluster}, or is not active"),
        ));
    }
    Ok(service.clone())
}

/// Registers the revision, unless an earlier attempt of this very action did.
async fn register(work: &Work<'_>) -> Result<String, Ended> {
    let images = images(work).await?;
    let service = service(work).await?;
    let current = service["taskDefinition"].as_str().unwrap_or_default();
    let named = json!({ "taskDefinition": current, "include": ["TAGS"] });
    let found = work.call(("ecs", "DescribeTaskDefinition"), named).await?;
    let mut wanted = found["taskDefinition"].clone();
    for (name, image) in &images {
        let containers = wanted["containerDefinitions"].as_array_mut();
        let of = |c: &&mut Value| c["name"].as_str() == Some(name);
        let container = containers.and_then(|all| all.iter_mut().find(of));
        let container = container.ok_or_else(|| {
            failed(
                "ConfigurationError",
                format!("The task definition {current} has no container with the name {name}"),
            )
        })?;
        container["image"] = json!(image);
    }
    let family = wanted["family"].as_str().unwrap_or_default().to_owned();
    if let Some(members) = wanted.as_object_mut() {
        members.retain(|name, _| !TOLD_ONLY.contains(&name.as_str()));
        if let Some(tags) = found["tags"].as_array().filter(|tags| !tags.is_empty()) {
            members.insert("tags".into(), tags.clone().into());
        }
    }
    let newest = json!({ "taskDefinition": family });
    let newest = work.call(("ecs", "DescribeTaskDefinition"), newest).await?;
    let newest = &newest["taskDefinition"];
    let since = newest["registeredAt"].as_f64().unwrap_or_default();
    let is_of_this = since >= work.run.started_at.as_secs_f64()
        && newest["containerDefinitions"] == wanted["containerDefinitions"];
    let arn = if is_of_this {
        newest["taskDefinitionArn"].clone()
    } else {
        let made = work.call(("ecs", "RegisterTaskDefinition"), wanted).await?;
        made["taskDefinition"]["taskDefinitionArn"].clone()
    };
    Ok(arn.as_str().unwrap_or_default().to_owned())
}

/// Containers' names and their images.
async fn images(work: &Work<'_>) -> Result<Vec<(String, String)>, Ended> {
    let file = work
        .configured("FileName")
        .unwrap_or("imagedefinitions.json");
    let place = work.run.inputs.values().next();
    let place = place.ok_or_else(|| failed("ConfigurationError", "The action has no input"))?;
    let text = artifacts::text(work, place, file).await?.ok_or_else(|| {
        failed(
            "JobFailed",
            format!(
                "Did not find the image definition file {file} in the input artifacts ZIP file. Verify the file is \
                 stored in your pipeline's Amazon S3 artifact bucket: {} key: {}",
                place.bucket, place.key
            ),
        )
    })?;
    let invalid = || {
        failed(
            "JobFailed",
            format!("The image definition file {file} contains invalid JSON format"),
        )
    };
    let json: Value = serde_json::from_str(&text).map_err(|_| invalid())?;
    let all = json.as_array().filter(|all| !all.is_empty());
    let all = all.ok_or_else(invalid)?.iter().map(|one| {
        let name = one["name"].as_str()?.to_owned();
        Some((name, one["imageUri"].as_str()?.to_owned()))
    });
    all.collect::<Option<Vec<_>>>().ok_or_else(invalid)
}

async fn update(work: &Work<'_>, definition: &str) -> Result<Step, Ended> {
    let input = json!({
        "cluster": work.required("ClusterName"),
        "service": work.required("ServiceName"),
        "taskDefinition": definition,
    });
    let updated = work.call(("ecs", "UpdateService"), input).await?;
    let deployments = updated["service"]["deployments"].as_array();
    let mut deployments = deployments.into_iter().flatten();
    let ours = deployments.find(|d| d["taskDefinition"] == definition && d["status"] == "PRIMARY");
    let id = ours.and_then(|d| d["id"].as_str()).ok_or_else(|| {
        failed(
            "JobFailed",
            "The service did not begin a deployment of the task definition",
        )
    })?;
    Ok(Step::Progress(Progress {
        summary: Some("Deployment in progress".into()),
        ..Progress::of(DEPLOYMENT, id).external(id)
    }))
}

async fn follow(work: &Work<'_>, id: &str) -> Result<Step, Ended> {
    let service = service(work).await?;
    let mut deployments = service["deployments"].as_array().into_iter().flatten();
    let Some(ours) = deployments.find(|d| d["id"] == id) else {
        return Err(failed(
            "JobFailed",
            format!("The deployment {id} was replaced by another one or rolled back"),
        ));
    };
    match ours["rolloutState"].as_str() {
        Some("COMPLETED") => Ok(Step::Done(Done {
            summary: Some("Deployment Succeeded".into()),
            external_id: Some(id.to_owned()),
            ..Done::default()
        })),
        Some("FAILED") => {
            let reason = ours["rolloutStateReason"].as_str().unwrap_or_default();
            Err(failed(
                "JobFailed",
                format!("The deployment {id} failed: {reason}"),
            ))
        }
        // One that another is in the place of never completes.
        _ if ours["status"] != "PRIMARY" => Err(failed(
            "JobFailed",
            format!("The deployment {id} was replaced by another one"),
        )),
        _ => Ok(Step::Wait),
    }
}
