//! SNS's handlers, a file for each resource.

pub mod publish;
pub mod tags;
pub mod topics;

use crate::error;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx};

/// The name of the caller's topic that `arn` names, whether or not there is one.
fn topic_name(cx: &Ctx, parameter: &str, arn: &str, action: &str) -> Result<String, AwsError> {
    let parts = arn.split(':').count();
    if parts < 6 {
        let text = format!("{parameter} Reason: An ARN must have at least 6 elements, not {parts}");
        return Err(error::invalid_parameter(&text));
    }
    let invalid = || error::invalid_parameter(parameter);
    let parsed: Arn = arn.parse().map_err(|_| invalid())?;
    if parsed.service != "sns"
        || parsed.region != cx.scope.region.as_str()
        || parsed.resource.contains([':', '/'])
    {
        return Err(invalid());
    }
    if parsed.account != cx.scope.account.to_string() {
        return Err(error::not_authorized(&cx.principal.arn, action, arn));
    }
    Ok(parsed.resource)
}
