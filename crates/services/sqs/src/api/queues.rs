//! Queues.

use super::{find, key_of, url};
use crate::keeper::DELETED;
use crate::model::{Deleted, Queue};
use crate::{Sqs, attributes, error};
use neargate_api_sqs as api;
use neargate_service::page::{OutOfRange, Size, page};
use neargate_service::{AwsError, Committed, Ctx, db, tags};
use std::sync::Arc;
use std::time::Duration;

/// AWS's own.
const PAGE: Size = Size::up_to(1_000);
const PURGES: Duration = Duration::from_secs(60);

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>
pub async fn create_queue(
    _: Arc<Sqs>,
    cx: Ctx,
    input: api::CreateQueueInput,
) -> Result<api::CreateQueueOutput, AwsError> {
    let name = input.queue_name;
    let plain = name.strip_suffix(".fifo").unwrap_or(&name);
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if plain.is_empty() || name.len() > 80 || !plain.bytes().all(letter) {
        return Err(error::queue_name());
    }
    let is_fifo = plain.len() < name.len();
    let given = input.attributes.unwrap_or_default();
    attributes::at_creation(is_fifo, &given)?;
    let tags = tags::parse(input.tags.unwrap_or_default());
    let now = cx.now();
    let mut queue = Queue {
        // Zero is no queue.
        id: cx.house.rng.u64() | 1,
        created_at: now,
        modified_at: now,
        attributes: Default::default(),
        tags: tags.map_err(|why| error::invalid_tags(&why))?,
        purged_at: None,
        name,
    };
    super::attributes::check_redrive(&cx, &cx.scope, &queue.name, &given).await?;
    attributes::change(&mut queue, &given)?;
    let key = db::key::<Queue>(&cx.scope, &queue.name);
    let grave = db::key::<Deleted>(&cx.scope, &queue.name);
    let created = api::CreateQueueOutput {
        queue_url: Some(url(&cx, &cx.scope, &queue.name)),
    };
    loop {
        if let Some(there) = cx.db().get_key::<Queue>(&key).await? {
            return match attributes::difference(&there, &given) {
                Some(attribute) => Err(error::queue_exists(&attribute)),
                None => Ok(created),
            };
        }
        let deleted = cx.db().get_key::<Deleted>(&grave).await?;
        if deleted.is_some_and(|deleted| cx.house.clock.age(deleted.at) < DELETED) {
            return Err(error::deleted_recently());
        }
        match cx.db().tx().create(key.clone(), &queue).commit().await? {
            Committed::At(_) => return Ok(created),
            Committed::Conflict => {}
        }
    }
}

pub async fn delete_queue(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::DeleteQueueInput,
) -> Result<api::DeleteQueueOutput, AwsError> {
    loop {
        let found = find(&sqs, &cx, &input.queue_url).await?;
        let grave = db::key::<Deleted>(&found.scope, &found.queue.name);
        let deleted = Deleted { at: cx.now() };
        let tx = cx.db().tx().within_reserve().delete(&found.queue);
        if let Committed::At(_) = tx.put(grave, &deleted).commit().await? {
            // After a crash here, a start does this.
            sqs.engine.drop_queue(found.queue.id).await?;
            return Ok(api::DeleteQueueOutput {});
        }
    }
}

pub async fn get_queue_url(
    _: Arc<Sqs>,
    cx: Ctx,
    input: api::GetQueueUrlInput,
) -> Result<api::GetQueueUrlOutput, AwsError> {
    let scope = match input.queue_owner_aws_account_id {
        Some(account) => {
            let account = account.parse().map_err(|_| error::no_queue())?;
            cx.scope.of_account(account)
        }
        None => cx.scope.clone(),
    };
    let queue = cx.db().get::<Queue>(&scope, &input.queue_name).await?;
    let queue = queue.ok_or_else(error::no_queue)?;
    Ok(api::GetQueueUrlOutput {
        queue_url: Some(url(&cx, &scope, &queue.name)),
    })
}

pub async fn list_queues(
    _: Arc<Sqs>,
    cx: Ctx,
    input: api::ListQueuesInput,
) -> Result<api::ListQueuesOutput, AwsError> {
    let size = PAGE.check(input.max_results).map_err(max_results)?;
    let all = cx.db().list::<Queue>(&cx.scope).await?;
    let prefix = input.queue_name_prefix.unwrap_or_default();
    let all = all.into_iter().filter(|q| q.name.starts_with(&prefix));
    let token = input.next_token.as_deref();
    let paged = page(all, token, size, |queue| queue.name.clone()).map_err(|_| next_token())?;
    let urls: Vec<String> = paged
        .items
        .iter()
        .map(|q| url(&cx, &cx.scope, &q.name))
        .collect();
    Ok(api::ListQueuesOutput {
        queue_urls: (!urls.is_empty()).then_some(urls),
        // Whoever asks for no page gets all that fits, and no token.
        next_token: paged.next_token.filter(|_| input.max_results.is_some()),
    })
}

pub(super) fn max_results(_: OutOfRange) -> AwsError {
    error::invalid_value(
        "Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.",
    )
}

pub(super) fn next_token() -> AwsError {
    error::invalid_value("Invalid or expired next token.")
}

pub async fn purge_queue(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::PurgeQueueInput,
) -> Result<api::PurgeQueueOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let key = key_of(&cx, &input.queue_url)?;
    let noted = cx.db().modify::<Queue, _>(&key, |queue| {
        let age = queue.purged_at.map(|at| cx.house.clock.age(at));
        if age.is_some_and(|age| age < PURGES) {
            return Err(error::purge_in_progress(&queue.name));
        }
        queue.purged_at = Some(cx.now());
        Ok(true)
    });
    noted.await?.ok_or_else(error::no_queue)?;
    sqs.engine.purge(&found.handle).await?;
    Ok(api::PurgeQueueOutput {})
}
