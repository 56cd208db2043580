//! Connections.

use super::paged;
use crate::connection::{AUTHORIZED, AUTHORIZING, Connection, Credentials, DEAUTHORIZED, OAUTH};
use crate::{Events, destinations, error};
use neargate_api_events as api;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::json::Json;
use std::sync::Arc;

/// Connections of an account and region.
const MOST: usize = 3_000;

async fn connection(cx: &Ctx, name: &str) -> Result<Stored<Connection>, AwsError> {
    let found = cx.db().get::<Connection>(&cx.scope, name).await?;
    found.ok_or_else(|| {
        error::not_found(format!(
            "Failed to describe the connection(s). Connection '{name}' does not exist."
        ))
    })
}

/// What connections of AWS may have and these may not.
fn refuse(private: bool, key: Option<&String>) -> Result<(), AwsError> {
    if private {
        return Err(error::not_built("private connectivity of connections"));
    }
    match key.filter(|key| !key.is_empty()) {
        Some(_) => Err(error::not_built("KmsKeyIdentifier of connections")),
        None => Ok(()),
    }
}

/// An OAuth connection is authorized once its authority has given a token.
fn state(authorization_type: &str) -> &'static str {
    match authorization_type {
        OAUTH => AUTHORIZING,
        _ => AUTHORIZED,
    }
}

pub async fn create_connection(
    _: Arc<Events>,
    cx: Ctx,
    input: api::CreateConnectionInput,
) -> Result<api::CreateConnectionOutput, AwsError> {
    let given = &input.auth_parameters;
    let private = input.invocation_connectivity_parameters.is_some()
        || given.connectivity_parameters.is_some();
    refuse(private, input.kms_key_identifier.as_ref())?;
    let kind = &input.authorization_type;
    let credentials = Credentials::default().with(kind, given)?;
    let name = &input.name;
    let exists = || error::exists("Connection", name);
    let there = cx.db().list::<Connection>(&cx.scope).await?;
    if there.iter().any(|connection| connection.name == *name) {
        return Err(exists());
    }
    if there.len() >= MOST {
        return Err(error::limit(
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    let secret = destinations::keep(&cx.house, &cx.scope, name, None, &credentials).await?;
    let now = cx.now();
    let made = Connection {
        name: name.clone(),
        id: cx.house.rng.uuid(),
        description: input.description.clone(),
        authorization_type: kind.clone(),
        shown: Json(credentials.shown(kind)),
        secret_arn: Some(secret.clone()),
        state: state(kind).into(),
        state_reason: None,
        created_at: now,
        modified_at: now,
        authorized_at: (state(kind) == AUTHORIZED).then_some(now),
    };
    let key = db::key::<Connection>(&cx.scope, name);
    if cx.db().tx().create(key, &made).commit().await? == Committed::Conflict {
        destinations::forget(&cx.house, &cx.scope, &secret).await?;
        return Err(exists());
    }
    Ok(api::CreateConnectionOutput {
        connection_arn: Some(made.arn(&cx.scope)),
        connection_state: Some(made.state),
        creation_time: Some(made.created_at),
        last_modified_time: Some(made.modified_at),
    })
}

/// What is not given stays as it is; a connection that was deauthorized needs all of it again.
pub async fn update_connection(
    _: Arc<Events>,
    cx: Ctx,
    input: api::UpdateConnectionInput,
) -> Result<api::UpdateConnectionOutput, AwsError> {
    let given = input.auth_parameters.clone().unwrap_or_default();
    let private = input.invocation_connectivity_parameters.is_some()
        || given.connectivity_parameters.is_some();
    refuse(private, input.kms_key_identifier.as_ref())?;
    loop {
        let there = connection(&cx, &input.name).await?;
        let kind = input
            .authorization_type
            .as_ref()
            .unwrap_or(&there.authorization_type);
        let before = destinations::read(&cx.house, &cx.scope, &there).await?;
        let credentials = before.clone().with(kind, &given)?;
        let mut changed = there.value.clone();
        if credentials != before || there.secret_arn.is_none() {
            let old = there.secret_arn.as_deref();
            let kept = destinations::keep(&cx.house, &cx.scope, &there.name, old, &credentials);
            changed.secret_arn = Some(kept.await?);
        }
        changed.authorization_type.clone_from(kind);
        changed.shown = Json(credentials.shown(kind));
        changed.state = state(kind).into();
        changed.state_reason = None;
        changed.modified_at = cx.now();
        if changed.state == AUTHORIZED {
            changed.authorized_at = Some(cx.now());
        }
        if input.description.is_some() {
            changed.description.clone_from(&input.description);
        }
        if let Committed::At(_) = cx.db().tx().update(&there, &changed).commit().await? {
            return Ok(api::UpdateConnectionOutput {
                connection_arn: Some(changed.arn(&cx.scope)),
                connection_state: Some(changed.state),
                creation_time: Some(changed.created_at),
                last_modified_time: Some(changed.modified_at),
                last_authorized_time: changed.authorized_at,
            });
        }
    }
}

/// Its secret goes; API destinations that use it stay, and reach nobody.
pub async fn delete_connection(
    _: Arc<Events>,
    cx: Ctx,
    input: api::DeleteConnectionInput,
) -> Result<api::DeleteConnectionOutput, AwsError> {
    loop {
        let there = connection(&cx, &input.name).await?;
        if let Some(secret) = &there.secret_arn {
            destinations::forget(&cx.house, &cx.scope, secret).await?;
        }
        if let Committed::At(_) = cx.db().tx().delete(&there).commit().await? {
            return Ok(api::DeleteConnectionOutput {
                connection_arn: Some(there.arn(&cx.scope)),
                connection_state: Some("DELETING".into()),
                creation_time: Some(there.created_at),
                last_modified_time: Some(there.modified_at),
                last_authorized_time: there.authorized_at,
            });
        }
    }
}

pub async fn deauthorize_connection(
    _: Arc<Events>,
    cx: Ctx,
    input: api::DeauthorizeConnectionInput,
) -> Result<api::DeauthorizeConnectionOutput, AwsError> {
    loop {
        let there = connection(&cx, &input.name).await?;
        if let Some(secret) = &there.secret_arn {
            destinations::forget(&cx.house, &cx.scope, secret).await?;
        }
        let changed = Connection {
            secret_arn: None,
            state: DEAUTHORIZED.into(),
            state_reason: None,
            modified_at: cx.now(),
            ..there.value.clone()
        };
        if let Committed::At(_) = cx.db().tx().update(&there, &changed).commit().await? {
            return Ok(api::DeauthorizeConnectionOutput {
                connection_arn: Some(changed.arn(&cx.scope)),
                connection_state: Some("DEAUTHORIZING".into()),
                creation_time: Some(changed.created_at),
                last_modified_time: Some(changed.modified_at),
                last_authorized_time: changed.authorized_at,
            });
        }
    }
}

pub async fn describe_connection(
    _: Arc<Events>,
    cx: Ctx,
    input: api::DescribeConnectionInput,
) -> Result<api::DescribeConnectionOutput, AwsError> {
    let found = connection(&cx, &input.name).await?.value;
    Ok(api::DescribeConnectionOutput {
        connection_arn: Some(found.arn(&cx.scope)),
        name: Some(found.name),
        description: found.description,
        connection_state: Some(found.state),
        state_reason: found.state_reason,
        authorization_type: Some(found.authorization_type),
        secret_arn: found.secret_arn,
        auth_parameters: Some(found.shown.0),
        creation_time: Some(found.created_at),
        last_modified_time: Some(found.modified_at),
        last_authorized_time: found.authorized_at,
        ..Default::default()
    })
}

pub async fn list_connections(
    _: Arc<Events>,
    cx: Ctx,
    input: api::ListConnectionsInput,
) -> Result<api::ListConnectionsOutput, AwsError> {
    let mut all = cx.db().list::<Connection>(&cx.scope).await?;
    let prefix = input.name_prefix.unwrap_or_default();
    all.retain(|connection| connection.name.starts_with(&prefix));
    if let Some(state) = &input.connection_state {
        all.retain(|connection| connection.state == *state);
    }
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.limit, |connection| {
        connection.name.clone()
    })?;
    let shown = |connection: Stored<Connection>| {
        let connection = connection.value;
        api::Connection {
            connection_arn: Some(connection.arn(&cx.scope)),
            name: Some(connection.name),
            connection_state: Some(connection.state),
            state_reason: connection.state_reason,
            authorization_type: Some(connection.authorization_type),
            creation_time: Some(connection.created_at),
            last_modified_time: Some(connection.modified_at),
            last_authorized_time: connection.authorized_at,
        }
    };
    Ok(api::ListConnectionsOutput {
        connections: Some(page.items.into_iter().map(shown).collect()),
        next_token: page.next_token,
    })
}
