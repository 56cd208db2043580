//! Messages of topics with a key of KMS, as the journal keeps them
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-server-side-encryption.html>). What is being delivered is in
//! memory as others are; after a restart KMS is asked for the keys of what is left, until it gives them.

use super::Deliveries;
use crate::message::Message;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_service::data_keys::{DataKey, EncryptionContext, Under};
use neargate_service::sealing::{self, Sealed};
use neargate_service::{AwsError, Ctx, House, Principal, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long a data key is used again.
pub const REUSE: Duration = Duration::from_secs(300);
/// Between two questions for a key that KMS does not give.
const AGAIN: Duration = Duration::from_secs(30);

/// A message under a data key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedMessage {
    topic_arn: String,
    id: String,
    /// As KMS encrypted it, in base64.
    data_key: String,
    pub sealed: Sealed,
}

/// What KMS binds the data keys of a topic to.
pub fn encryption_context(topic_arn: &str) -> EncryptionContext {
    [("aws:sns:topicArn".to_owned(), topic_arn.to_owned())].into()
}

impl SealedMessage {
    pub fn of(message: &Message, key: &DataKey) -> SealedMessage {
        let plain = serde_json::to_vec(message).expect("messages have string keys only");
        SealedMessage {
            topic_arn: message.topic_arn.clone(),
            id: message.id.clone(),
            data_key: STANDARD.encode(&key.encrypted),
            sealed: sealing::seal(key.expose(), &record(&message.id), &plain),
        }
    }

    /// # Errors
    /// KMS's; or it was changed.
    async fn open(&self, deliveries: &Deliveries, house: &Arc<House>) -> Result<Message, AwsError> {
        let changed = || AwsError::client("KMSInvalidState", "a message is not as it was sealed");
        let scope = Scope::of_arn(&self.topic_arn).ok_or_else(changed)?;
        let cx = Ctx {
            request_id: house.rng.uuid(),
            scope: scope.clone(),
            principal: Principal::service("sns.amazonaws.com"),
            reached_at: None,
            house: house.clone(),
        };
        let context = encryption_context(&self.topic_arn);
        let under = Under {
            via: "sns",
            scope: &scope,
            context: &context,
            reuse: REUSE,
        };
        let encrypted = STANDARD.decode(&self.data_key).map_err(|_| changed())?;
        let key = deliveries.keys.opened(&cx, &encrypted, under).await?;
        let plain = sealing::open(key.expose(), &record(&self.id), &self.sealed);
        serde_json::from_slice(&plain.ok_or_else(changed)?).map_err(|_| changed())
    }
}

fn record(id: &str) -> String {
    format!("sns/message/{id}")
}

/// Opens what is left, in the order in which it was published, and sets out to deliver it.
pub async fn take_up(
    deliveries: Weak<Deliveries>,
    house: Arc<House>,
    sealed: Vec<(u64, Arc<SealedMessage>, BTreeSet<String>)>,
) {
    let mut left = sealed;
    while !left.is_empty() {
        let mut refused = Vec::new();
        for (number, message, targets) in left {
            let Some(deliveries) = deliveries.upgrade() else {
                return;
            };
            // It was forgotten meanwhile.
            if !deliveries.journal.state().pending.contains_key(&number) {
                continue;
            }
            match message.open(&deliveries, &house).await {
                Ok(opened) => deliveries.take_up(number, &Arc::new(opened), targets),
                Err(error) => {
                    tracing::warn!(topic = message.topic_arn, %error, "a message waits for its key");
                    refused.push((number, message, targets));
                }
            }
        }
        left = refused;
        if !left.is_empty() {
            tokio::time::sleep(AGAIN).await;
        }
    }
}
