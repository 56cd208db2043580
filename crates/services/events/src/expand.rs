//! Makes of an event the invocations of the targets of all rules that it matches, and lays it in the archives
//! that want it. Then the event is taken away.

use crate::archive::{Archived, archived_id};
use crate::index::{Compiled, Index};
use crate::metrics;
use crate::model::Rule;
use crate::target::{self, Match};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::events::Posted;
use neargate_service::invocation::{DeadLetter, Invocation, Origin, Retry};
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored, Tx, db};
use neargate_wire::timestamp;
use std::sync::Arc;

/// What one transaction holds, of what the store lets it.
const MOST_BYTES: usize = 1 << 20;
const MOST_OPS: usize = 100;

/// See the module.
pub struct Expand {
    house: Arc<House>,
    index: Arc<Index>,
}

impl Expand {
    pub fn new(house: Arc<House>, index: Arc<Index>) -> Expand {
        Expand { house, index }
    }
}

/// An event with all that matched it.
pub struct View {
    scope: Scope,
    posted: Stored<Posted>,
    rules: Vec<Arc<Compiled<Rule>>>,
    archives: Vec<String>,
}

/// The records that an event becomes.
pub struct Step {
    posted: Stored<Posted>,
    scope: Scope,
    invocations: Vec<(String, Invocation)>,
    archived: Vec<(String, Archived)>,
    /// Bus and name of the rules that matched.
    rules: Vec<(String, String)>,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.invocations.len(), self.posted.key)
    }
}

#[async_trait]
impl Controller for Expand {
    type View = View;
    type Action = Step;

    fn name(&self) -> &'static str {
        "events-expand"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Posted::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let Some(posted) = self.house.db.get_key::<Posted>(key).await? else {
            return Ok(None);
        };
        let Some(scope) = Scope::of_key(key) else {
            return Ok(None);
        };
        // Every rule that was there when the event came.
        self.index.at(posted.revision).await;
        let bus = self.index.bus(&scope, &posted.bus);
        let rules = match posted.rules.is_empty() {
            true => bus.rules.matching(&posted.event),
            false if posted.replay.is_some() => {
                let mut matching = bus.rules.matching(&posted.event);
                matching.retain(|rule| posted.rules.contains(&rule.of.name));
                matching
            }
            false => {
                let named = posted.rules.iter().filter_map(|name| bus.rules.get(name));
                named.cloned().collect()
            }
        };
        // What an archive gave is not archived again.
        let archives = match posted.replay {
            None if posted.rules.is_empty() => bus.archives.matching(&posted.event),
            _ => Vec::new(),
        };
        Ok(Some(View {
            scope,
            rules,
            archives: archives.iter().map(|archive| archive.of.clone()).collect(),
            posted,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Step> {
        Plan {
            actions: vec![step(view, now)],
            wake_at: None,
            reason: "an event came",
        }
    }

    async fn apply(&self, step: Step) -> Result<Applied, AwsError> {
        let mut tx = self.house.db.tx();
        let (mut bytes, mut ops) = (0, 0);
        let each = step.posted.event.to_string().len();
        let records = step
            .archived
            .iter()
            .map(|(key, archived)| Box::new(|tx: Tx| tx.put(key.clone(), archived)) as Put<'_>)
            .chain(step.invocations.iter().map(|(key, invocation)| {
                Box::new(|tx: Tx| tx.put(key.clone(), invocation)) as Put<'_>
            }));
        for put in records {
            // An invocation holds the event, and what is made of it.
            bytes += 3 * each + 2_048;
            ops += 1;
            if ops > MOST_OPS || bytes > MOST_BYTES && ops > 1 {
                let _ = tx.commit().await?;
                tx = self.house.db.tx();
                (bytes, ops) = (3 * each + 2_048, 1);
            }
            tx = put(tx);
        }
        let committed = tx.delete(&step.posted).commit().await?;
        // Somebody else did it, or a reset took it away.
        if committed == Committed::Conflict {
            return Ok(Applied::Conflict);
        }
        for (bus, rule) in &step.rules {
            metrics::of_rule(&self.house, &step.scope, bus, rule, "MatchedEvents");
            metrics::of_rule(&self.house, &step.scope, bus, rule, "TriggeredRules");
        }
        Ok(Applied::Done)
    }
}

type Put<'a> = Box<dyn FnOnce(Tx) -> Tx + Send + 'a>;

fn step(view: &View, now: Timestamp) -> Step {
    let View {
        scope,
        posted,
        rules,
        archives,
    } = view;
    let event = &posted.event;
    let id = posted.id().to_owned();
    let mut invocations = Vec::new();
    for rule in rules {
        let rule = &rule.of;
        let arn = rule.arn(scope);
        for given in &rule.targets {
            let key = format!("{id}.{}.{}", rule.name, given.id);
            let of = Match {
                event,
                rule_arn: &arn,
                rule_name: &rule.name,
                hops: posted.hops,
                now,
            };
            let retry = given.retry_policy.clone().unwrap_or_default();
            let number = |given: Option<i32>, default| {
                given.and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
            };
            let dead_letter = given.dead_letter_config.as_ref();
            let dead_letter = dead_letter.and_then(|config| config.arn.clone());
            let invocation = Invocation {
                origin: Origin::Rule {
                    arn: arn.clone(),
                    name: rule.name.clone(),
                    bus: rule.bus.clone(),
                },
                target_arn: given.arn.clone(),
                to: target::invocation(given, of),
                role: given.role_arn.clone(),
                retry: Retry {
                    attempts: number(retry.maximum_retry_attempts, Retry::DEFAULT.attempts),
                    seconds: number(retry.maximum_event_age_in_seconds, Retry::DEFAULT.seconds),
                },
                dead_letter: dead_letter.map(|arn| DeadLetter {
                    arn,
                    body: event.to_string(),
                }),
                made_at: now,
                attempts: 0,
                next_at: now,
            };
            invocations.push((db::key::<Invocation>(scope, &key), invocation));
        }
    }
    let time = event["time"]
        .as_str()
        .and_then(timestamp::parse_any)
        .unwrap_or(now);
    let archived = archives.iter().map(|archive| {
        let key = db::key::<Archived>(scope, &archived_id(archive, time, &id));
        (
            key,
            Archived {
                event: event.clone(),
            },
        )
    });
    Step {
        archived: archived.collect(),
        invocations,
        rules: rules
            .iter()
            .map(|r| (r.of.bus.clone(), r.of.name.clone()))
            .collect(),
        posted: posted.clone(),
        scope: scope.clone(),
    }
}
