//! Tags of secrets.

use super::{change, parse_tags};
use crate::{SecretsManager, error};
use neargate_api_secretsmanager as api;
use neargate_service::{AwsError, Ctx, tags};
use neargate_wire::structure::Unit;
use std::sync::Arc;

pub async fn tag_resource(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<Unit, AwsError> {
    let given = parse_tags(input.tags)?;
    change(&cx, &input.secret_id, |secret| {
        tags::merge(&mut secret.tags, &given).map_err(error::tags)
    })
    .await?;
    Ok(Unit)
}

pub async fn untag_resource(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<Unit, AwsError> {
    change(&cx, &input.secret_id, |secret| {
        tags::remove(&mut secret.tags, &input.tag_keys);
        Ok(())
    })
    .await?;
    Ok(Unit)
}
