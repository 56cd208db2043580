//! How a service asks another one in the name of who called it, as AWS's services ask KMS for the
//! keys of what they store
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html>).

use crate::authority::{self, Circumstances};
use crate::caller::Caller;
use crate::ctx::{Ctx, Scope};
use crate::error::AwsError;
use neargate_wire::structure::{self, OperationDef, Structure};

impl Caller {
    /// Call an operation of another service in `scope`, as the principal of `cx`, for the service `via`
    /// (`s3`) that it called. Where policies are enforced, it must be let to this call, too.
    ///
    /// # Errors
    /// The operation's own; a denial; [`AwsError::not_implemented`] when it is not served here.
    pub async fn forward<O: OperationDef>(
        cx: &Ctx,
        via: &str,
        scope: &Scope,
        input: &O::Input,
    ) -> Result<O::Output, AwsError> {
        let schema = O::service();
        let operation = schema.operation(O::NAME);
        let (Some(service), Some(operation)) = (cx.house.caller.service(schema.id), operation)
        else {
            return Err(AwsError::not_implemented(schema.id, O::NAME));
        };
        let inner = Ctx {
            scope: scope.clone(),
            ..cx.clone()
        };
        let mut input = input.to_value();
        service.admit(operation, &mut input);
        if cx.is_bounded() {
            let circumstances = Circumstances {
                via: Some(format!("{via}.{}.amazonaws.com", scope.region)),
                secure: true,
                ..Circumstances::default()
            };
            // What is named is where the call goes; who calls is of the same account as before.
            let own = Ctx {
                scope: scope.of_account(cx.scope.account.clone()),
                ..inner.clone()
            };
            authority::authorize(&own, &circumstances, &**service, operation, &input).await?;
        }
        let output = service.call(inner, operation, input).await?;
        Ok(structure::from_value(output))
    }
}
