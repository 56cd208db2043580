//! The keys of tasks' roles: asked of the control plane, kept in memory, and renewed long before they
//! end, so that a task goes on for hours without one. They are written nowhere.

use crate::upstream::{Upstream, UpstreamError};
use neargate_base::{Clock, task};
use neargate_domain::RoleCredentials;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Longer than this no task waits for an answer: its SDK gives up sooner or later.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often it is looked what is to be renewed.
const LOOK: Duration = Duration::from_secs(300);

/// Whose keys, and the newest of them.
#[derive(Debug)]
struct Kept {
    upstream: Arc<dyn Upstream>,
    clock: Arc<dyn Clock>,
    /// Held while they are asked for: many questions at once are one.
    newest: tokio::sync::Mutex<Option<RoleCredentials>>,
}

/// The keys of every task that has a role, by the task's id.
#[derive(Debug, Default)]
pub(super) struct Credentials(Mutex<HashMap<String, Arc<Kept>>>);

impl Credentials {
    /// The task may ask from here on. They are asked for at once, that they are here should the
    /// control plane go.
    pub(super) fn add(&self, task_id: &str, upstream: Arc<dyn Upstream>, clock: Arc<dyn Clock>) {
        let kept = Arc::new(Kept {
            upstream,
            clock,
            newest: tokio::sync::Mutex::new(None),
        });
        self.0.lock().insert(task_id.to_owned(), Arc::clone(&kept));
        let task_id = task_id.to_owned();
        task::spawn("task-credentials", async move {
            drop(kept.get(&task_id).await);
        });
    }

    pub(super) fn remove(&self, task_id: &str) {
        self.0.lock().remove(task_id);
    }

    /// Keys that are good for hours, or as long as there are none newer to be had.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) async fn get(&self, task_id: &str) -> Result<RoleCredentials, UpstreamError> {
        let kept = self.0.lock().get(task_id).cloned();
        match kept {
            Some(kept) => kept.get(task_id).await,
            None => Err(UpstreamError::Refused("the task has no role".into())),
        }
    }

    /// Renews what is to be renewed, until nobody has it any more.
    pub(super) fn keep_fresh(credentials: &Arc<Credentials>) {
        let all: Weak<Credentials> = Arc::downgrade(credentials);
        task::spawn("task-credentials", async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(all) = all.upgrade() else {
                    return;
                };
                let kept: Vec<_> = {
                    let kept = all.0.lock();
                    kept.iter()
                        .map(|(id, kept)| (id.clone(), Arc::clone(kept)))
                        .collect()
                };
                for (task_id, kept) in kept {
                    // What cannot be renewed now is looked at again.
                    drop(kept.get(&task_id).await);
                }
            }
        });
    }
}

impl Kept {
    async fn get(&self, task_id: &str) -> Result<RoleCredentials, UpstreamError> {
        let mut newest = self.newest.lock().await;
        let now = self.clock.now();
        if let Some(fresh) = newest.as_ref().filter(|keys| {
            let life = keys.expires_at.since(keys.issued_at);
            keys.expires_at.since(now) > life / 2
        }) {
            return Ok(fresh.clone());
        }
        let asked = tokio::time::timeout(PATIENCE, self.upstream.role_credentials(task_id)).await;
        let late = || UpstreamError::Unavailable("it does not answer in time".into());
        match asked.unwrap_or_else(|_| Err(late())) {
            Ok(keys) => Ok(newest.insert(keys).clone()),
            Err(error) => {
                tracing::debug!(task_id, %error, "no new keys for a task's role");
                let good = newest.as_ref().filter(|keys| keys.expires_at > now);
                good.cloned().ok_or(error)
            }
        }
    }
}

/// As SDKs read them.
pub(super) fn shown(keys: &RoleCredentials) -> Value {
    json!({
        "RoleArn": keys.role_arn,
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key.expose(),
        "Token": keys.token.expose(),
        "Expiration": seconds(&keys.expires_at.rfc3339()),
    })
}

/// AWS shows no fractions of a second here.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => time.to_owned(),
    }
}

/// The words of the ECS agent
/// (<https://github.com/aws/amazon-ecs-agent/blob/master/ecs-agent/tmds/handlers/v1/credentials_handler.go>).
pub(super) fn refusal(code: &str, message: &str, status: u16) -> Value {
    json!({
        "code": code,
        "message": format!("CredentialsV2Request: {message}"),
        "HTTPErrorCode": status,
    })
}
