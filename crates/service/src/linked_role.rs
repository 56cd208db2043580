//! Service-linked roles: a service makes its own when an account first needs it
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html>).
//!
//! Which operation needs which service's role is a table (`models/authorization/ours.toml`). IAM makes
//! the role, asked by its own operations. Whoever calls is not asked for
//! `iam:CreateServiceLinkedRole`.

use crate::caller::{By, Caller};
use crate::ctx::Ctx;
use crate::error::AwsError;
use neargate_policy::actions::ours;
use neargate_wire::schema::Service;
use serde_json::json;

/// Whose role an operation makes where it is not there yet.
pub(crate) fn of(service: &Service, operation: &str) -> Option<&'static str> {
    let ours = ours();
    ours.linked(ours.prefix(service.signing_name), operation)
}

/// Makes the service's role, unless the account has it. What comes of the operation does not hang on
/// it: the next one that needs the role makes it.
pub(crate) async fn make(cx: &Ctx, service: &str) {
    if let Err(error) = try_make(cx, service).await {
        tracing::debug!(%error, service, "its service-linked role is not made");
    }
}

async fn try_make(cx: &Ctx, service: &str) -> Result<(), AwsError> {
    let path = format!("/aws-service-role/{service}/");
    let own = format!("arn:aws:iam::{}:role{path}own", cx.scope.account);
    let ask = |operation, input| {
        let by = By::Role(&own);
        Caller::call_by_name(&cx.house, &cx.scope, by, ("iam", operation), input)
    };
    let there = ask("ListRoles", json!({ "PathPrefix": path })).await?;
    if there["Roles"].as_array().is_some_and(|all| !all.is_empty()) {
        return Ok(());
    }
    let input = json!({ "AWSServiceName": service });
    ask("CreateServiceLinkedRole", input).await.map(drop)
}
