//! Whether a bucket takes logs: AWS's service writes an empty object there when they are turned on
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html>).

use crate::error::attribute as say;
use neargate_api_s3::{PutObjectInput, ops};
use neargate_domain::load_balancer::Attributes;
use neargate_service::deliver::Sender;
use neargate_service::{AwsError, Caller, Ctx, Fault};

/// The kinds of logs, and what the object is called that AWS writes for each.
const KINDS: [(&str, &str); 2] = [
    ("access_logs", "ELBAccessLogTestFile"),
    ("connection_logs", "ELBConnectionLogTestFile"),
];

/// Writes to each bucket that is to take logs after a change and did not before.
///
/// # Errors
/// `InvalidConfigurationRequest` when the bucket is not there or does not let the service write.
pub(crate) async fn check(
    cx: &Ctx,
    load_balancer_arn: &str,
    before: &Attributes,
    after: &Attributes,
) -> Result<(), AwsError> {
    for (kind, file) in KINDS {
        let place = |all: &Attributes| {
            let value = |suffix: &str| all.get(&format!("{kind}.s3.{suffix}")).cloned();
            let is_on = value("enabled").as_deref() == Some("true");
            is_on.then(|| (value("bucket"), value("prefix")))
        };
        let Some((Some(bucket), prefix)) =
            place(after).filter(|to| Some(to) != place(before).as_ref())
        else {
            continue;
        };
        let below = prefix.map_or_else(String::new, |prefix| match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        });
        let account = cx.scope.account.to_string();
        let input = PutObjectInput {
            key: format!("{below}AWSLogs/{account}/{file}"),
            bucket: bucket.clone(),
            body: Some(Vec::new().into()),
            ..Default::default()
        };
        let sender = Sender {
            service: "logdelivery.elasticloadbalancing.amazonaws.com",
            source_arn: load_balancer_arn.to_owned(),
            source_account: account,
        };
        match Caller::deliver::<ops::PutObject>(&cx.house, &cx.scope, &sender, &input).await {
            Err(error) if error.fault == Fault::Client => return Err(say::no_access(&bucket)),
            written => drop(written?),
        }
    }
    Ok(())
}
