//! `PutParameter`.

use super::tags;
use crate::event::{self, Change};
use crate::model::{Parameter, Policy, Value, Version};
use crate::name::{self, find};
use crate::{Ssm, error, expiration, secure};
use neargate_api_ssm as api;
use neargate_service::db::settle;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// AWS's limits.
const MOST_VERSIONS: usize = 100;
const STANDARD_BYTES: usize = 4096;
const ADVANCED_BYTES: usize = 8192;

const STANDARD: &str = "Standard";
const ADVANCED: &str = "Advanced";

pub async fn put_parameter(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::PutParameterInput,
) -> Result<api::PutParameterOutput, AwsError> {
    let overwrite = input.overwrite == Some(true);
    if overwrite && input.tags.is_some() {
        return Err(error::validation(
            "Invalid request: tags and overwrite can't be used together. To create a parameter \
             with tags, please remove overwrite flag. To update tags for an existing parameter, \
             please use AddTagsToResource or RemoveTagsFromResource.",
        ));
    }
    let named = name::parse(&cx, &input.name)?;
    name::check(&input.name)?;
    if input.value.is_empty() {
        return Err(error::validation(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member \
             must have length greater than or equal to 1.",
        ));
    }
    let new_tags = tags::parse(input.tags.clone().unwrap_or_default())?;
    let policies = input.policies.as_deref().filter(|text| !text.is_empty());
    let policies = policies.map(expiration::parse).transpose()?;
    settle(async || {
        let stored = find(&cx, &named).await?;
        let before = stored.as_ref().map(|stored| stored.newest());
        if before.is_some() && !overwrite {
            return Err(error::exists());
        }
        let version = version(&cx, &input, before, policies.clone()).await?;
        let output = api::PutParameterOutput {
            version: Some(version.number),
            tier: Some(version.tier.clone()),
        };
        let tx = cx.db().tx();
        let tx = match &stored {
            Some(stored) => {
                let mut parameter = stored.value.clone();
                parameter.versions.push(version);
                drop_oldest(&mut parameter)?;
                let tx = tx.update(stored, &parameter);
                event::posted(tx, &cx.house, &cx.scope, &parameter, Change::Update)
            }
            None => {
                let parameter = Parameter {
                    name: input.name.clone(),
                    versions: vec![version],
                    tags: new_tags.clone(),
                };
                let key = name::record(&cx.scope, &input.name);
                // One that has ended is still in the store for a while.
                let tx = tx.put(key, &parameter);
                event::posted(tx, &cx.house, &cx.scope, &parameter, Change::Create)
            }
        };
        Ok((tx, output))
    })
    .await
}

fn drop_oldest(parameter: &mut Parameter) -> Result<(), AwsError> {
    if parameter.versions.len() > MOST_VERSIONS {
        let oldest = &parameter.versions[0];
        if !oldest.labels.is_empty() {
            return Err(error::oldest_has_label(&parameter.name, oldest.number));
        }
        parameter.versions.remove(0);
    }
    Ok(())
}

/// The version that the call makes: what it does not say stays as it was.
async fn version(
    cx: &Ctx,
    input: &api::PutParameterInput,
    before: Option<&Version>,
    policies: Option<Vec<Policy>>,
) -> Result<Version, AwsError> {
    let kind = match (&input.r#type, before) {
        (Some(kind), _) => kind.as_str(),
        (None, Some(before)) => before.value.kind(),
        (None, None) => {
            return Err(error::validation(
                "A parameter type is required when you create a parameter.",
            ));
        }
    };
    let data_type = input.data_type.as_deref();
    let data_type = data_type.or(before.map(|b| b.data_type.as_str()));
    let data_type = data_type.unwrap_or("text");
    check_data_type(data_type, &input.value)?;
    let pattern = input.allowed_pattern.clone().filter(|p| !p.is_empty());
    let pattern = pattern.or_else(|| before.and_then(|b| b.allowed_pattern.clone()));
    if let Some(pattern) = &pattern {
        check_pattern(pattern, &input.value)?;
    }
    let policies = match (policies, before) {
        (Some(policies), _) => policies,
        (None, Some(before)) => before.policies.clone(),
        (None, None) => Vec::new(),
    };
    let tier = tier(input, before, !policies.is_empty())?;
    let value = match kind {
        "SecureString" => {
            let asked = input.key_id.as_deref();
            let key_id = asked.or(before.and_then(|b| b.value.key_id()));
            let key_id = key_id.unwrap_or(secure::DEFAULT_KEY);
            Value::Secure {
                key_id: key_id.to_owned(),
                ciphertext: secure::encrypt(cx, &input.name, key_id, &input.value).await?,
            }
        }
        _ if input.key_id.is_some() => {
            return Err(error::validation(
                "KeyId is required for SecureString type parameter only.",
            ));
        }
        "StringList" => Value::StringList(input.value.clone()),
        _ => Value::String(input.value.clone()),
    };
    let description = input.description.clone();
    Ok(Version {
        number: before.map_or(1, |before| before.number + 1),
        value,
        data_type: data_type.to_owned(),
        tier,
        description: description.or_else(|| before.and_then(|b| b.description.clone())),
        allowed_pattern: pattern,
        policies,
        labels: Default::default(),
        modified_at: cx.now(),
        modified_by: cx.principal.arn.clone(),
    })
}

/// An image's name is looked at; AWS asks EC2 for it, which answers later.
fn check_data_type(named: &str, value: &str) -> Result<(), AwsError> {
    let is_image = |value: &str| {
        let digits = value.strip_prefix("ami-");
        digits.is_some_and(|d| d.len() >= 8 && d.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    match named {
        "text" => Ok(()),
        "aws:ec2:image" if is_image(value) => Ok(()),
        "aws:ec2:image" => Err(error::validation(
            "The parameter value isn't valid for the data type aws:ec2:image: it must be the ID of \
             an Amazon Machine Image.",
        )),
        "aws:ssm:integration" => Err(error::validation(
            "Neargate does not support the data type aws:ssm:integration yet.",
        )),
        other => Err(error::unsupported_data_type(other)),
    }
}

fn check_pattern(pattern: &str, value: &str) -> Result<(), AwsError> {
    let whole = regex::Regex::new(&format!("^(?:{pattern})$"));
    let whole = whole.map_err(|_| error::invalid_pattern(pattern))?;
    if whole.is_match(value) {
        Ok(())
    } else {
        Err(error::pattern_mismatch(pattern))
    }
}

fn tier(
    input: &api::PutParameterInput,
    before: Option<&Version>,
    has_policies: bool,
) -> Result<String, AwsError> {
    let was_advanced = before.is_some_and(|before| before.tier == ADVANCED);
    let length = input.value.len();
    let needs_advanced = length > STANDARD_BYTES || has_policies;
    let tier = match input.tier.as_deref() {
        Some(ADVANCED) => ADVANCED,
        Some("Intelligent-Tiering") if needs_advanced || was_advanced => ADVANCED,
        Some("Intelligent-Tiering") => STANDARD,
        Some(_) if was_advanced => {
            return Err(error::validation(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter \
                 from the advanced-parameter tier to the standard-parameter tier. If necessary, you \
                 can delete the advanced parameter and recreate it as a standard parameter.",
            ));
        }
        None if was_advanced => ADVANCED,
        _ => STANDARD,
    };
    if tier == STANDARD && length > STANDARD_BYTES {
        return Err(error::validation(
            "Standard tier parameters support a maximum parameter value of 4096 characters. To \
             create a larger parameter value, upgrade the parameter to use the advanced-parameter \
             tier. For more information, see \
             https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html",
        ));
    }
    if tier == STANDARD && has_policies {
        return Err(error::validation(
            "Parameter policies are supported by advanced tier parameters only.",
        ));
    }
    if length > ADVANCED_BYTES {
        return Err(error::validation(
            "Advanced tier parameters support a maximum parameter value of 8192 characters.",
        ));
    }
    Ok(tier.to_owned())
}
