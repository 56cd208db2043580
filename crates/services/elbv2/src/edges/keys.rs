//! Keys of those who issue tokens: fetched for the rules that ask for tokens (RFC 7517), kept in memory
//! and told to edges with the rules
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-verify-jwt.html>).
//!
//! What was fetched last holds until something else is fetched: an endpoint that fails ends nobody's
//! traffic.

use super::LoadBalancers;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, HeaderValue, Method, header};
use neargate_base::time::Stopwatch;
use neargate_domain::load_balancer::{Action, LoadBalancer, LoadBalancerChange};
use neargate_service::House;
use neargate_service::outbound::Call;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// AWS's limits of an answer.
const MAX_BYTES: usize = 150 * 1024;
const MAX_KEYS: usize = 10;
/// How old keys get, and how soon it is tried again.
const GOOD_FOR: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// How many endpoints are asked at once.
const AT_ONCE: usize = 8;

/// The text of each endpoint's keys.
pub(super) type Keys = BTreeMap<String, String>;

/// An endpoint, and how long ago it was asked with what success.
type Asked = BTreeMap<String, (Stopwatch, bool)>;

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// Puts in the keys that are known.
pub(super) fn fill(load_balancer: &mut LoadBalancer, known: &Keys) {
    let rules = load_balancer
        .listeners
        .iter_mut()
        .flat_map(|l| &mut l.rules);
    for action in rules.flat_map(|rule| &mut rule.actions) {
        if let Action::JwtValidation {
            jwks_endpoint,
            keys,
            ..
        } = action
        {
            *keys = known.get(jwks_endpoint).cloned();
        }
    }
}

fn endpoints(of: &LoadBalancer) -> impl Iterator<Item = &String> {
    let rules = of.listeners.iter().flat_map(|l| &l.rules);
    let actions = rules.flat_map(|rule| &rule.actions);
    actions.filter_map(|action| match action {
        Action::JwtValidation { jwks_endpoint, .. } => Some(jwks_endpoint),
        _ => None,
    })
}

impl LoadBalancers {
    /// Fetches keys until the future is dropped.
    pub(crate) async fn fetch_keys(self: Arc<Self>, house: Arc<House>) {
        let mut seen = self.seen.subscribe();
        let mut asked = Asked::new();
        loop {
            let wanted: BTreeSet<String> = {
                let told = self.told.lock();
                told.load_balancers
                    .values()
                    .flat_map(endpoints)
                    .cloned()
                    .collect()
            };
            asked.retain(|endpoint, _| wanted.contains(endpoint));
            let is_due = |endpoint: &&String| {
                asked.get(*endpoint).is_none_or(|(since, succeeded)| {
                    since.elapsed() >= if *succeeded { GOOD_FOR } else { AGAIN }
                })
            };
            let due: Vec<String> = wanted.iter().filter(is_due).cloned().collect();
            let mut fetched = stream::iter(due)
                .map(|endpoint| async {
                    let keys = fetch(&house, &endpoint).await;
                    (endpoint, keys)
                })
                .buffer_unordered(AT_ONCE);
            while let Some((endpoint, keys)) = fetched.next().await {
                asked.insert(endpoint.clone(), (Stopwatch::start(), keys.is_ok()));
                match keys {
                    Ok(keys) => self.learn(endpoint, keys),
                    Err(why) => {
                        tracing::warn!(endpoint, why, "keys for tokens cannot be fetched");
                    }
                }
            }
            drop(fetched);
            let changed = match wanted.is_empty() {
                true => seen.changed().await,
                false => tokio::select! {
                    changed = seen.changed() => changed,
                    () = tokio::time::sleep(LOOK) => Ok(()),
                },
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Tells edges of keys that are new.
    pub(super) fn learn(&self, endpoint: String, keys: String) {
        let told = &mut *self.told.lock();
        if told.keys.get(&endpoint) == Some(&keys) {
            return;
        }
        told.keys.insert(endpoint.clone(), keys);
        for load_balancer in told.load_balancers.values_mut() {
            if endpoints(load_balancer).any(|e| *e == endpoint) {
                fill(load_balancer, &told.keys);
                let change = LoadBalancerChange::LoadBalancer(Box::new(load_balancer.clone()));
                told.edges
                    .retain(|edge| edge.try_send(change.clone()).is_ok());
            }
        }
        let wanted: BTreeSet<_> = told.load_balancers.values().flat_map(endpoints).collect();
        told.keys.retain(|endpoint, _| wanted.contains(endpoint));
    }
}

async fn fetch(house: &House, endpoint: &str) -> Result<String, String> {
    let json = HeaderValue::from_static("application/json");
    let call = Call {
        method: Method::GET,
        url: endpoint.to_owned(),
        headers: HeaderMap::from_iter([(header::ACCEPT, json)]),
        body: Bytes::new(),
        patience: PATIENCE,
        max_body_bytes: MAX_BYTES + 1,
    };
    let answer = house.outbound.send(call).await;
    let answer = answer.map_err(|error| error.to_string())?;
    accepted(answer.status, &answer.body)
}

/// The keys of an answer, as text.
fn accepted(status: u16, body: &[u8]) -> Result<String, String> {
    if status != 200 {
        return Err(format!("the endpoint answers with status {status}"));
    }
    if body.len() > MAX_BYTES {
        return Err(format!("the answer has more than {MAX_BYTES} bytes"));
    }
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let set: KeySet = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match set.keys.len() > MAX_KEYS {
        true => Err(format!("there are more than {MAX_KEYS} keys")),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_or_no_set_of_keys_is_not_taken() {
        let set = |count: usize| format!("{{\"keys\":[{}]}}", vec!["{}"; count].join(","));
        assert!(accepted(200, set(10).as_bytes()).is_ok());
        assert!(accepted(200, set(11).as_bytes()).is_err());
        assert!(accepted(302, set(1).as_bytes()).is_err());
        assert!(accepted(200, b"[]").is_err());
        let long = set(1) + &" ".repeat(MAX_BYTES);
        assert!(accepted(200, long.as_bytes()).is_err());
    }
}
