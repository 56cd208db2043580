//! CloudFormation: stacks and change sets from a template in an artifact
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CloudFormation.html>).
//!
//! Each call that begins something carries the action execution's id as its token, so that a second attempt finds
//! what the first one began.

use super::{Done, Ended, Progress, Step, Work, artifacts, failed, objects};
use neargate_api_s3::{self as s3, ops};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The stack that something is done with, by its id.
const BEGUN: &str = "stack";
const CHANGE_SET: &str = "changeSet";
/// A stack that is in the way goes first.
const REPLACED: &str = "replaced";
/// The longest template that a call carries itself.
const MOST_BODY_BYTES: usize = 51_200;
/// What `REPLACE_ON_FAILURE` replaces.
const BROKEN: &[&str] = &[
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "CREATE_FAILED",
    "DELETE_FAILED",
    "UPDATE_ROLLBACK_FAILED",
];

pub async fn step(work: &Work<'_>) -> Result<Step, Ended> {
    let mode = work.required("ActionMode").to_owned();
    if let Some(stack) = work.done(BEGUN) {
        return follow(work, stack, mode == "DELETE_ONLY").await;
    }
    match mode.as_str() {
        "CREATE_UPDATE" => create_or_update(work, false).await,
        "REPLACE_ON_FAILURE" => create_or_update(work, true).await,
        "DELETE_ONLY" => delete(work).await,
        "CHANGE_SET_REPLACE" => match work.done(CHANGE_SET) {
            None => make_change_set(work).await,
            Some(id) => follow_change_set(work, id).await,
        },
        "CHANGE_SET_EXECUTE" => execute(work).await,
        other => Err(failed(
            "ConfigurationError",
            format!("The action mode {other} is not one of CloudFormation's"),
        )),
    }
}

async fn call(work: &Work<'_>, operation: &str, input: Value) -> Result<Value, Ended> {
    Ok(work.call(("cloudformation", operation), input).await?)
}

/// The stack of this name or id; `None` where there is none.
async fn stack(work: &Work<'_>, name: &str) -> Result<Option<Value>, Ended> {
    let named = ("cloudformation", "DescribeStacks");
    match work.call(named, json!({ "StackName": name })).await {
        Ok(found) => Ok(found["Stacks"].get(0).cloned()),
        Err(error) if error.message.contains("does not exist") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn create_or_update(work: &Work<'_>, replaces: bool) -> Result<Step, Ended> {
    let name = work.required("StackName");
    if let Some(old) = work.done(REPLACED) {
        let gone = match stack(work, old).await? {
            None => true,
            Some(old) => match old["StackStatus"].as_str() {
                Some("DELETE_COMPLETE") => true,
                Some("DELETE_IN_PROGRESS") => false,
                _ => return Err(ended_badly(&old)),
            },
        };
        if !gone {
            return Ok(Step::Wait);
        }
    }
    let there = stack(work, name).await?;
    let status = there.as_ref().and_then(|s| s["StackStatus"].as_str());
    let status = status.unwrap_or_default();
    let is_new = there.is_none() || status == "REVIEW_IN_PROGRESS";
    if replaces && BROKEN.contains(&status) {
        let id = there.map(|s| s["StackId"].clone()).unwrap_or_default();
        let mut input =
            json!({ "StackName": name, "ClientRequestToken": format!("{}-d", work.run.id) });
        role(work, &mut input);
        call(work, "DeleteStack", input).await?;
        return Ok(Step::Progress(Progress::of(
            REPLACED,
            id.as_str().unwrap_or_default(),
        )));
    }
    let mut input = wanted(work).await?;
    input["ClientRequestToken"] = json!(work.run.id);
    let called = if is_new {
        work.call(("cloudformation", "CreateStack"), input).await
    } else {
        work.call(("cloudformation", "UpdateStack"), input).await
    };
    match called {
        Ok(begun) => {
            let id = begun["StackId"].as_str().unwrap_or(name);
            Ok(Step::Progress(Progress::of(BEGUN, id).external(id)))
        }
        Err(error) if error.message.contains("No updates are to be performed") => {
            let stack = there.unwrap_or_default();
            done(work, &stack, "The stack is up to date").await
        }
        Err(error) => Err(error.into()),
    }
}

async fn delete(work: &Work<'_>) -> Result<Step, Ended> {
    let name = work.required("StackName");
    let Some(there) = stack(work, name).await? else {
        return Ok(Step::Done(Done {
            summary: Some(format!("The stack {name} does not exist")),
            ..Done::default()
        }));
    };
    let mut input = json!({ "StackName": name, "ClientRequestToken": work.run.id });
    role(work, &mut input);
    call(work, "DeleteStack", input).await?;
    let id = there["StackId"].as_str().unwrap_or(name);
    Ok(Step::Progress(Progress::of(BEGUN, id).external(id)))
}

async fn follow(work: &Work<'_>, id: &str, deletes: bool) -> Result<Step, Ended> {
    let Some(stack) = stack(work, id).await? else {
        if deletes {
            return Ok(Step::Done(Done::default()));
        }
        return Err(failed("JobFailed", format!("The stack {id} is gone")));
    };
    let status = stack["StackStatus"].as_str().unwrap_or_default();
    match status {
        "DELETE_COMPLETE" if deletes => Ok(Step::Done(Done::default())),
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" if !deletes => {
            done(work, &stack, &format!("Stack is in {status}")).await
        }
        _ if status.ends_with("_IN_PROGRESS") => Ok(Step::Wait),
        _ => Err(ended_badly(&stack)),
    }
}

fn ended_badly(stack: &Value) -> Ended {
    let text = |name: &str| stack[name].as_str().unwrap_or_default().to_owned();
    failed(
        "JobFailed",
        format!(
            "CloudFormation stack {} is in {}: {}",
            text("StackName"),
            text("StackStatus"),
            text("StackStatusReason")
        ),
    )
}

/// The stack's outputs, as variables and as the file that was asked for.
async fn done(work: &Work<'_>, stack: &Value, summary: &str) -> Result<Step, Ended> {
    let mut variables = BTreeMap::new();
    for output in stack["Outputs"].as_array().into_iter().flatten() {
        if let (Some(key), Some(value)) =
            (output["OutputKey"].as_str(), output["OutputValue"].as_str())
        {
            variables.insert(key.to_owned(), value.to_owned());
        }
    }
    if let Some(file) = work.configured("OutputFileName")
        && !work.run.outputs.is_empty()
    {
        let bytes = json!(variables).to_string().into_bytes();
        let (_, place) = work.output()?;
        artifacts::put(work, place, artifacts::packed(&[(file.to_owned(), bytes)])?).await?;
    }
    let id = stack["StackId"].as_str().map(str::to_owned);
    Ok(Step::Done(Done {
        summary: Some(summary.to_owned()),
        external_id: id,
        variables,
        ..Done::default()
    }))
}

async fn make_change_set(work: &Work<'_>) -> Result<Step, Ended> {
    let (name, set) = (work.required("StackName"), work.required("ChangeSetName"));
    let there = stack(work, name).await?;
    let is_new = there.is_none_or(|s| s["StackStatus"] == "REVIEW_IN_PROGRESS");
    let named = json!({ "StackName": name, "ChangeSetName": set });
    let old = work.call(("cloudformation", "DescribeChangeSet"), named.clone());
    match old.await {
        Ok(_) => drop(call(work, "DeleteChangeSet", named).await?),
        Err(error)
            if error.code.contains("NotFound") || error.message.contains("does not exist") => {}
        Err(error) => return Err(error.into()),
    }
    let mut input = wanted(work).await?;
    input["ChangeSetName"] = json!(set);
    input["ChangeSetType"] = json!(if is_new { "CREATE" } else { "UPDATE" });
    input["ClientToken"] = json!(work.run.id);
    if let Some(members) = input.as_object_mut() {
        members.remove("StackPolicyBody");
    }
    let made = call(work, "CreateChangeSet", input).await?;
    let id = made["Id"].as_str().unwrap_or_default();
    Ok(Step::Progress(Progress::of(CHANGE_SET, id).external(id)))
}

fn has_none(set: &Value) -> bool {
    let reason = set["StatusReason"].as_str().unwrap_or_default();
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

async fn follow_change_set(work: &Work<'_>, id: &str) -> Result<Step, Ended> {
    let set = call(work, "DescribeChangeSet", json!({ "ChangeSetName": id })).await?;
    let reason = set["StatusReason"].as_str().unwrap_or_default();
    match set["Status"].as_str() {
        Some("CREATE_COMPLETE") => Ok(Step::Done(Done {
            summary: Some(format!(
                "Change set {} was created",
                work.required("ChangeSetName")
            )),
            external_id: Some(id.to_owned()),
            ..Done::default()
        })),
        Some("FAILED") if has_none(&set) => Ok(Step::Done(Done {
            summary: Some(reason.to_owned()),
            external_id: Some(id.to_owned()),
            ..Done::default()
        })),
        Some(status @ ("FAILED" | "DELETE_COMPLETE" | "DELETE_FAILED")) => Err(failed(
            "JobFailed",
            format!("The change set is in {status}: {reason}"),
        )),
        _ => Ok(Step::Wait),
    }
}

async fn execute(work: &Work<'_>) -> Result<Step, Ended> {
    let (name, set) = (work.required("StackName"), work.required("ChangeSetName"));
    let named = json!({ "StackName": name, "ChangeSetName": set });
    let there = call(work, "DescribeChangeSet", named).await?;
    let id = there["StackId"].as_str().unwrap_or(name).to_owned();
    if there["Status"] == "FAILED" && has_none(&there) {
        let stack = stack(work, &id).await?.unwrap_or_default();
        return done(work, &stack, "The change set has no changes").await;
    }
    let input = json!({
        "StackName": name,
        "ChangeSetName": set,
        "ClientRequestToken": work.run.id,
    });
    call(work, "ExecuteChangeSet", input).await?;
    Ok(Step::Progress(Progress::of(BEGUN, &id).external(&id)))
}

fn role(work: &Work<'_>, input: &mut Value) {
    if let Some(role) = work.configured("RoleArn") {
        input["RoleARN"] = json!(role);
    }
}

/// A file that `Artifact::path` names.
async fn file(work: &Work<'_>, named: &str) -> Result<String, Ended> {
    let (artifact, path) = named.split_once("::").ok_or_else(|| {
        failed(
            "ConfigurationError",
            format!("{named} is not of the form ArtifactName::FileName"),
        )
    })?;
    let place = input_named(work, artifact)?;
    let found = artifacts::text(work, place, path).await?;
    found.ok_or_else(|| {
        failed(
            "JobFailed",
            format!("File [{path}] does not exist in artifact [{artifact}]"),
        )
    })
}

fn input_named<'a>(work: &'a Work<'_>, artifact: &str) -> Result<&'a crate::model::Place, Ended> {
    work.run.inputs.get(artifact).ok_or_else(|| {
        failed(
            "ConfigurationError",
            format!("The action has no input artifact {artifact}"),
        )
    })
}

/// What the stack is to be: its template, parameters, tags, capabilities and role.
async fn wanted(work: &Work<'_>) -> Result<Value, Ended> {
    let mut input = json!({ "StackName": work.required("StackName") });
    role(work, &mut input);
    let template = file(work, work.required("TemplatePath")).await?;
    if template.len() <= MOST_BODY_BYTES {
        input["TemplateBody"] = json!(template);
    } else {
        input["TemplateURL"] = json!(kept(work, template).await?);
    }
    if let Some(names) = work.configured("Capabilities") {
        let names: Vec<&str> = names.split(',').map(str::trim).collect();
        input["Capabilities"] = json!(names);
    }
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    if let Some(path) = work.configured("TemplateConfiguration") {
        let text = file(work, path).await?;
        let given = object(&text, "TemplateConfiguration")?;
        for (name, value) in members(given.get("Parameters")) {
            parameters.insert(name.clone(), plain(value)?);
        }
        let mut tags = Vec::new();
        for (key, value) in members(given.get("Tags")) {
            tags.push(json!({ "Key": key, "Value": plain(value)? }));
        }
        if !tags.is_empty() {
            input["Tags"] = json!(tags);
        }
        if let Some(policy) = given.get("StackPolicy") {
            input["StackPolicyBody"] = json!(policy.to_string());
        }
    }
    if let Some(text) = work.configured("ParameterOverrides") {
        for (name, value) in &object(text, "ParameterOverrides")? {
            parameters.insert(name.clone(), of_artifact(work, value).await?);
        }
    }
    let parameters: Vec<Value> = parameters
        .into_iter()
        .map(|(name, value)| json!({ "ParameterKey": name, "ParameterValue": value }))
        .collect();
    input["Parameters"] = json!(parameters);
    Ok(input)
}

/// A template that no call may carry, put into the artifact store.
async fn kept(work: &Work<'_>, template: String) -> Result<String, Ended> {
    let place = work.run.inputs.values().next();
    let place = place.ok_or_else(|| failed("ConfigurationError", "The action has no input"))?;
    let key = format!("{}.{}.template", place.key, work.run.id);
    let (encryption, kms) = artifacts::encryption(work);
    let input = s3::PutObjectInput {
        bucket: place.bucket.clone(),
        key: key.clone(),
        body: Some(template.into_bytes().into()),
        server_side_encryption: encryption,
        ssekms_key_id: kms,
        ..Default::default()
    };
    objects::call::<ops::PutObject>(work.house, &work.scope, work.role, &input).await?;
    let region = work.scope.region.as_str();
    Ok(format!(
        "https://s3.{region}.amazonaws.com/{}/{key}",
        place.bucket
    ))
}

fn object(text: &str, what: &str) -> Result<Map<String, Value>, Ended> {
    serde_json::from_str(text).map_err(|why| {
        failed(
            "ConfigurationError",
            format!("{what} is no JSON object: {why}"),
        )
    })
}

fn members(of: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    of.and_then(Value::as_object).into_iter().flatten()
}

/// A parameter's value as CloudFormation takes it.
fn plain(value: &Value) -> Result<String, Ended> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Array(all) => {
            let all: Result<Vec<String>, Ended> = all.iter().map(plain).collect();
            Ok(all?.join(","))
        }
        _ => Err(failed(
            "ConfigurationError",
            format!("{value} is no value of a parameter"),
        )),
    }
}

/// An override, which may ask for where an artifact is or for what a file of it says.
async fn of_artifact(work: &Work<'_>, value: &Value) -> Result<String, Ended> {
    let texts = |name: &str| {
        let list = value[name].as_array()?;
        let list: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
        list
    };
    if let Some(given) = texts("Fn::GetArtifactAtt") {
        let [artifact, attribute] = given[..] else {
            return Err(failed(
                "ConfigurationError",
                "Fn::GetArtifactAtt takes two texts",
            ));
        };
        let place = input_named(work, artifact)?;
        let region = work.scope.region.as_str();
        return match attribute {
            "BucketName" => Ok(place.bucket.clone()),
            "ObjectKey" => Ok(place.key.clone()),
            "URL" => Ok(format!(
                "https://s3.{region}.amazonaws.com/{}/{}",
                place.bucket, place.key
            )),
            other => Err(failed(
                "ConfigurationError",
                format!("Artifacts have no attribute {other}"),
            )),
        };
    }
    if let Some(given) = texts("Fn::GetParam") {
        let [artifact, path, key] = given[..] else {
            return Err(failed(
                "ConfigurationError",
                "Fn::GetParam takes three texts",
            ));
        };
        let text = file(work, &format!("{artifact}::{path}")).await?;
        let all = object(&text, path)?;
        let found = all.get(key).ok_or_else(|| {
            failed(
                "ConfigurationError",
                format!("The file {path} has no {key}"),
            )
        })?;
        return plain(found);
    }
    plain(value)
}
