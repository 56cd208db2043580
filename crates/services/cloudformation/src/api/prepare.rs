//! What a call says a stack should be: the template, from the call or from S3, and the values of its parameters.

use crate::engine::sealed;
use crate::error;
use crate::model::{Deployment, Stack, TemplateText};
use crate::template::parameters::{Given, values};
use crate::template::{MAX_BODY_BYTES, MAX_BYTES, Template, text_of};
use crate::types;
use base64::Engine as _;
use neargate_api_cloudformation as api;
use neargate_service::caller::By;
use neargate_service::{AwsError, Caller, Ctx};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the calls say that create and change stacks.
#[derive(Debug, Default)]
pub struct Asked {
    pub body: Option<String>,
    pub url: Option<String>,
    pub use_previous: bool,
    pub parameters: Vec<api::Parameter>,
    pub capabilities: Vec<String>,
    /// `None`: as they were.
    pub tags: Option<Vec<api::Tag>>,
    pub role_arn: Option<String>,
    /// Change sets take macros without a capability.
    pub is_change_set: bool,
}

/// What a stack should be, read and checked.
#[derive(Debug)]
pub struct Prepared {
    pub template: Arc<Template>,
    pub text: TemplateText,
    pub deployment: Deployment,
}

impl Prepared {
    /// The deployment as it is stored.
    pub fn stored(&self, cx: &Ctx) -> Deployment {
        sealed::seal(&cx.house, &self.template, &self.deployment)
    }
}

pub async fn prepare(
    cx: &Ctx,
    asked: Asked,
    previous: Option<&Stack>,
) -> Result<Prepared, AwsError> {
    let text = match (asked.use_previous, previous) {
        (true, Some(stack)) => stored(cx, &stack.deployment.template).await?,
        (true, None) => {
            return Err(error::validation(
                "Previous template does not exist for a stack that is created",
            ));
        }
        (false, _) => text(cx, asked.body, asked.url).await?,
    };
    let had = previous
        .map(|stack| sealed::open(&cx.house, &stack.deployment).parameters)
        .unwrap_or_default();
    let given = given(asked.parameters)?;
    let known = given.iter().filter_map(|(name, given)| match given {
        Given::Value(value) => Some((name.clone(), value.clone())),
        Given::Previous => Some((name.clone(), had.get(name)?.clone())),
    });
    let known = known.collect();
    let (template, processed) = Template::read_with(&text, &known).map_err(error::validation)?;
    let unknown: Vec<String> = template
        .types()
        .into_iter()
        .filter(|kind| types::kind(kind).is_none() || (kind == FUNCTION && !is_replaced(&template)))
        .collect();
    if !unknown.is_empty() {
        return Err(error::validation(format!(
            "Template format error: Unrecognized resource types: [{}]",
            unknown.join(", ")
        )));
    }
    check_capabilities(&template, &asked.capabilities, asked.is_change_set)?;
    let parameters = values(&template.parameters, &given, &had).map_err(error::validation)?;
    let resolved = resolve(cx, &template, &parameters, asked.role_arn.as_deref()).await?;
    let tags = match (asked.tags, previous) {
        (Some(tags), _) => checked_tags(tags)?,
        (None, Some(stack)) => stack.deployment.tags.clone(),
        (None, None) => BTreeMap::new(),
    };
    let deployment = Deployment {
        template: cx.house.rng.uuid(),
        description: template.description.clone(),
        parameters,
        resolved,
        capabilities: asked.capabilities,
        tags,
        notification_arns: Vec::new(),
    };
    check_rules(cx, &template, &deployment)?;
    Ok(Prepared {
        template: Arc::new(template),
        text: TemplateText { text, processed },
        deployment,
    })
}

/// A type that is there only as what makes others.
pub const FUNCTION: &str = "AWS::Lambda::Function";

/// Are its functions only for custom resources that are made here without them? There is no Lambda for others.
pub fn is_replaced(template: &Template) -> bool {
    let needs = crate::template::graph::dependencies(template);
    let functions = template
        .resources
        .iter()
        .filter(|(_, r)| r.kind == FUNCTION);
    functions.into_iter().all(|(function, _)| {
        let users = template.resources.iter().filter(|(name, _)| {
            needs
                .get(name.as_str())
                .is_some_and(|needs| needs.contains(function))
        });
        let mut kinds = users.map(|(_, r)| r.kind.as_str()).peekable();
        kinds.peek().is_some() && kinds.all(types::is_native)
    })
}

/// What a call gives for parameters.
fn given(parameters: Vec<api::Parameter>) -> Result<BTreeMap<String, Given>, AwsError> {
    let mut given = BTreeMap::new();
    for parameter in parameters {
        let Some(name) = parameter.parameter_key else {
            continue;
        };
        let value = match (parameter.use_previous_value, parameter.parameter_value) {
            (Some(true), None) => Given::Previous,
            (Some(true), Some(_)) => {
                return Err(error::validation(format!(
                    "Invalid input for parameter key {name}. Cannot specify usePreviousValue as true and non-empty value for a parameter"
                )));
            }
            (_, Some(value)) => Given::Value(value),
            (_, None) => {
                return Err(error::validation(format!(
                    "Invalid input for parameter key {name}. Need to specify either usePreviousValue as true or value for a parameter key"
                )));
            }
        };
        given.insert(name, value);
    }
    Ok(given)
}

/// The text of a template, as it was given.
pub async fn stored(cx: &Ctx, template: &str) -> Result<String, AwsError> {
    record(cx, template).await.map(|record| record.text)
}

/// The same, and what its transforms made of it.
pub async fn record(cx: &Ctx, template: &str) -> Result<TemplateText, AwsError> {
    let text = cx.db().get::<TemplateText>(&cx.scope, template).await?;
    let missing = || error::validation("Template does not exist");
    text.map(|stored| stored.value).ok_or_else(missing)
}

/// The text of a template as a call gives it.
pub async fn text(cx: &Ctx, body: Option<String>, url: Option<String>) -> Result<String, AwsError> {
    match (body, url) {
        (Some(body), None) if body.len() > MAX_BODY_BYTES => Err(error::validation(format!(
            "1 validation error detected: Value '{}...' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to {MAX_BODY_BYTES}",
            body.chars().take(64).collect::<String>()
        ))),
        (Some(body), None) => Ok(body),
        (None, Some(url)) => fetched(cx, &url).await,
        _ => Err(error::validation(
            "Either Template URL or Template Body must be specified.",
        )),
    }
}

/// Bucket and key of an address of S3.
fn place(url: &str) -> Option<(String, String)> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/')?;
    let path = path.split('?').next().unwrap_or_default();
    let path = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .ok()?
        .into_owned();
    if let Some((bucket, _)) = host.split_once(".s3").filter(|(b, _)| !b.is_empty()) {
        return Some((bucket.to_owned(), path));
    }
    let (bucket, key) = path.split_once('/')?;
    Some((bucket.to_owned(), key.to_owned()))
}

pub async fn fetched(cx: &Ctx, url: &str) -> Result<String, AwsError> {
    let (bucket, key) = place(url)
        .filter(|(_, key)| !key.is_empty())
        .ok_or_else(|| error::validation("TemplateURL must be a supported URL."))?;
    let input = json!({"Bucket": bucket, "Key": key, "Range": format!("bytes=0-{MAX_BYTES}")});
    let by = By::Principal(&cx.principal);
    let answer = Caller::call_by_name(&cx.house, &cx.scope, by, ("s3", "GetObject"), input).await;
    let answer = answer.map_err(|e| error::validation(format!("S3 error: {}", e.message)))?;
    let body = answer.get("Body").map(text_of).unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(&body)
        .unwrap_or_default();
    if bytes.len() > MAX_BYTES {
        return Err(error::validation(format!(
            "Template may not exceed {MAX_BYTES} bytes in size."
        )));
    }
    String::from_utf8(bytes)
        .map_err(|_| error::validation("Template format error: it is not UTF-8"))
}

fn check_capabilities(
    template: &Template,
    given: &[String],
    is_change_set: bool,
) -> Result<(), AwsError> {
    let has = |name: &str| given.iter().any(|g| g == name);
    if let (Some(needed), _) = template.capabilities() {
        let enough = has("CAPABILITY_NAMED_IAM") || (needed == "CAPABILITY_IAM" && has(needed));
        if !enough {
            return Err(error::capabilities(needed));
        }
    }
    if !template.transforms.is_empty() && !is_change_set && !has("CAPABILITY_AUTO_EXPAND") {
        return Err(error::capabilities("CAPABILITY_AUTO_EXPAND"));
    }
    Ok(())
}

fn checked_tags(tags: Vec<api::Tag>) -> Result<BTreeMap<String, String>, AwsError> {
    let pairs = tags.into_iter().map(|tag| (tag.key, tag.value));
    neargate_service::tags::parse(pairs).map_err(|why| error::validation(why.to_string()))
}

/// What parameters come to whose values are the names of SSM's.
async fn resolve(
    cx: &Ctx,
    template: &Template,
    parameters: &BTreeMap<String, String>,
    role: Option<&str>,
) -> Result<BTreeMap<String, String>, AwsError> {
    let mut resolved = BTreeMap::new();
    for (name, declared) in &template.parameters {
        let Some(value) = parameters.get(name).filter(|_| declared.is_ssm()) else {
            continue;
        };
        let by = role.map_or(By::Principal(&cx.principal), By::Role);
        let input = json!({"Name": value});
        let answer =
            Caller::call_by_name(&cx.house, &cx.scope, by, ("ssm", "GetParameter"), input).await;
        let found = match answer {
            Ok(answer) => answer,
            Err(error) if error.is("ParameterNotFound") => {
                return Err(error::validation(format!(
                    "Unable to fetch parameters [{value}] from parameter store for this account."
                )));
            }
            Err(error) => return Err(error::validation(error.message)),
        };
        if found["Parameter"]["Type"] == "SecureString" {
            return Err(error::validation(format!(
                "Parameters [{value}] referenced by template have types not supported by CloudFormation."
            )));
        }
        let text = text_of(found["Parameter"].get("Value").unwrap_or(&Value::Null));
        declared.check(name, &text).map_err(error::validation)?;
        resolved.insert(name.clone(), text);
    }
    Ok(resolved)
}

/// The template's rules (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html>).
fn check_rules(cx: &Ctx, template: &Template, deployment: &Deployment) -> Result<(), AwsError> {
    let outside = crate::engine::scene::Outside::default();
    let frame = crate::engine::scene::frame(&cx.scope, ("", ""), template, deployment, &outside);
    let truth = |of: &Value| match frame.resolve(of) {
        Ok(Some(Value::Bool(truth))) => Ok(truth),
        Ok(_) => Err(error::not_built(
            "this function in the Rules section of templates",
        )),
        Err(why) => Err(error::validation(why)),
    };
    for (name, rule) in &template.rules {
        if let Some(condition) = rule.get("RuleCondition")
            && !truth(condition)?
        {
            continue;
        }
        for assertion in rule
            .get("Assertions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(of) = assertion.get("Assert")
                && !truth(of)?
            {
                let said = assertion
                    .get("AssertDescription")
                    .map(text_of)
                    .unwrap_or_default();
                return Err(error::validation(format!(
                    "Template validation error: Rule {name} failed: {said}"
                )));
            }
        }
    }
    Ok(())
}
