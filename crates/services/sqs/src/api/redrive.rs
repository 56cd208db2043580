//! Dead-letter queues.

use super::queues::{max_results, next_token};
use super::{find, url};
use crate::Sqs;
use crate::attributes::Rules;
use crate::model::Queue;
use neargate_api_sqs as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn list_dead_letter_source_queues(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::ListDeadLetterSourceQueuesInput,
) -> Result<api::ListDeadLetterSourceQueuesOutput, AwsError> {
    let size = Size::up_to(1_000);
    let size = size.check(input.max_results).map_err(max_results)?;
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let arn = found.arn();
    let all = cx.db().list::<Queue>(&found.scope).await?;
    let is_source = |queue: &Queue| {
        let redrive = Rules(queue).redrive();
        redrive.is_some_and(|redrive| redrive.target == arn)
    };
    let sources = all.into_iter().filter(|q| is_source(q));
    let token = input.next_token.as_deref();
    let paged = page(sources, token, size, |queue| queue.name.clone()).map_err(|_| next_token())?;
    let urls = paged.items.iter().map(|q| url(&cx, &found.scope, &q.name));
    Ok(api::ListDeadLetterSourceQueuesOutput {
        queue_urls: Some(urls.collect()),
        next_token: paged.next_token,
    })
}
