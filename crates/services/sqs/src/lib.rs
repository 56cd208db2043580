//! Amazon SQS: queues, standard and FIFO, and the messages in them.
//!
//! Queues are in the store; their messages are the [`engine`]'s.

mod api;
mod attributes;
mod content;
pub mod engine;
mod error;
mod keeper;
mod model;
mod mover;
#[cfg(test)]
mod tests;

pub use engine::{Engine, EngineError};

use async_trait::async_trait;
use neargate_api_sqs::{SERVICE, ops};
use neargate_service::data_keys::DataKeys;
use neargate_service::{
    AfterReset, AwsError, Background, Component, House, OperationTable, Service,
};
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// What the handlers of SQS share.
#[derive(Debug)]
pub struct Sqs {
    engine: Arc<Engine>,
    /// The engine knows no queue any more that is not in the store.
    ready: watch::Sender<bool>,
    /// There is a new task that moves dead letters.
    moves: Notify,
    /// What messages of queues with a key of KMS are sealed by.
    keys: DataKeys,
}

impl Sqs {
    pub fn new(engine: Arc<Engine>) -> Sqs {
        Sqs {
            engine,
            ready: watch::Sender::new(false),
            moves: Notify::new(),
            keys: DataKeys::default(),
        }
    }
}

#[async_trait]
impl Component for Sqs {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{
            attributes, delete, moves, permissions, queues, receive, redrive, send, tags,
            visibility,
        };
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .partly(ops::CreateQueue, queues::create_queue, ATTRIBUTES)
            .on(ops::DeleteQueue, queues::delete_queue)
            .on(ops::GetQueueUrl, queues::get_queue_url)
            .on(ops::ListQueues, queues::list_queues)
            .on(ops::PurgeQueue, queues::purge_queue)
            .on(ops::GetQueueAttributes, attributes::get_queue_attributes)
            .partly(
                ops::SetQueueAttributes,
                attributes::set_queue_attributes,
                ATTRIBUTES,
            )
            .on(ops::SendMessage, send::send_message)
            .on(ops::SendMessageBatch, send::send_message_batch)
            .on(ops::ReceiveMessage, receive::receive_message)
            .on(ops::DeleteMessage, delete::delete_message)
            .on(ops::DeleteMessageBatch, delete::delete_message_batch)
            .on(
                ops::ChangeMessageVisibility,
                visibility::change_message_visibility,
            )
            .on(
                ops::ChangeMessageVisibilityBatch,
                visibility::change_message_visibility_batch,
            )
            .on(ops::TagQueue, tags::tag_queue)
            .on(ops::UntagQueue, tags::untag_queue)
            .on(ops::ListQueueTags, tags::list_queue_tags)
            .on(ops::AddPermission, permissions::add_permission)
            .on(ops::RemovePermission, permissions::remove_permission)
            .on(
                ops::ListDeadLetterSourceQueues,
                redrive::list_dead_letter_source_queues,
            );
        let table = table
            .on(ops::StartMessageMoveTask, moves::start_message_move_task)
            .on(ops::ListMessageMoveTasks, moves::list_message_move_tasks)
            .on(ops::CancelMessageMoveTask, moves::cancel_message_move_task);
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.spawn("queues", keeper::run(self.clone(), house.clone()));
        background.spawn("dead-letters", mover::run(self, house));
    }

    async fn ready(&self) {
        // The keeper outlives this.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Messages are the engine's; queues go with the store.
    async fn reset(self: Arc<Self>, _: &Arc<House>) -> Result<AfterReset, AwsError> {
        let wipe = async move || self.engine.wipe().await.map_err(AwsError::from);
        Ok(AfterReset::new(wipe))
    }
}

const ATTRIBUTES: &str = "a key's policy does not bind services that send; FifoThroughputLimit is kept \
                          and limits nothing";
