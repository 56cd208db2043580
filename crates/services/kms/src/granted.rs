//! Which grants of a key let a caller do what no policy lets him do: what authorization asks KMS.

use crate::api::grants;
use crate::keys;
use crate::model::Grant;
use crate::plan::grant::{Asked, Made, reach};
use futures_util::future::BoxFuture;
use neargate_api_kms as api;
use neargate_policy::Reach;
use neargate_service::db::Stored;
use neargate_service::table::GrantRequest;
use neargate_service::{AwsError, Ctx, Scope};
use neargate_wire::schema::Operation;
use neargate_wire::structure;
use neargate_wire::value::Value;
use std::collections::BTreeMap;

pub(crate) fn granted<'a>(
    cx: &'a Ctx,
    wanted: GrantRequest<'a>,
) -> BoxFuture<'a, Result<Option<Reach>, AwsError>> {
    Box::pin(nearest(cx, wanted))
}

/// How near the nearest grant comes.
async fn nearest(cx: &Ctx, wanted: GrantRequest<'_>) -> Result<Option<Reach>, AwsError> {
    let all = match (wanted.action, wanted.call) {
        ("RetireGrant", Some((_, input))) => {
            let input: api::RetireGrantInput = structure::from_value(input.clone());
            grants::retired(cx, &input).await?.into_iter().collect()
        }
        _ => of_key(cx, wanted.resource).await?,
    };
    let context = wanted.call.map(|call| context(wanted.action, call));
    let context = context.unwrap_or_default();
    let made = match (wanted.action, wanted.call) {
        ("CreateGrant", Some((_, input))) => Some(structure::from_value::<api::CreateGrantInput>(
            input.clone(),
        )),
        _ => None,
    };
    let asked = Asked {
        requester: wanted.requester,
        operation: wanted.action,
        context: &context,
        source_arn: wanted.source_arn,
        made: made.as_ref().map(of_input),
    };
    let nearest = all.iter().map(|grant| reach(&grant.value, &asked)).max();
    Ok(nearest.filter(|reach| *reach != Reach::No))
}

async fn of_key(cx: &Ctx, arn: &str) -> Result<Vec<Stored<Grant>>, AwsError> {
    let id = arn.rsplit_once(":key/").map(|(_, id)| id);
    match (Scope::of_arn(arn), id) {
        (Some(scope), Some(id)) if keys::is_uuid(id) => grants::of_key(cx, &scope, id).await,
        _ => Ok(Vec::new()),
    }
}

fn of_input(input: &api::CreateGrantInput) -> Made<'_> {
    let constraints = input.constraints.as_ref();
    Made {
        operations: input.operations.iter().map(String::as_str).collect(),
        context_equals: constraints.and_then(|c| c.encryption_context_equals.clone()),
        context_subset: constraints.and_then(|c| c.encryption_context_subset.clone()),
        source_arn: constraints.and_then(|c| c.source_arn.as_deref()),
    }
}

/// The encryption context that the action is judged by.
fn context(
    action: &str,
    (operation, input): (&'static Operation, &Value),
) -> BTreeMap<String, String> {
    let member = match action {
        "ReEncryptFrom" => "SourceEncryptionContext",
        "ReEncryptTo" => "DestinationEncryptionContext",
        _ => "EncryptionContext",
    };
    let at = operation.input.and_then(|shape| shape.get().member(member));
    let Some(Value::Map(pairs)) = at.and_then(|(at, _)| input.field(at)) else {
        return BTreeMap::new();
    };
    let pairs = pairs.iter();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
