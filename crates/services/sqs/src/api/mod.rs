//! SQS's handlers, a file for each kind of call.

pub mod attributes;
pub mod batch;
pub mod delete;
pub mod moves;
pub mod permissions;
pub mod queues;
pub mod receive;
pub mod redrive;
pub mod send;
pub mod tags;
pub mod visibility;

use crate::content::Receipt;
use crate::engine::Handle;
use crate::model::Queue;
use crate::{Sqs, error};
use neargate_base::AccountId;
use neargate_service::data_keys::EncryptionContext;
use neargate_service::{AwsError, Ctx, Scope, Stored, db};
use std::sync::Arc;

/// A queue that a call is about.
#[derive(Debug)]
pub struct Found {
    pub scope: Scope,
    pub queue: Stored<Queue>,
    pub handle: Arc<Handle>,
}

impl Found {
    pub fn arn(&self) -> String {
        self.scope.arn("sqs", &*self.queue.name)
    }

    pub fn receipt(&self, cx: &Ctx, handle: &str) -> Result<Receipt, AwsError> {
        let receipt = Receipt::read(&cx.house.root_key, self.queue.id, handle);
        receipt.ok_or_else(|| error::receipt_handle(handle))
    }
}

/// What KMS binds the data keys of a queue to.
pub fn encryption_context(queue_arn: &str) -> EncryptionContext {
    [("aws:sqs:arn".to_owned(), queue_arn.to_owned())].into()
}

/// Whose queue a URL names, and which. Hosts have many names: only the path counts, `/ACCOUNT/NAME`, whatever stands
/// before it. A name alone is one of the caller's queues.
fn place(cx: &Ctx, url: &str) -> Result<(Scope, String), AwsError> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url,
    };
    let mut parts = path.trim_matches('/').rsplit('/');
    let name = parts.next().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| error::bad_address(url))?.to_owned();
    let scope = match parts.next() {
        Some(account) => {
            let account: AccountId = account.parse().map_err(|_| error::bad_address(url))?;
            cx.scope.of_account(account)
        }
        None if url.contains("://") => return Err(error::bad_address(url)),
        None => cx.scope.clone(),
    };
    Ok((scope, name))
}

pub fn key_of(cx: &Ctx, url: &str) -> Result<String, AwsError> {
    let (scope, name) = place(cx, url)?;
    Ok(db::key::<Queue>(&scope, &name))
}

/// The queue that a URL names.
pub async fn find(sqs: &Sqs, cx: &Ctx, url: &str) -> Result<Found, AwsError> {
    let (scope, name) = place(cx, url)?;
    named(sqs, cx, scope, &name)
        .await?
        .ok_or_else(error::no_queue)
}

async fn named(sqs: &Sqs, cx: &Ctx, scope: Scope, name: &str) -> Result<Option<Found>, AwsError> {
    let queue = cx.db().get::<Queue>(&scope, name).await?;
    Ok(queue.map(|queue| Found {
        handle: sqs.engine.queue(queue.id, queue.is_fifo()),
        scope,
        queue,
    }))
}

/// The queue of an ARN.
pub async fn by_arn(sqs: &Sqs, cx: &Ctx, arn: &str) -> Result<Option<Found>, AwsError> {
    let parsed: Result<neargate_base::Arn, _> = arn.parse();
    let (Ok(parsed), Some(scope)) = (parsed, Scope::of_arn(arn)) else {
        return Ok(None);
    };
    if parsed.service != "sqs" || parsed.region != cx.scope.region.as_str() {
        return Ok(None);
    }
    named(sqs, cx, scope, &parsed.resource).await
}

/// The URL of a queue, as its caller reaches it.
pub fn url(cx: &Ctx, scope: &Scope, name: &str) -> String {
    format!("{}/{}/{name}", cx.endpoint(), scope.account)
}
