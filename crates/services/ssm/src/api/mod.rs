//! SSM's handlers, a file for each subject.

pub mod delete;
pub mod describe;
pub mod get;
pub mod history;
pub mod labels;
pub mod put;
pub mod sessions;
pub mod tags;

use crate::error;
use crate::event::{self, Change};
use crate::model::{Parameter, Policy, Version};
use crate::name::{self, Named, find};
use neargate_api_ssm as api;
use neargate_service::db::{Stored, settle};
use neargate_service::{AwsError, Ctx};

/// Changes a parameter; `missing`: what is said when there is none; `told`: what event is told of it.
async fn change<T>(
    cx: &Ctx,
    named: &Named,
    missing: impl Fn() -> AwsError,
    told: Option<Change>,
    change: impl Fn(&mut Parameter) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    settle(async || {
        let stored = find(cx, named).await?.ok_or_else(&missing)?;
        let mut parameter = stored.value.clone();
        let answer = change(&mut parameter)?;
        let tx = cx.db().tx().update(&stored, &parameter);
        let tx = match told {
            Some(told) => event::posted(tx, &cx.house, &cx.scope, &parameter, told),
            None => tx,
        };
        Ok((tx, answer))
    })
    .await
}

/// The parameter that a caller names without a version.
async fn existing(cx: &Ctx, text: &str) -> Result<(Named, Stored<Parameter>), AwsError> {
    let named = name::parse(cx, text)?;
    let stored = find(cx, &named).await?.ok_or_else(error::not_found)?;
    Ok((named, stored))
}

fn shown_policies(version: &Version) -> Vec<api::ParameterInlinePolicy> {
    let shown = |policy: &Policy| api::ParameterInlinePolicy {
        policy_text: Some(policy.text.clone()),
        policy_type: Some("Expiration".into()),
        policy_status: Some("Pending".into()),
    };
    version.policies.iter().map(shown).collect()
}
