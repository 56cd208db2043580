//! Tokens, as Docker's registries hand them out (distribution, "Token Authentication
//! Specification"), to everybody or to who has a password; and passwords, where a registry wants them
//! themselves.

use super::body;
use super::failure::Failure;
use super::place::{Login, Place};
use super::reach;
use crate::image::error::PullErrorKind;
use parking_lot::Mutex;
use reqwest::Client;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use serde::Deserialize;
use std::collections::HashMap;

/// Tokens by place. One that has expired is noticed by being refused.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<Place, Proof>>);

/// How a place is shown who asks.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    Token(String),
    /// The place's own login.
    Password,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

impl Tokens {
    pub(super) fn get(&self, place: &Place) -> Option<Proof> {
        self.0.lock().get(place).cloned()
    }

    /// Have what the challenge in `headers` asks for.
    pub(super) async fn renew(
        &self,
        client: &Client,
        place: &Place,
        headers: &HeaderMap,
    ) -> Result<Proof, Failure> {
        let before = self.0.lock().remove(place);
        let challenges = headers.get_all(WWW_AUTHENTICATE);
        let bearer = challenges
            .iter()
            .filter_map(|h| h.to_str().ok())
            .find_map(bearer);
        let Some(parameters) = bearer else {
            let has_been_shown = matches!(before, Some(Proof::Password));
            if place.login.is_some() && !has_been_shown {
                self.0.lock().insert(place.clone(), Proof::Password);
                return Ok(Proof::Password);
            }
            return Err(Failure::denied(
                "authorization failed: no basic auth credentials",
            ));
        };
        let realm = parameters
            .get("realm")
            .map(String::as_str)
            .unwrap_or_default();
        let mut url = reqwest::Url::parse(realm)
            .map_err(|_| Failure::denied("authorization failed: invalid token realm"))?;
        let registry = reqwest::Url::parse(&place.base)
            .map_err(|_| Failure::denied("authorization failed: invalid registry"))?;
        reach::lead(&registry, &url)
            .map_err(|why| Failure::denied(&format!("authorization failed: token realm: {why}")))?;
        if let Some(service) = parameters.get("service") {
            url.query_pairs_mut().append_pair("service", service);
        }
        let scope = format!("repository:{}:{}", place.repository, place.actions());
        url.query_pairs_mut().append_pair("scope", &scope);
        let text = url.to_string();
        let mut request = client.get(url);
        if let Some(Login(login)) = &place.login {
            request = request.basic_auth(&login.username, Some(login.password.expose()));
        }
        let response = request
            .send()
            .await
            .map_err(|e| Failure::transport(&e, &text))?;
        let status = response.status();
        let bytes = body(response, &text).await?;
        if !status.is_success() {
            return Err(match Failure::status(status, &bytes, &text) {
                missing if missing.kind == PullErrorKind::NotFound => {
                    Failure::denied("authorization failed")
                }
                other => other,
            });
        }
        let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
        let token = answer
            .and_then(|a| a.token.or(a.access_token))
            .filter(|t| !t.is_empty());
        let token =
            token.ok_or_else(|| Failure::denied("authorization failed: no token in reply"))?;
        let token = Proof::Token(token);
        self.0.lock().insert(place.clone(), token.clone());
        Ok(token)
    }
}

/// The parameters of a Bearer challenge (RFC 9110, section 11.6.1), which may follow others.
fn bearer(header: &str) -> Option<HashMap<String, String>> {
    let lower = header.to_ascii_lowercase();
    let start = match lower.starts_with("bearer ") {
        true => 0,
        false => lower.find(", bearer ")? + 2,
    };
    let mut rest = &header[start + "bearer ".len()..];
    let mut parameters = HashMap::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        let Some((key, value)) = rest.split_once('=') else {
            return Some(parameters);
        };
        if key.trim().contains(' ') {
            // The next challenge begins.
            return Some(parameters);
        }
        let key = key.trim().to_ascii_lowercase();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => {
                let end = value.find(',').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        parameters.insert(key, value);
        rest = after;
    }
}

/// What is before the closing quote, unescaped, and what is after it.
fn quoted_string(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &text[i + 1..]),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let header = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push", error=invalid"#;
        let p = bearer(header).unwrap();
        assert_eq!(p["realm"], "https://auth.docker.io/token");
        assert_eq!(p["service"], "registry.docker.io");
        assert_eq!(p["scope"], "repository:a/b:pull,push");
        assert_eq!(p["error"], "invalid");
        let p = bearer(r#"Basic realm="x", Bearer realm="a\"b""#).unwrap();
        assert_eq!(p["realm"], "a\"b");
        assert!(bearer(r#"Basic realm="x""#).is_none());
        assert!(bearer("Bearer").is_none());
    }
}
