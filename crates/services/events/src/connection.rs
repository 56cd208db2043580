//! Connections: how endpoints of API destinations are told who calls
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-target-connection.html>).
//!
//! The record says what is shown. What is secret is in a secret of Secrets Manager, as
//! [`Credentials`], and nowhere else.

use crate::error;
use neargate_api_events as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Resource, Scope};
use neargate_wire::json::{self, Form, Json};
use neargate_wire::structure::{self, Structure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub const AUTHORIZED: &str = "AUTHORIZED";
pub const AUTHORIZING: &str = "AUTHORIZING";
pub const DEAUTHORIZED: &str = "DEAUTHORIZED";

pub const BASIC: &str = "BASIC";
pub const API_KEY: &str = "API_KEY";
pub const OAUTH: &str = "OAUTH_CLIENT_CREDENTIALS";

/// `events/connection/…/<name>`. The API writes it, and while it is `AUTHORIZING` [`crate::authorize`], which
/// writes `state`, `state_reason` and `authorized_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub name: String,
    /// The end of its ARN.
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub authorization_type: String,
    /// What is shown of its parameters.
    pub shown: Json<api::ConnectionAuthResponseParameters>,
    /// None once it is deauthorized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_arn: Option<String>,
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<String>,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_at: Option<Timestamp>,
}

impl Resource for Connection {
    const KIND: &'static str = "events/connection";
}

impl Connection {
    pub fn arn(&self, scope: &Scope) -> String {
        scope.arn("events", format!("connection/{}/{}", self.name, self.id))
    }
}

/// What the secret of a connection says, and what is told of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Credentials(Map<String, Value>);

/// The names that parameters have in the secret: of which type, the structure and the member that callers give.
const MEMBERS: [(&str, &str, &str, &str); 8] = [
    (BASIC, "BasicAuthParameters", "Username", "username"),
    (BASIC, "BasicAuthParameters", "Password", "password"),
    (
        API_KEY,
        "ApiKeyAuthParameters",
        "ApiKeyName",
        "api_key_name",
    ),
    (
        API_KEY,
        "ApiKeyAuthParameters",
        "ApiKeyValue",
        "api_key_value",
    ),
    (OAUTH, "ClientParameters", "ClientID", "client_id"),
    (OAUTH, "ClientParameters", "ClientSecret", "client_secret"),
    (
        OAUTH,
        "OAuthParameters",
        "AuthorizationEndpoint",
        "authorization_endpoint",
    ),
    (OAUTH, "OAuthParameters", "HttpMethod", "http_method"),
];
/// The same of lists of headers, query and body parameters.
const OAUTH_HTTP: &str = "oauth_http_parameters";
const INVOCATION_HTTP: &str = "invocation_http_parameters";
/// The members that are never shown.
const SECRETS: [&str; 3] = ["password", "api_key_value", "client_secret"];

impl Credentials {
    /// What was there with what is given in its place.
    ///
    /// # Errors
    /// When something that the type needs is neither given nor was there.
    pub fn with<P: Structure>(mut self, kind: &str, given: &P) -> Result<Credentials, AwsError> {
        let given = json::write(P::SHAPE, &given.to_value(), Form::WIRE);
        for (of, structure, member, name) in MEMBERS {
            let within = match structure {
                "ClientParameters" => &given["OAuthParameters"][structure],
                structure => &given[structure],
            };
            match &within[member] {
                Value::Null if of == kind && !self.0.contains_key(name) => {
                    return Err(error::parameter(
                        "AuthParameters",
                        &format!("{member} is required for authorization type {kind}."),
                    ));
                }
                Value::Null if of == kind => {}
                // Those of another type are of before.
                Value::Null => drop(self.0.remove(name)),
                _ if of != kind => {
                    return Err(error::parameter(
                        "AuthParameters",
                        &format!("{member} does not belong to authorization type {kind}."),
                    ));
                }
                value => drop(self.0.insert(name.into(), value.clone())),
            }
        }
        let lists = [
            (OAUTH_HTTP, &given["OAuthParameters"]["OAuthHttpParameters"]),
            (INVOCATION_HTTP, &given["InvocationHttpParameters"]),
        ];
        for (name, list) in lists {
            if list.is_object() {
                self.0.insert(name.into(), list.clone());
            }
        }
        if kind != OAUTH {
            self.0.remove(OAUTH_HTTP);
        }
        Ok(self)
    }

    /// A text of it: `username`, `client_secret`.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// What every request to the endpoint has.
    pub fn of_invocations(&self) -> HttpParameters {
        HttpParameters::of(self.0.get(INVOCATION_HTTP))
    }

    /// What a request for a token has.
    pub fn of_authorization(&self) -> HttpParameters {
        HttpParameters::of(self.0.get(OAUTH_HTTP))
    }

    /// What is shown of it.
    pub fn shown(&self, kind: &str) -> api::ConnectionAuthResponseParameters {
        let mut shown = json!({});
        for (of, structure, member, name) in MEMBERS {
            if of == kind && !SECRETS.contains(&name) {
                let within = match structure {
                    "ClientParameters" => &mut shown["OAuthParameters"][structure],
                    structure => &mut shown[structure],
                };
                within[member] = self.text(name).into();
            }
        }
        if let Some(list) = self.0.get(OAUTH_HTTP) {
            shown["OAuthParameters"]["OAuthHttpParameters"] = without_secrets(list);
        }
        if let Some(list) = self.0.get(INVOCATION_HTTP) {
            shown["InvocationHttpParameters"] = without_secrets(list);
        }
        let shape = api::ConnectionAuthResponseParameters::SHAPE;
        json::read(shape, shown, Form::WIRE).map_or_else(
            |_| api::ConnectionAuthResponseParameters::default(),
            structure::from_value,
        )
    }
}

/// Lists of parameters without the values that are secret.
fn without_secrets(lists: &Value) -> Value {
    let mut lists = lists.clone();
    for list in lists.as_object_mut().into_iter().flat_map(Map::values_mut) {
        for parameter in list.as_array_mut().into_iter().flatten() {
            if parameter["IsValueSecret"] == true
                && let Some(parameter) = parameter.as_object_mut()
            {
                parameter.remove("Value");
            }
        }
    }
    lists
}

/// What a connection adds to a request, each a list of names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpParameters {
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub body: Vec<(String, String)>,
}

impl HttpParameters {
    fn of(lists: Option<&Value>) -> HttpParameters {
        let list = |name: &str| {
            let all = lists.and_then(|lists| lists[name].as_array());
            let pair = |parameter: &Value| {
                let key = parameter["Key"].as_str()?;
                let value = parameter["Value"].as_str().unwrap_or_default();
                Some((key.to_owned(), value.to_owned()))
            };
            all.into_iter().flatten().filter_map(pair).collect()
        };
        HttpParameters {
            headers: list("HeaderParameters"),
            query: list("QueryStringParameters"),
            body: list("BodyParameters"),
        }
    }
}
