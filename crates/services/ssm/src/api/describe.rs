//! `DescribeParameters`: what is known of parameters but their values.

use super::shown_policies;
use crate::model::Parameter;
use crate::name;
use crate::{Ssm, error, expiration, filter};
use neargate_api_ssm as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, Scope};
use std::sync::Arc;

const SIZE: Size = Size {
    default: 10,
    ..Size::up_to(50)
};

pub async fn describe_parameters(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::DescribeParametersInput,
) -> Result<api::DescribeParametersOutput, AwsError> {
    if input.filters.is_some() && input.parameter_filters.is_some() {
        return Err(error::validation(
            "You can use either Filters or ParameterFilters in a single request.",
        ));
    }
    let old = |filter: api::ParametersFilter| api::ParameterStringFilter {
        option: (filter.key == "Name").then(|| "BeginsWith".to_owned()),
        key: filter.key,
        values: Some(filter.values),
    };
    let old_filters = input.filters.map(|f| f.into_iter().map(old).collect());
    let filters = filter::parse(input.parameter_filters.or(old_filters), false)?;
    let mut all = match input.shared {
        // Nobody shares any.
        Some(true) => Vec::new(),
        _ => cx.db().list::<Parameter>(&cx.scope).await?,
    };
    all.retain(|p| !expiration::is_over(p, cx.now()) && filter::fits(p, &filters));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let (token, size) = (input.next_token.as_deref(), SIZE.clamp(input.max_results));
    let paged = page(all, token, size, |p| p.name.clone());
    let paged = paged.map_err(|_| error::invalid_token())?;
    let shown = paged.items.iter().map(|p| metadata(&cx.scope, p));
    Ok(api::DescribeParametersOutput {
        parameters: Some(shown.collect()),
        next_token: paged.next_token,
    })
}

fn metadata(scope: &Scope, parameter: &Parameter) -> api::ParameterMetadata {
    let version = parameter.newest();
    api::ParameterMetadata {
        name: Some(parameter.name.clone()),
        arn: Some(name::arn(scope, &parameter.name)),
        r#type: Some(version.value.kind().into()),
        key_id: version.value.key_id().map(str::to_owned),
        last_modified_date: Some(version.modified_at),
        last_modified_user: Some(version.modified_by.clone()),
        description: version.description.clone(),
        allowed_pattern: version.allowed_pattern.clone(),
        version: Some(version.number),
        tier: Some(version.tier.clone()),
        policies: Some(shown_policies(version)),
        data_type: Some(version.data_type.clone()),
    }
}
