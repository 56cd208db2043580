//! The operations, one module a resource.

pub mod kinds;
pub mod rules;
pub mod tags;
pub mod targets;

use crate::model::Rule;
use crate::{controller, error};
use neargate_service::page::{self, Paged};
use neargate_service::{AwsError, Committed, Ctx, Stored};

/// The rule of this ARN.
async fn rule(cx: &Ctx, arn: &str) -> Result<Stored<Rule>, AwsError> {
    let found = controller::find(&cx.house, &cx.scope, arn).await?;
    found.ok_or_else(|| error::not_found(arn))
}

/// Every rule but those on their way out.
async fn rules(cx: &Ctx) -> Result<Vec<Stored<Rule>>, AwsError> {
    let mut all = cx.db().list::<Rule>(&cx.scope).await?;
    all.retain(|rule| !rule.deleting);
    Ok(all)
}

/// Changes a rule; EventBridge is told of it.
async fn change(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut Rule) -> Result<(), AwsError>,
) -> Result<Rule, AwsError> {
    loop {
        let there = rule(cx, arn).await?;
        let mut after = there.value.clone();
        change(&mut after)?;
        if after == there.value {
            return Ok(after);
        }
        after.generation += 1;
        after.updated_at = cx.now();
        if let Committed::At(_) = cx.db().tx().update(&there, &after).commit().await? {
            return Ok(after);
        }
    }
}

fn paged<T>(
    items: Vec<T>,
    token: Option<&str>,
    max: Option<i32>,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    let limit = page::Size::up_to(100).clamp(max);
    page::page(items, token, limit, id).map_err(|_| error::next_token())
}
