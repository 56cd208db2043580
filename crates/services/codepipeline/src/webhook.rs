//! Calls from outside that start a pipeline: each webhook has an address that nobody can guess
//! (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_WebhookDefinition.html>).
//!
//! Callers are strangers: a body is bounded, a secret's signature is compared in constant time, and who is refused
//! is not told whether the webhook exists.

use crate::controller::executions;
use crate::model::{Pipeline, Webhook};
use crate::start::{self, Start};
use crate::structure::configured;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{Method, StatusCode};
use neargate_service::{AwsError, Committed, Ctx, House, Scope, db};
use ring::{digest, hmac};
use serde_json::Value;
use std::sync::Arc;

/// Where webhooks are called.
pub const PATH: &str = "/_neargate/webhooks/codepipeline";

/// The longest body that is looked into.
pub const MOST_BYTES: usize = 1 << 20;
/// How many executions may be under way that strangers started.
const MOST_EXECUTIONS: usize = 50;

/// A webhook's address: its query tells where the webhook is, and knows its token.
pub fn address(cx: &Ctx, name: &str, token: &str) -> String {
    let text = format!("{}/{}/{name}/{token}", cx.scope.account, cx.scope.region);
    let text = URL_SAFE_NO_PAD.encode(text);
    format!("{}{PATH}?t={text}", cx.endpoint())
}

fn place(query: &str) -> Option<(Scope, String, String)> {
    let given = query.split('&').find_map(|pair| pair.strip_prefix("t="))?;
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(given).ok()?).ok()?;
    let mut parts = text.split('/');
    let scope = Scope {
        account: parts.next()?.parse().ok()?,
        region: parts.next()?.parse().ok()?,
    };
    let (name, token) = (parts.next()?, parts.next()?);
    Some((scope, name.to_owned(), token.to_owned()))
}

/// One step of a filter's path.
#[derive(Debug, PartialEq, Eq)]
pub enum Along {
    Member(String),
    At(usize),
}

/// `$.a.b[0]`, as steps; `None` for what is no such path.
pub fn steps(path: &str) -> Option<Vec<Along>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            if name.is_empty() || name == "*" {
                return None;
            }
            steps.push(Along::Member(name.to_owned()));
            rest = after;
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = inside.strip_prefix(['\'', '"']);
            steps.push(
                match quoted.and_then(|text| text.strip_suffix(['\'', '"'])) {
                    Some(name) => Along::Member(name.to_owned()),
                    None => Along::At(inside.parse().ok()?),
                },
            );
            rest = after;
        }
    }
    Some(steps)
}

fn found<'a>(body: &'a Value, path: &str) -> Option<&'a Value> {
    let mut at = body;
    for step in steps(path)? {
        at = match step {
            Along::Member(name) => at.get(name)?,
            Along::At(index) => at.get(index)?,
        };
    }
    Some(at)
}

/// Somebody calls a webhook's address: what he is answered.
pub async fn trigger(house: &Arc<House>, parts: &Parts, body: &[u8]) -> StatusCode {
    if parts.method != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED;
    }
    match triggered(house, parts, body).await {
        Ok(status) => status,
        Err(error) => {
            tracing::warn!(%error, "a webhook's call is not answered");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

async fn triggered(house: &Arc<House>, parts: &Parts, body: &[u8]) -> Result<StatusCode, AwsError> {
    let Some((scope, name, token)) = place(parts.uri.query().unwrap_or_default()) else {
        return Ok(StatusCode::NOT_FOUND);
    };
    let Some(webhook) = house.db.get::<Webhook>(&scope, &name).await? else {
        return Ok(StatusCode::NOT_FOUND);
    };
    if !same(webhook.token.as_bytes(), token.as_bytes()) {
        return Ok(StatusCode::NOT_FOUND);
    }
    if let Some(sealed) = &webhook.secret {
        let key = house
            .root_key
            .open(&webhook.key, sealed)
            .unwrap_or_default();
        let header = |name| parts.headers.get(name)?.to_str().ok();
        let signed = signed(
            &key,
            body,
            header("x-hub-signature-256"),
            header("x-hub-signature"),
        );
        if !signed {
            return Ok(StatusCode::FORBIDDEN);
        }
    }
    let Ok(told) = serde_json::from_slice::<Value>(body) else {
        return Ok(StatusCode::BAD_REQUEST);
    };
    loop {
        let pipeline = &webhook.definition.target_pipeline;
        let Some(there) = house.db.get::<Pipeline>(&scope, pipeline).await? else {
            return Ok(StatusCode::NOT_FOUND);
        };
        let sources = there.declaration.stages.first();
        let mut sources = sources.into_iter().flat_map(|stage| &stage.actions);
        let action = sources.find(|a| a.name == webhook.definition.target_action);
        let fits = webhook.definition.filters.iter().all(|filter| {
            let value = found(&told, &filter.json_path);
            let value = value.map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            match &filter.match_equals {
                None => value.is_some(),
                // `{Branch}` stands for what configures the action.
                Some(wanted) => {
                    let key = wanted.strip_prefix('{').and_then(|w| w.strip_suffix('}'));
                    let of_action = key.map(|key| action.and_then(|a| configured(a, key)));
                    let wanted = of_action.unwrap_or(Some(wanted.as_str()));
                    wanted.is_some() && value.as_deref() == wanted
                }
            }
        });
        if !fits {
            return Ok(StatusCode::OK);
        }
        let all = executions(&house.db, &scope, pipeline).await?;
        if all.iter().filter(|e| !e.status.is_over()).count() >= MOST_EXECUTIONS {
            return Ok(StatusCode::TOO_MANY_REQUESTS);
        }
        let begin = Start {
            trigger: (
                "Webhook".into(),
                scope.arn("codepipeline", format!("webhook:{name}")),
            ),
            ..Start::default()
        };
        let made = start::execution(house, &there, begin);
        let mut after = webhook.value.clone();
        after.last_triggered = Some(house.now());
        let tx = start::told(house.db.tx(), house, &scope, None, &made);
        let tx = tx
            .create(start::key(&scope, &made), &made)
            .update(&there, &start::counted(&there, &made))
            .put(db::key::<Webhook>(&scope, &name), &after);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(StatusCode::OK);
        }
    }
}

/// Compares in a time that tells nothing.
fn same(one: &[u8], other: &[u8]) -> bool {
    let hashed = |bytes| digest::digest(&digest::SHA256, bytes);
    hashed(one).as_ref() == hashed(other).as_ref()
}

/// Is the body signed as GitHub signs it?
fn signed(secret: &[u8], body: &[u8], by_256: Option<&str>, by_1: Option<&str>) -> bool {
    let fits = |algorithm, given: Option<&str>, prefix: &str| {
        let given = given.and_then(|text| text.strip_prefix(prefix));
        let Some(Ok(tag)) = given.map(hex::decode) else {
            return false;
        };
        hmac::verify(&hmac::Key::new(algorithm, secret), body, &tag).is_ok()
    };
    match by_256 {
        Some(_) => fits(hmac::HMAC_SHA256, by_256, "sha256="),
        None => fits(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, by_1, "sha1="),
    }
}
