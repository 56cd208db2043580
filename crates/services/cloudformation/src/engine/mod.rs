//! Carries out what is being done with stacks. A round looks at a stack as it is stored, decides what comes next
//! ([`plan`], pure) and does it; what is begun is written before a call is made, and what came of it after, so a
//! process that ends anywhere goes on where it was.

pub mod changes;
mod creation;
mod deletion;
mod drift;
mod dynamic;
mod finish;
mod own;
pub mod plan;
pub mod policy;
pub mod provision;
pub mod reason;
mod resources;
pub mod scene;
pub mod sealed;

pub use finish::{importers, in_use, turn_back};
pub use own::{ANSWER, OWN_ID};

use crate::model::{Event, Stack, StackResource};
use crate::template::Template;
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, House, Resource, Scope, Stored, db};
use scene::Scene;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often what settles is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// Templates that are kept read.
const KEPT: usize = 64;

/// The controller of stacks.
#[derive(Debug)]
pub struct Engine {
    pub house: Arc<House>,
    read: Mutex<HashMap<String, Arc<Template>>>,
    /// Tells events of the same millisecond apart.
    events: AtomicU64,
}

impl Engine {
    pub fn new(house: Arc<House>) -> Engine {
        Engine {
            house,
            read: Mutex::default(),
            events: AtomicU64::new(1),
        }
    }

    /// The template of that name, read.
    pub async fn template(&self, scope: &Scope, id: &str) -> Result<Arc<Template>, AwsError> {
        let kept = |all: &Mutex<HashMap<String, Arc<Template>>>| {
            all.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(id)
                .cloned()
        };
        if let Some(template) = kept(&self.read) {
            return Ok(template);
        }
        let text = self
            .house
            .db
            .get::<crate::model::TemplateText>(scope, id)
            .await?;
        let text = text.map(|stored| stored.value.processed.unwrap_or(stored.value.text));
        let text = text.unwrap_or_default();
        let template = Arc::new(Template::read(&text).map_err(crate::error::validation)?);
        let mut all = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(id.to_owned(), template.clone());
        Ok(template)
    }

    /// An event of a stack or of one of its resources, and its key.
    pub fn event(&self, scope: &Scope, stack: &Stack, said: Said<'_>) -> (String, Event) {
        event(
            &self.house,
            scope,
            stack,
            said,
            self.events.fetch_add(1, Ordering::Relaxed),
        )
    }

    /// Goes on with a stack until it has to wait. Answers whether there is still something to do.
    pub async fn advance(&self, key: &str) -> Result<bool, AwsError> {
        loop {
            let Some(stack) = self.house.db.get_key::<Stack>(key).await? else {
                return Ok(false);
            };
            if stack.operation.is_none() {
                return Ok(false);
            }
            let scene = Scene::load(self, stack).await?;
            let steps = plan::next(&scene, self.house.now());
            let mut progress = false;
            let doings = steps.into_iter().map(|step| self.carry_out(&scene, step));
            for done in futures_util::future::join_all(doings).await {
                progress |= done?;
            }
            if !progress {
                return Ok(true);
            }
        }
    }
}

/// What an event says.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub logical_id: &'a str,
    pub physical_id: &'a str,
    pub kind: &'a str,
    pub status: &'a str,
    pub reason: Option<&'a str>,
    pub properties: Option<&'a serde_json::Value>,
}

impl<'a> Said<'a> {
    /// Of the stack itself.
    pub fn stack(
        name: &'a str,
        arn: &'a str,
        status: &'a str,
        reason: Option<&'a str>,
    ) -> Said<'a> {
        Said {
            logical_id: name,
            physical_id: arn,
            kind: "AWS::CloudFormation::Stack",
            status,
            reason,
            properties: None,
        }
    }
}

pub fn event(
    house: &House,
    scope: &Scope,
    stack: &Stack,
    said: Said<'_>,
    number: u64,
) -> (String, Event) {
    let at = house.now();
    let operation = stack.operation.as_ref();
    let event = Event {
        id: house.rng.uuid(),
        at,
        logical_id: said.logical_id.to_owned(),
        physical_id: said.physical_id.to_owned(),
        kind: said.kind.to_owned(),
        status: said.status.to_owned(),
        reason: said.reason.map(str::to_owned),
        properties: said.properties.map(ToString::to_string),
        client_token: operation.and_then(|o| o.client_token.clone()),
        operation: operation.map(|o| o.id.clone()),
    };
    let place = format!(
        "{}/{:014}-{number:012}-{}",
        stack.id,
        at.as_millis(),
        &event.id[..8]
    );
    (db::key::<Event>(scope, &place), event)
}

/// The key of a resource's record.
pub fn resource_key(scope: &Scope, stack: &Stack, logical_id: &str) -> String {
    db::key::<StackResource>(scope, &format!("{}/{logical_id}", stack.id))
}

#[async_trait]
impl Controller for Engine {
    type View = Stored<Stack>;
    type Action = String;

    fn name(&self) -> &'static str {
        "cloudformation stacks"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Stack::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<Stored<Stack>>, AwsError> {
        let stack = self.house.db.get_key::<Stack>(key).await?;
        Ok(stack.filter(|stack| stack.operation.is_some()))
    }

    fn plan(&self, view: &Stored<Stack>, now: Timestamp) -> Plan<String> {
        Plan {
            actions: vec![view.key.clone()],
            wake_at: Some(now + LOOK),
            reason: "something is being done with the stack",
        }
    }

    async fn apply(&self, key: String) -> Result<Applied, AwsError> {
        self.advance(&key).await?;
        Ok(Applied::Done)
    }
}
