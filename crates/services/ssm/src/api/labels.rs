//! Labels of versions: a label is at one version at most
//! (<https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html>).

use super::change;
use crate::event::Change;
use crate::name;
use crate::{Ssm, error};
use neargate_api_ssm as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const MOST: usize = 10;

fn is_valid(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    !lower.starts_with("aws")
        && !lower.starts_with("ssm")
        && !label.starts_with(|c: char| c.is_ascii_digit())
        && label.chars().all(allowed)
}

pub async fn label_parameter_version(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::LabelParameterVersionInput,
) -> Result<api::LabelParameterVersionOutput, AwsError> {
    let named = name::parse(&cx, &input.name)?;
    let labels = input.labels.into_iter();
    let (valid, invalid): (Vec<_>, Vec<_>) = labels.partition(|label| is_valid(label));
    let missing = || error::not_found_named(&input.name);
    let told = Some(Change::LabelParameterVersion);
    let number = change(&cx, &named, missing, told, |parameter| {
        let newest = parameter.newest().number;
        let number = input.parameter_version.unwrap_or(newest);
        if !parameter.versions.iter().any(|v| v.number == number) {
            let number = number.to_string();
            return Err(error::version_not_found(&parameter.name, &number));
        }
        for version in &mut parameter.versions {
            if version.number == number {
                version.labels.extend(valid.iter().cloned());
            } else {
                version.labels.retain(|label| !valid.contains(label));
            }
            if version.labels.len() > MOST {
                return Err(error::too_many_labels());
            }
        }
        Ok(number)
    })
    .await?;
    Ok(api::LabelParameterVersionOutput {
        invalid_labels: Some(invalid),
        parameter_version: Some(number),
    })
}

pub async fn unlabel_parameter_version(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::UnlabelParameterVersionInput,
) -> Result<api::UnlabelParameterVersionOutput, AwsError> {
    let named = name::parse(&cx, &input.name)?;
    let missing = || error::not_found_named(&input.name);
    let (removed, invalid) = change(&cx, &named, missing, None, |parameter| {
        let number = input.parameter_version;
        let mut versions = parameter.versions.iter_mut();
        let Some(version) = versions.find(|v| v.number == number) else {
            let number = number.to_string();
            return Err(error::version_not_found(&parameter.name, &number));
        };
        let labels = input.labels.iter().cloned();
        let split = labels.partition::<Vec<_>, _>(|label| version.labels.remove(label));
        Ok(split)
    })
    .await?;
    Ok(api::UnlabelParameterVersionOutput {
        removed_labels: Some(removed),
        invalid_labels: Some(invalid),
    })
}
