//! Who samples by which rule, and how much of a rule's reservoir each may use
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sampling.html>).
//!
//! It is in memory: SDKs report every ten seconds and borrow one request a second until they are told more.

use neargate_api_xray as api;
use neargate_base::Timestamp;
use neargate_service::Scope;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Between two reports of a client.
pub const INTERVAL_SECONDS: i32 = 10;
/// Who is silent for so long has no part in the reservoir.
const SILENT: Duration = Duration::from_secs(30);
/// What a window of the statistics covers.
const WINDOW: Duration = Duration::from_secs(10);
/// Clients that are known of one rule; those beyond share no reservoir and use the fixed rate.
const MOST_CLIENTS: usize = 10_000;

#[derive(Debug, Default)]
struct Used {
    clients: BTreeMap<String, Timestamp>,
    window: Option<Timestamp>,
    requests: i64,
    borrowed: i64,
    sampled: i64,
}

/// Every rule's clients.
#[derive(Debug, Default)]
pub struct Clients(Mutex<HashMap<(Scope, String), Used>>);

impl Clients {
    /// Takes a report, and answers how many requests a second the client may take from the reservoir.
    pub fn report(
        &self,
        scope: &Scope,
        report: &api::SamplingStatisticsDocument,
        reservoir: i32,
        now: Timestamp,
    ) -> i32 {
        let mut all = self.0.lock();
        let key = (scope.clone(), report.rule_name.clone());
        let used = all.entry(key).or_default();
        used.clients.retain(|_, seen| now.since(*seen) <= SILENT);
        let is_known = used.clients.contains_key(&report.client_id);
        if is_known || used.clients.len() < MOST_CLIENTS {
            used.clients.insert(report.client_id.clone(), now);
        }
        if used.window.is_none_or(|since| now.since(since) >= WINDOW) {
            let clients = std::mem::take(&mut used.clients);
            *used = Used {
                clients,
                window: Some(now),
                ..Used::default()
            };
        }
        used.requests += i64::from(report.request_count);
        used.borrowed += i64::from(report.borrow_count.unwrap_or(0));
        used.sampled += i64::from(report.sampled_count);
        let count = used.clients.len().max(1) as i32;
        let mut ids = used.clients.keys();
        // What does not divide evenly goes to the first ones, so that all of it is given out and no more.
        match ids.position(|id| *id == report.client_id) {
            Some(place) => reservoir / count + i32::from((place as i32) < reservoir % count),
            None => 0,
        }
    }

    pub fn summaries(&self, scope: &Scope) -> Vec<api::SamplingStatisticSummary> {
        let all = self.0.lock();
        let own = all.iter().filter(|((of, _), _)| of == scope);
        let shown = own.map(|((_, rule), used)| api::SamplingStatisticSummary {
            rule_name: Some(rule.clone()),
            timestamp: used.window,
            request_count: Some(count(used.requests)),
            borrow_count: Some(count(used.borrowed)),
            sampled_count: Some(count(used.sampled)),
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort_by(|a, b| a.rule_name.cmp(&b.rule_name));
        shown
    }

    /// The rule is gone.
    pub fn forget_rule(&self, scope: &Scope, rule: &str) {
        self.0.lock().remove(&(scope.clone(), rule.to_owned()));
    }

    pub fn forget(&self) {
        self.0.lock().clear();
    }
}

fn count(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
