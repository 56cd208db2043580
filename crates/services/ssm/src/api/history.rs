//! `GetParameterHistory`: all versions of a parameter.

use super::{existing, get::value, shown_policies};
use crate::{Ssm, error};
use neargate_api_ssm as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const SIZE: Size = Size::up_to(50);

pub async fn get_parameter_history(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::GetParameterHistoryInput,
) -> Result<api::GetParameterHistoryOutput, AwsError> {
    let (named, stored) = existing(&cx, &input.name).await?;
    let decrypt = input.with_decryption == Some(true);
    let (token, size) = (input.next_token.as_deref(), SIZE.clamp(input.max_results));
    let paged = page(&stored.versions, token, size, |v| {
        format!("{:020}", v.number)
    });
    let paged = paged.map_err(|_| error::invalid_token())?;
    let name = &stored.name;
    let mut parameters = Vec::new();
    for version in paged.items {
        parameters.push(api::ParameterHistory {
            name: Some(name.clone()),
            r#type: Some(version.value.kind().into()),
            key_id: version.value.key_id().map(str::to_owned),
            last_modified_date: Some(version.modified_at),
            last_modified_user: Some(version.modified_by.clone()),
            description: version.description.clone(),
            value: Some(value(&cx, &named.scope, name, &version.value, decrypt).await?),
            allowed_pattern: version.allowed_pattern.clone(),
            version: Some(version.number),
            labels: Some(version.labels.iter().cloned().collect()),
            tier: Some(version.tier.clone()),
            policies: Some(shown_policies(version)),
            data_type: Some(version.data_type.clone()),
        });
    }
    Ok(api::GetParameterHistoryOutput {
        parameters: Some(parameters),
        next_token: paged.next_token,
    })
}
