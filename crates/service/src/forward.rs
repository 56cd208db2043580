//! How a service asks another one in the name of who called it, as AWS's services ask KMS for the
//! keys of what they store
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/access_forward_access_sessions.html>).

use crate::caller::Caller;
use crate::ctx::{Ctx, Scope};
use crate::error::AwsError;
use neargate_wire::structure::{self, OperationDef, Structure};

impl Caller {
    /// Call an operation of another service in `scope`, as the principal of `cx`.
    ///
    /// Whether the principal may is not asked: the call that it made is what it was let to, and it is
    /// for the service that it called to give away no more.
    ///
    /// # Errors
    /// The operation's own; [`AwsError::not_implemented`] when it is not served here.
    pub async fn forward<O: OperationDef>(
        cx: &Ctx,
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
        let output = service.call(inner, operation, input.to_value()).await?;
        Ok(structure::from_value(output))
    }
}
