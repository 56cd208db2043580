//! Handlers, one file a subject.

pub(super) mod certificates;
pub(super) mod import;
pub(super) mod list;
pub(super) mod request;
pub(super) mod tags;

use crate::error;
use neargate_api_acm as api;
use neargate_base::Arn;
use neargate_service::certificate::{self, Certificate};
use neargate_service::db::Stored;
use neargate_service::tags::{self as rules, Tags};
use neargate_service::{AwsError, Ctx};

/// The certificate that a call names.
async fn find(cx: &Ctx, arn: &str) -> Result<Stored<Certificate>, AwsError> {
    let parsed = arn.parse::<Arn>().ok().filter(|a| a.service == "acm");
    parsed.ok_or_else(|| error::invalid_arn(arn))?;
    let found = certificate::find(&cx.house, &cx.scope, arn).await?;
    found.ok_or_else(|| error::not_found(arn))
}

fn text(text: impl Into<String>) -> Option<String> {
    Some(text.into())
}

/// The tags of a call.
fn tags_of(given: Option<Vec<api::Tag>>) -> Result<Tags, AwsError> {
    let pairs = given.unwrap_or_default().into_iter();
    let pairs = pairs.map(|tag| (tag.key, tag.value.unwrap_or_default()));
    rules::parse(pairs).map_err(error::tags)
}
