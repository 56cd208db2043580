//! The request that an endpoint is sent, and what its answer means
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html>). Pure.

use super::token::basic;
use crate::api_destination::ApiDestination;
use crate::connection::{API_KEY, BASIC, Credentials};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use neargate_service::outbound::Call;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a rule's target says.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub body: &'a str,
    pub path: &'a [String],
    pub headers: &'a BTreeMap<String, String>,
    pub query: &'a BTreeMap<String, String>,
}

/// What an answer's status means for the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    Taken,
    Again,
    /// Again, with a new token where there are tokens.
    Unauthorized,
    Refused,
}

/// "EventBridge retries 401, 407, 409, 429 and 5xx, and no other."
pub fn judge(status: u16) -> Judgement {
    match status {
        200..300 => Judgement::Taken,
        401 | 407 => Judgement::Unauthorized,
        409 | 429 | 500.. => Judgement::Again,
        _ => Judgement::Refused,
    }
}

/// Everything but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What no target or connection may set.
const OURS: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
];

/// The request. What the connection says goes before what the target says.
///
/// # Errors
/// Why there is none that could be sent.
pub fn of(
    destination: &ApiDestination,
    authorization_type: &str,
    credentials: &Credentials,
    token: Option<&str>,
    asked: Asked<'_>,
) -> Result<Call, &'static str> {
    let more = credentials.of_invocations();
    let mut query: Vec<(String, String)> = asked
        .query
        .iter()
        .filter(|(name, _)| !more.query.iter().any(|(other, _)| other == *name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    query.extend(more.query);
    let pairs: Vec<(String, String)> = asked
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut all = HeaderMap::new();
    all.insert(
        USER_AGENT,
        HeaderValue::from_static("Amazon/EventBridge/ApiDestinations"),
    );
    all.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    all.insert(RANGE, HeaderValue::from_static("bytes=0-1048575"));
    for given in [&pairs, &more.headers] {
        for (name, value) in headers(given)?.drain() {
            if let Some(name) = name {
                all.insert(name, value);
            }
        }
    }
    let (name, secret) = match (authorization_type, token) {
        (BASIC, _) => {
            let basic = basic(credentials.text("username"), credentials.text("password"));
            (AUTHORIZATION, basic)
        }
        (API_KEY, _) => {
            let name = credentials.text("api_key_name").parse();
            let name = name.map_err(|_| "the name of the API key is no header")?;
            (name, credentials.text("api_key_value").to_owned())
        }
        (_, token) => {
            let token = token.ok_or("there is no token")?;
            (AUTHORIZATION, format!("Bearer {token}"))
        }
    };
    let mut secret = HeaderValue::from_str(&secret).map_err(|_| "the secret is no header")?;
    secret.set_sensitive(true);
    all.insert(name, secret);
    let method = destination.method.parse().unwrap_or(Method::POST);
    let body = match method {
        Method::GET | Method::HEAD => Bytes::new(),
        _ => with_members(asked.body, &more.body).into(),
    };
    Ok(Call {
        method,
        url: add_query(&with_path(&destination.endpoint, asked.path), &query),
        headers: all,
        body,
        patience: Duration::ZERO,
        max_body_bytes: 0,
    })
}

/// Each `*` of the endpoint's path replaced, in their order.
fn with_path(endpoint: &str, values: &[String]) -> String {
    let (path, query) = match endpoint.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (endpoint, None),
    };
    let mut values = values.iter();
    let mut out = String::with_capacity(endpoint.len());
    for (index, piece) in path.split('*').enumerate() {
        if index > 0 {
            match values.next() {
                Some(value) => out.extend(utf8_percent_encode(value, ENCODED)),
                None => out.push('*'),
            }
        }
        out.push_str(piece);
    }
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    out
}

/// `url` with further parameters at its end.
pub(super) fn add_query(url: &str, parameters: &[(String, String)]) -> String {
    let mut out = url.to_owned();
    for (name, value) in parameters {
        out.push(if out.contains('?') { '&' } else { '?' });
        out.extend(utf8_percent_encode(name, ENCODED));
        out.push('=');
        out.extend(utf8_percent_encode(value, ENCODED));
    }
    out
}

/// Headers, without those that are ours to set.
pub(super) fn headers(given: &[(String, String)]) -> Result<HeaderMap, &'static str> {
    let mut all = HeaderMap::new();
    for (name, value) in given {
        let name: HeaderName = name.parse().map_err(|_| "a name is no header's")?;
        let value = HeaderValue::from_str(value).map_err(|_| "a value is no header's")?;
        if !OURS.contains(&name.as_str()) {
            all.insert(name, value);
        }
    }
    Ok(all)
}

/// A body that is an object of JSON with further members.
fn with_members(body: &str, members: &[(String, String)]) -> String {
    if members.is_empty() {
        return body.to_owned();
    }
    match serde_json::from_str(body) {
        Ok(Value::Object(mut object)) => {
            for (name, value) in members {
                object.insert(name.clone(), value.clone().into());
            }
            Value::Object(object).to_string()
        }
        _ => body.to_owned(),
    }
}
