//! How a service delivers to a queue, a topic or whatever else has a policy: in its own name, as AWS's
//! services do, and judged by that policy
//! (<https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html>).

use crate::authority::{self, Circumstances};
use crate::caller::Caller;
use crate::ctx::{Ctx, House, Scope};
use crate::error::AwsError;
use crate::identity::Principal;
use neargate_wire::structure::{self, OperationDef, Structure};
use std::sync::Arc;

/// A service that delivers, and what it delivers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// `sns.amazonaws.com`.
    pub service: &'static str,
    /// What it delivers for: a topic, a rule, an alarm. `aws:SourceArn`.
    pub source_arn: String,
    /// Whose that is. `aws:SourceAccount`.
    pub source_account: String,
}

impl Caller {
    /// Call an operation of another service in `scope` in the name of a service. Where policies are
    /// enforced, the policy of the resource must let it.
    ///
    /// # Errors
    /// The operation's own; a denial; [`AwsError::not_implemented`] when it is not served here.
    pub async fn deliver<O: OperationDef>(
        house: &Arc<House>,
        scope: &Scope,
        sender: &Sender,
        input: &O::Input,
    ) -> Result<O::Output, AwsError> {
        let schema = O::service();
        let operation = schema.operation(O::NAME);
        let (Some(service), Some(operation)) = (house.caller.service(schema.id), operation) else {
            return Err(AwsError::not_implemented(schema.id, O::NAME));
        };
        let cx = Ctx {
            request_id: house.rng.uuid(),
            scope: scope.clone(),
            principal: Principal::service(sender.service),
            reached_at: None,
            house: house.clone(),
        };
        let mut input = input.to_value();
        service.admit(operation, &mut input);
        if house.settings.enforced {
            let from = Circumstances {
                secure: true,
                sender: Some(sender.clone()),
                ..Circumstances::default()
            };
            authority::authorize(&cx, &from, &**service, operation, &input).await?;
        }
        let output = service.call(cx, operation, input).await?;
        Ok(structure::from_value(output))
    }
}
