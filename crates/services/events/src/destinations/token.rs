//! Tokens of OAuth's client credentials (RFC 6749, section 4.4).

use super::PATIENCE;
use super::request::{add_query, headers};
use crate::connection::{Connection, Credentials};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use neargate_base::Timestamp;
use neargate_service::House;
use neargate_service::outbound::Call;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// Longer no answer with a token is.
const MOST_BYTES: usize = 64 << 10;
/// A token that ends sooner than this is asked for again.
const ABOUT_TO_END: Duration = Duration::from_secs(30);
/// How long a token is used that does not say when it ends.
const USUAL: Duration = Duration::from_secs(3_600);

#[derive(Debug, Clone)]
pub(super) struct Token {
    text: String,
    ends_at: Timestamp,
}

/// Tokens by the ARN of their connection, each with when that was changed last. A start asks for new ones.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<String, (Timestamp, Token)>>);

impl Tokens {
    /// The token of a connection, a new one where the last one is about to end.
    pub(super) async fn of(
        &self,
        house: &House,
        arn: &str,
        connection: &Connection,
        credentials: &Credentials,
    ) -> Result<String, String> {
        let of = connection.modified_at;
        let known = self.0.lock().get(arn).cloned();
        if let Some((since, token)) = known
            && since == of
            && house.now() + ABOUT_TO_END < token.ends_at
        {
            return Ok(token.text);
        }
        let token = fetch(house, credentials).await?;
        self.0.lock().insert(arn.to_owned(), (of, token.clone()));
        Ok(token.text)
    }

    pub(super) fn forget(&self, arn: &str) {
        self.0.lock().remove(arn);
    }
}

/// Asks the authority for a token. `Err`: why there is none.
pub(super) async fn fetch(house: &House, credentials: &Credentials) -> Result<Token, String> {
    let now = house.now();
    let answer = house.outbound.send(asking(credentials)?).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if !(200..300).contains(&answer.status) {
        return Err(format!(
            "the authorization endpoint returned HTTP status {}",
            answer.status
        ));
    }
    let told: serde_json::Value = serde_json::from_slice(&answer.body)
        .map_err(|_| "the authorization endpoint did not answer with JSON")?;
    let text = told["access_token"].as_str();
    let text = text.ok_or("the authorization endpoint answered without access_token")?;
    let seconds = told["expires_in"].as_u64();
    Ok(Token {
        text: text.to_owned(),
        ends_at: now + seconds.map_or(USUAL, Duration::from_secs),
    })
}

/// The client names itself as RFC 6749 has it, by Basic authentication; what the connection says is added, and
/// comes first.
fn asking(credentials: &Credentials) -> Result<Call, String> {
    let more = credentials.of_authorization();
    let url = add_query(credentials.text("authorization_endpoint"), &more.query);
    let mut all = headers(&more.headers)?;
    if !all.contains_key(AUTHORIZATION) {
        let basic = basic(
            credentials.text("client_id"),
            credentials.text("client_secret"),
        );
        let basic = HeaderValue::from_str(&basic).map_err(|_| "the client id is no header")?;
        all.insert(AUTHORIZATION, basic);
    }
    let form = "application/x-www-form-urlencoded";
    all.entry(CONTENT_TYPE)
        .or_insert(HeaderValue::from_static(form));
    let method = credentials.text("http_method");
    let method = method.parse().unwrap_or(Method::POST);
    let mut body = more.body;
    if !body.iter().any(|(name, _)| name == "grant_type") {
        body.insert(0, ("grant_type".into(), "client_credentials".into()));
    }
    let body = match method {
        Method::GET => Bytes::new(),
        _ => add_query("", &body)
            .trim_start_matches('?')
            .to_owned()
            .into(),
    };
    Ok(Call {
        method,
        url,
        headers: all,
        body,
        patience: PATIENCE,
        max_body_bytes: MOST_BYTES,
    })
}

/// RFC 7617.
pub(super) fn basic(name: &str, password: &str) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Basic {text}")
}
