//! `AssumeRole`.

use super::{assumed, credentials, second_factor};
use crate::asked::{self, Asked, chained};
use crate::trust::{self, Trusted};
use crate::{Sts, error};
use neargate_api_sts as api;
use neargate_base::Arn;
use neargate_service::identity::{Kind, Role, session};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
pub async fn assume_role(
    _: Arc<Sts>,
    cx: Ctx,
    input: api::AssumeRoleInput,
) -> Result<api::AssumeRoleOutput, AwsError> {
    if input.provided_contexts.is_some_and(|all| !all.is_empty()) {
        return Err(error::no_provided_contexts());
    }
    let (arn, role) = known_role(&cx, &input.role_arn, "sts:AssumeRole")?;
    let asked = Asked {
        policy: input.policy,
        policy_arns: input.policy_arns.unwrap_or_default(),
        tags: input.tags.unwrap_or_default(),
        transitive: input.transitive_tag_keys.unwrap_or_default(),
        source_identity: input.source_identity,
    };
    let calling = chained(&cx.principal);
    let lasts = asked::role_duration(input.duration_seconds, role.max_session, calling.is_some())?;
    let (mut session, packed) = asked.session(&cx, &arn, &role.arn, calling, lasts)?;
    let (serial, code) = (input.serial_number.as_deref(), input.token_code.as_deref());
    session.second_factor_at = second_factor(&cx, serial, code)?;
    trust::assume(
        &cx,
        &role,
        &Trusted {
            session_name: &input.role_session_name,
            external_id: input.external_id.as_deref(),
            session: &session,
            new_tags: &asked.tags,
        },
    )?;
    let source_identity = session.source_identity.clone();
    let keys = session::assume(
        &cx.house,
        &arn,
        &role.unique_id,
        &input.role_session_name,
        session,
    )
    .ok_or_else(|| error::invalid_arn(&input.role_arn))?;
    Ok(api::AssumeRoleOutput {
        credentials: Some(credentials(&keys)),
        assumed_role_user: Some(assumed(&keys)),
        packed_policy_size: packed,
        source_identity,
        ..Default::default()
    })
}

/// The role with this ARN. Of one that does not exist AWS says what it says of one that does not
/// trust the caller.
pub(crate) fn known_role(cx: &Ctx, arn: &str, action: &str) -> Result<(Arn, Role), AwsError> {
    let parsed: Arn = arn.parse().map_err(|_| error::invalid_arn(arn))?;
    if parsed.service != "iam" || !parsed.resource.starts_with("role/") {
        return Err(error::invalid_arn(arn));
    }
    if cx.principal.kind == Kind::Root && cx.house.settings.enforced {
        return Err(error::root_assumes_no_role());
    }
    let role = cx.house.identities.get().role(arn);
    let role = role.ok_or_else(|| error::not_authorized(&cx.principal.arn, action, arn))?;
    Ok((parsed, role))
}
