//! API destinations.

use super::paged;
use crate::api_destination::{ApiDestination, DEFAULT_RATE_PER_SECOND, named};
use crate::connection::{AUTHORIZED, Connection};
use crate::{Events, error};
use neargate_api_events as api;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use std::sync::Arc;

/// API destinations of an account and region.
const MOST: usize = 3_000;

async fn destination(cx: &Ctx, name: &str) -> Result<Stored<ApiDestination>, AwsError> {
    let found = cx.db().get::<ApiDestination>(&cx.scope, name).await?;
    found.ok_or_else(|| {
        error::not_found(format!(
            "Failed to describe the api-destination(s). An api-destination '{name}' does not exist."
        ))
    })
}

/// Is there such a connection here?
async fn check_connection(cx: &Ctx, arn: &str) -> Result<(), AwsError> {
    let found = match named(arn, "connection") {
        Some((scope, name, id)) if scope == cx.scope => {
            let stored = cx.db().get::<Connection>(&scope, &name).await?;
            stored.filter(|stored| stored.id == id)
        }
        _ => None,
    };
    match found {
        Some(_) => Ok(()),
        None => Err(error::not_found(format!(
            "Connection '{arn}' does not exist."
        ))),
    }
}

/// AWS takes HTTPS alone; here plain HTTP, too, for what is called is often of the same host.
fn check_endpoint(cx: &Ctx, endpoint: &str) -> Result<(), AwsError> {
    let checked = cx.house.outbound.check(&endpoint.replace('*', "x"));
    checked.map_err(|why| error::parameter("InvocationEndpoint", &why.to_string()))
}

fn rate(given: Option<i32>) -> Option<u32> {
    given.and_then(|rate| u32::try_from(rate).ok())
}

/// "ACTIVE" where its connection is authorized.
async fn state(cx: &Ctx, found: &ApiDestination) -> Result<&'static str, AwsError> {
    let connection = match named(&found.connection_arn, "connection") {
        Some((scope, name, id)) => {
            let stored = cx.db().get::<Connection>(&scope, &name).await?;
            stored.filter(|stored| stored.id == id)
        }
        None => None,
    };
    let active = connection.is_some_and(|connection| connection.state == AUTHORIZED);
    Ok(if active { "ACTIVE" } else { "INACTIVE" })
}

pub async fn create_api_destination(
    _: Arc<Events>,
    cx: Ctx,
    input: api::CreateApiDestinationInput,
) -> Result<api::CreateApiDestinationOutput, AwsError> {
    check_endpoint(&cx, &input.invocation_endpoint)?;
    check_connection(&cx, &input.connection_arn).await?;
    let there = cx.db().list::<ApiDestination>(&cx.scope).await?;
    if there.len() >= MOST {
        return Err(error::limit(
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    let now = cx.now();
    let made = ApiDestination {
        name: input.name,
        id: cx.house.rng.uuid(),
        description: input.description,
        connection_arn: input.connection_arn,
        endpoint: input.invocation_endpoint,
        method: input.http_method,
        rate_per_second: rate(input.invocation_rate_limit_per_second)
            .unwrap_or(DEFAULT_RATE_PER_SECOND),
        created_at: now,
        modified_at: now,
    };
    let key = db::key::<ApiDestination>(&cx.scope, &made.name);
    if cx.db().tx().create(key, &made).commit().await? == Committed::Conflict {
        return Err(error::exists(
            "An api-destination",
            &format!("'{}'", made.name),
        ));
    }
    Ok(api::CreateApiDestinationOutput {
        api_destination_arn: Some(made.arn(&cx.scope)),
        api_destination_state: Some(state(&cx, &made).await?.into()),
        creation_time: Some(now),
        last_modified_time: Some(now),
    })
}

pub async fn update_api_destination(
    _: Arc<Events>,
    cx: Ctx,
    input: api::UpdateApiDestinationInput,
) -> Result<api::UpdateApiDestinationOutput, AwsError> {
    if let Some(endpoint) = &input.invocation_endpoint {
        check_endpoint(&cx, endpoint)?;
    }
    if let Some(arn) = &input.connection_arn {
        check_connection(&cx, arn).await?;
    }
    loop {
        let there = destination(&cx, &input.name).await?;
        let mut changed = there.value.clone();
        let given = [
            (&mut changed.connection_arn, &input.connection_arn),
            (&mut changed.endpoint, &input.invocation_endpoint),
            (&mut changed.method, &input.http_method),
        ];
        for (member, given) in given {
            if let Some(given) = given {
                member.clone_from(given);
            }
        }
        if let Some(given) = rate(input.invocation_rate_limit_per_second) {
            changed.rate_per_second = given;
        }
        if input.description.is_some() {
            changed.description.clone_from(&input.description);
        }
        changed.modified_at = cx.now();
        if let Committed::At(_) = cx.db().tx().update(&there, &changed).commit().await? {
            return Ok(api::UpdateApiDestinationOutput {
                api_destination_arn: Some(changed.arn(&cx.scope)),
                api_destination_state: Some(state(&cx, &changed).await?.into()),
                creation_time: Some(changed.created_at),
                last_modified_time: Some(changed.modified_at),
            });
        }
    }
}

pub async fn delete_api_destination(
    _: Arc<Events>,
    cx: Ctx,
    input: api::DeleteApiDestinationInput,
) -> Result<api::DeleteApiDestinationOutput, AwsError> {
    loop {
        let there = destination(&cx, &input.name).await?;
        if let Committed::At(_) = cx.db().tx().delete(&there).commit().await? {
            return Ok(api::DeleteApiDestinationOutput {});
        }
    }
}

pub async fn describe_api_destination(
    _: Arc<Events>,
    cx: Ctx,
    input: api::DescribeApiDestinationInput,
) -> Result<api::DescribeApiDestinationOutput, AwsError> {
    let found = destination(&cx, &input.name).await?.value;
    Ok(api::DescribeApiDestinationOutput {
        api_destination_arn: Some(found.arn(&cx.scope)),
        api_destination_state: Some(state(&cx, &found).await?.into()),
        name: Some(found.name),
        description: found.description,
        connection_arn: Some(found.connection_arn),
        invocation_endpoint: Some(found.endpoint),
        http_method: Some(found.method),
        invocation_rate_limit_per_second: i32::try_from(found.rate_per_second).ok(),
        creation_time: Some(found.created_at),
        last_modified_time: Some(found.modified_at),
    })
}

pub async fn list_api_destinations(
    _: Arc<Events>,
    cx: Ctx,
    input: api::ListApiDestinationsInput,
) -> Result<api::ListApiDestinationsOutput, AwsError> {
    let mut all = cx.db().list::<ApiDestination>(&cx.scope).await?;
    let prefix = input.name_prefix.unwrap_or_default();
    all.retain(|destination| destination.name.starts_with(&prefix));
    if let Some(arn) = &input.connection_arn {
        all.retain(|destination| destination.connection_arn == *arn);
    }
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.limit, |found| found.name.clone())?;
    let mut shown = Vec::new();
    for found in page.items {
        let found = found.value;
        shown.push(api::ApiDestination {
            api_destination_arn: Some(found.arn(&cx.scope)),
            api_destination_state: Some(state(&cx, &found).await?.into()),
            name: Some(found.name),
            connection_arn: Some(found.connection_arn),
            invocation_endpoint: Some(found.endpoint),
            http_method: Some(found.method),
            invocation_rate_limit_per_second: i32::try_from(found.rate_per_second).ok(),
            creation_time: Some(found.created_at),
            last_modified_time: Some(found.modified_at),
        });
    }
    Ok(api::ListApiDestinationsOutput {
        api_destinations: Some(shown),
        next_token: page.next_token,
    })
}
