//! Calls of S3 in the name of a role. S3 judges by itself what its callers may, by the bucket's policy and theirs,
//! so the call is made by a session of the role.

use neargate_service::identity::session;
use neargate_service::{AwsError, Ctx, House, Principal, Scope};
use neargate_wire::structure::{OperationDef, Structure, from_value};
use std::sync::Arc;
use std::time::Duration;

/// How long a session lasts that is made for one call.
const LASTS: Duration = Duration::from_secs(900);

/// # Errors
/// The operation's own; a denial, also where the role does not exist and policies are enforced.
pub async fn call<O: OperationDef>(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    input: &O::Input,
) -> Result<O::Output, AwsError> {
    let schema = O::service();
    let (Some(service), Some(operation)) =
        (house.caller.service(schema.id), schema.operation(O::NAME))
    else {
        return Err(AwsError::not_implemented(schema.id, O::NAME));
    };
    let principal = if house.settings.enforced {
        let keys = session::of_role(house, role, "codepipeline", LASTS);
        let keys = keys.ok_or_else(|| crate::error::may_not_assume(role))?;
        keys.principal
    } else {
        Principal::service(role)
    };
    let cx = Ctx {
        request_id: house.rng.uuid(),
        scope: scope.clone(),
        principal,
        reached_at: None,
        house: house.clone(),
    };
    let mut input = input.to_value();
    service.admit(operation, &mut input);
    let output = service.call(cx, operation, input).await?;
    Ok(from_value(output))
}
