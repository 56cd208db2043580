//! Values of parameters: one, several, and all under a path.

use crate::filter::{self, is_under};
use crate::model::{Parameter, Value, Version};
use crate::name::{self, Named, find, select};
use crate::{Ssm, error, expiration, public, reference, secure};
use neargate_api_ssm as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, Scope};
use std::sync::Arc;

/// A value as a caller gets it: what KMS made of it, unless it is to be decrypted.
pub(super) async fn value(
    cx: &Ctx,
    scope: &Scope,
    name: &str,
    value: &Value,
    decrypt: bool,
) -> Result<String, AwsError> {
    match value {
        Value::String(text) | Value::StringList(text) => Ok(text.clone()),
        Value::Secure { key_id, ciphertext } if decrypt => {
            secure::decrypt(cx, scope, name, key_id, ciphertext).await
        }
        Value::Secure { ciphertext, .. } => Ok(ciphertext.clone()),
    }
}

async fn shown(
    cx: &Ctx,
    scope: &Scope,
    parameter: &Parameter,
    version: &Version,
    selector: Option<&str>,
    decrypt: bool,
) -> Result<api::Parameter, AwsError> {
    let name = &parameter.name;
    Ok(api::Parameter {
        name: Some(name.clone()),
        r#type: Some(version.value.kind().into()),
        value: Some(value(cx, scope, name, &version.value, decrypt).await?),
        version: Some(version.number),
        selector: selector.map(|selector| format!(":{selector}")),
        source_result: None,
        last_modified_date: Some(version.modified_at),
        arn: Some(name::arn(scope, name)),
        data_type: Some(version.data_type.clone()),
    })
}

/// The parameter that a caller names, also where it is of no store.
async fn read(cx: &Ctx, text: &str, decrypt: bool) -> Result<api::Parameter, AwsError> {
    let named = name::parse(cx, text)?;
    let Named {
        scope,
        name,
        selector,
        ..
    } = &named;
    let selector = selector.as_deref();
    if name.starts_with(public::PREFIX) {
        let found = public::find(&cx.scope.region, name);
        let found = found.ok_or_else(error::not_found)?;
        return match selector {
            None => Ok(found),
            Some("1") => Ok(api::Parameter {
                selector: Some(":1".into()),
                ..found
            }),
            Some(other) => Err(error::version_not_found(name, other)),
        };
    }
    if name.starts_with(reference::PREFIX) {
        return reference::read(cx, name, selector, decrypt).await;
    }
    let stored = find(cx, &named).await?.ok_or_else(error::not_found)?;
    let version = select(&stored, selector)?;
    shown(cx, scope, &stored, version, selector, decrypt).await
}

pub async fn get_parameter(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::GetParameterInput,
) -> Result<api::GetParameterOutput, AwsError> {
    let decrypt = input.with_decryption == Some(true);
    let parameter = read(&cx, &input.name, decrypt).await?;
    Ok(api::GetParameterOutput {
        parameter: Some(parameter),
    })
}

/// Those that are not there are named in the answer.
pub async fn get_parameters(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::GetParametersInput,
) -> Result<api::GetParametersOutput, AwsError> {
    let decrypt = input.with_decryption == Some(true);
    let (mut parameters, mut invalid) = (Vec::new(), Vec::new());
    for name in input.names {
        if parameters.iter().any(|p: &(String, _)| p.0 == name) {
            continue;
        }
        match read(&cx, &name, decrypt).await {
            Ok(parameter) => parameters.push((name, parameter)),
            Err(e) if e.is("ParameterNotFound") || e.is("ParameterVersionNotFound") => {
                invalid.push(name);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(api::GetParametersOutput {
        parameters: Some(parameters.into_iter().map(|(_, p)| p).collect()),
        invalid_parameters: Some(invalid),
    })
}

const SIZE: Size = Size::up_to(10);

pub async fn get_parameters_by_path(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::GetParametersByPathInput,
) -> Result<api::GetParametersByPathOutput, AwsError> {
    let path = &input.path;
    if !path.starts_with('/') || !name::is_spelled(path) {
        return Err(error::validation(name::PATH_RULE));
    }
    let filters = filter::parse(input.parameter_filters, true)?;
    let recursive = input.recursive == Some(true);
    let decrypt = input.with_decryption == Some(true);
    let (token, size) = (input.next_token.as_deref(), SIZE.clamp(input.max_results));
    if path.starts_with("/aws/") {
        let all = public::all(&cx.scope.region).into_iter();
        let name = |p: &api::Parameter| p.name.clone().unwrap_or_default();
        let under = all.filter(|p| is_under(&name(p), path, recursive));
        let paged = page(under, token, size, name).map_err(|_| error::invalid_token())?;
        return Ok(api::GetParametersByPathOutput {
            parameters: Some(paged.items),
            next_token: paged.next_token,
        });
    }
    let mut all = cx.db().list::<Parameter>(&cx.scope).await?;
    all.retain(|p| {
        is_under(&p.name, path, recursive)
            && !expiration::is_over(p, cx.now())
            && filter::fits(p, &filters)
    });
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let paged = page(all, token, size, |p| p.name.clone());
    let paged = paged.map_err(|_| error::invalid_token())?;
    let mut parameters = Vec::new();
    for parameter in &paged.items {
        let version = parameter.newest();
        parameters.push(shown(&cx, &cx.scope, parameter, version, None, decrypt).await?);
    }
    Ok(api::GetParametersByPathOutput {
        parameters: Some(parameters),
        next_token: paged.next_token,
    })
}
