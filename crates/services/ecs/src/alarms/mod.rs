//! The alarms of deployments under way: which ones are watched, and what CloudWatch said of them
//! last (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html>).
//!
//! [`Alarms`] is the only caller of `DescribeAlarms`, through the internal caller and under the
//! service's role, at most once in [`PACE`] for each service, and only while its deployment is
//! watched. It knows nothing of deployments: [`crate::service`] says what to watch, and
//! [`crate::plan::service`] what an alarm means. Nothing here is stored: after a restart
//! CloudWatch is asked again.

mod ask;
#[cfg(test)]
mod tests;

pub use crate::plan::service::alarms::{Heard, LONGEST_BAKE};

use super::fleet::ServiceId;
use futures_util::stream::{self, StreamExt};
use neargate_api_cloudwatch::{SERVICE, ops::DescribeAlarms};
use neargate_service::{House, Status};
use neargate_wire::structure::OperationDef;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How often CloudWatch is asked about one deployment. AWS does not say how often it asks;
/// CloudWatch itself evaluates an alarm every ten seconds at the most.
pub const PACE: Duration = Duration::from_secs(10);
/// Deployments asked for at the same time.
const PARALLEL: usize = 8;

/// Does this process serve CloudWatch's alarms?
pub fn served(house: &House) -> bool {
    let service = house.caller.service(SERVICE.id);
    service.is_some_and(|s| s.status(DescribeAlarms::NAME) != Status::NotYet)
}

/// What is to be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// `ecs-svc/…`
    pub deployment: String,
    /// The alarms' names.
    pub names: Vec<String>,
}

/// One watched service.
#[derive(Debug)]
struct Entry {
    watched: Watched,
    /// When to ask next.
    due: Instant,
    heard: Option<Heard>,
    /// The last call failed.
    silent: bool,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Alarms {
    entries: Mutex<BTreeMap<ServiceId, Entry>>,
    changed: Notify,
}

impl Alarms {
    /// Watch this of the service from now on, or nothing; what is known of it.
    pub fn watch(&self, id: &ServiceId, watched: Option<Watched>) -> Option<Heard> {
        let mut entries = self.entries.lock();
        let Some(watched) = watched else {
            entries.remove(id);
            return None;
        };
        if let Some(entry) = entries.get(id).filter(|e| e.watched == watched) {
            return entry.heard.clone();
        }
        let entry = Entry {
            watched,
            due: Instant::now(),
            heard: None,
            silent: false,
        };
        entries.insert(id.clone(), entry);
        self.changed.notify_one();
        None
    }

    /// Wait until an answer is news; the services it is news of. For one caller at a time.
    pub async fn news(&self, house: &Arc<House>) -> Vec<ServiceId> {
        loop {
            let next = self.entries.lock().values().map(|e| e.due).min();
            match next {
                None => self.changed.notified().await,
                Some(due) => tokio::select! {
                    () = sleep_until(due) => {
                        let news = self.round(house).await;
                        if !news.is_empty() {
                            return news;
                        }
                    }
                    () = self.changed.notified() => {}
                },
            }
        }
    }

    /// Ask for all that are due.
    pub async fn round(&self, house: &Arc<House>) -> Vec<ServiceId> {
        let now = Instant::now();
        let due: Vec<(ServiceId, Watched)> = {
            let mut entries = self.entries.lock();
            let due = entries.iter_mut().filter(|(_, e)| e.due <= now);
            due.map(|(id, entry)| {
                entry.due = now + PACE;
                (id.clone(), entry.watched.clone())
            })
            .collect()
        };
        let answers = stream::iter(due).map(|(id, watched)| async move {
            let heard = ask::ask(house, &id.cluster.scope, &watched).await;
            (id, watched, heard)
        });
        let answers: Vec<_> = answers.buffer_unordered(PARALLEL).collect().await;
        let mut entries = self.entries.lock();
        let mut news = Vec::new();
        for (id, watched, heard) in answers {
            let Some(entry) = entries.get_mut(&id).filter(|e| e.watched == watched) else {
                continue;
            };
            match heard {
                Ok(heard) => {
                    entry.silent = false;
                    if entry.heard.as_ref() != Some(&heard) {
                        entry.heard = Some(heard);
                        news.push(id);
                    }
                }
                // "There is no other impact on the deployment."
                Err(error) => {
                    if !std::mem::replace(&mut entry.silent, true) {
                        let service = id.store_key();
                        tracing::warn!(service, %error, "cannot ask for its deployment's alarms");
                    }
                }
            }
        }
        news
    }
}
