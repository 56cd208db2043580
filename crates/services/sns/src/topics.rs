//! Topics with their subscriptions, read and compiled once and kept until one of them changes. The
//! handlers are the only writers, and say so after each change.

use crate::deliver::retry::{self, HttpPolicy};
use crate::filter::{Filter, On};
use crate::model::{Subscription, Topic};
use neargate_service::{AwsError, House, Scope, db};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// So many topics are kept; beyond them, all are read again.
const KEPT: usize = 1_000;

/// A topic and who is subscribed.
#[derive(Debug)]
pub struct View {
    pub scope: Scope,
    pub arn: String,
    pub topic: Topic,
    pub subscribers: Vec<Arc<Subscriber>>,
}

/// A subscription as deliveries need it.
#[derive(Debug)]
pub struct Subscriber {
    pub arn: String,
    pub record: Subscription,
    pub filter: Option<Filter>,
    pub http: HttpPolicy,
    /// The ARN of the queue that takes what could not be delivered.
    pub dead_letters: Option<String>,
}

impl View {
    pub fn subscriber(&self, id: &str) -> Option<&Arc<Subscriber>> {
        let at = self
            .subscribers
            .binary_search_by(|s| s.record.id.as_str().cmp(id));
        at.ok().and_then(|at| self.subscribers.get(at))
    }
}

/// The topics that were read, by their store key.
#[derive(Debug, Default)]
pub struct Topics(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    views: HashMap<String, Arc<View>>,
    /// How many changes there were: what was read before one is not kept behind it.
    changes: u64,
}

impl Topics {
    /// # Errors
    /// The store's.
    pub async fn view(
        &self,
        house: &House,
        scope: &Scope,
        name: &str,
    ) -> Result<Option<Arc<View>>, AwsError> {
        let key = db::key::<Topic>(scope, name);
        let before = {
            let kept = self.0.lock();
            if let Some(view) = kept.views.get(&key) {
                return Ok(Some(view.clone()));
            }
            kept.changes
        };
        let Some(topic) = house.db.get_key::<Topic>(&key).await? else {
            return Ok(None);
        };
        let all = subscriptions(house, scope, name).await?;
        let all = all
            .into_iter()
            .map(|s| Arc::new(compiled(scope, &topic.value, s)));
        let view = Arc::new(View {
            scope: scope.clone(),
            arn: scope.arn("sns", name),
            subscribers: all.collect(),
            topic: topic.value,
        });
        let mut kept = self.0.lock();
        if kept.changes == before {
            if kept.views.len() >= KEPT {
                kept.views.clear();
            }
            kept.views.insert(key, view.clone());
        }
        Ok(Some(view))
    }

    /// The topic, or a subscription to it, has changed.
    pub fn changed(&self, scope: &Scope, name: &str) {
        let mut kept = self.0.lock();
        kept.changes += 1;
        kept.views.remove(&db::key::<Topic>(scope, name));
    }

    pub fn forget(&self) {
        let mut kept = self.0.lock();
        kept.changes += 1;
        kept.views.clear();
    }
}

/// All subscriptions to a topic, by their ids.
pub async fn subscriptions(
    house: &House,
    scope: &Scope,
    topic: &str,
) -> Result<Vec<Subscription>, AwsError> {
    let prefix = db::key::<Subscription>(scope, &Subscription::key_id(topic, ""));
    let all = house.db.list_prefix::<Subscription>(&prefix).await?;
    Ok(all.into_iter().map(|s| s.value).collect())
}

/// A subscription, read and compiled.
pub fn compiled(scope: &Scope, topic: &Topic, record: Subscription) -> Subscriber {
    let id = Subscription::key_id(&record.topic, &record.id);
    // What is kept was checked when it was set.
    let filter = record
        .attribute("FilterPolicy")
        .and_then(|policy| Filter::parse(policy, scope_of(&record)).ok());
    let http = retry::http_policy(
        topic.attribute("DeliveryPolicy"),
        record.attribute("DeliveryPolicy"),
    );
    Subscriber {
        arn: scope.arn("sns", id),
        filter,
        http: http.unwrap_or_default(),
        dead_letters: record.attribute("RedrivePolicy").and_then(dead_letters),
        record,
    }
}

fn scope_of(record: &Subscription) -> On {
    match record.attribute("FilterPolicyScope") {
        Some("MessageBody") => On::Body,
        _ => On::Attributes,
    }
}

fn dead_letters(policy: &str) -> Option<String> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    policy
        .get("deadLetterTargetArn")?
        .as_str()
        .map(str::to_owned)
}
