//! A small client of the AWS API, for the commands people type: JSON protocols over HTTP,
//! signed. It knows no service's rules and nothing of terminals.

mod code;
mod error;
mod lines;
mod query;
mod target;
mod tls;

pub use code::Code;
pub use error::{ClientError, next_step};
pub use query::Element;
pub use target::{Keys, Target};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Connections;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use neargate_base::time::SystemClock;
use neargate_base::{Clock, Rng};
use neargate_wire::json::{self, Form};
use neargate_wire::structure::{OperationDef, from_value};
use neargate_wire::{Structure, sigv4};
use serde_json::Value;
use std::path::Path;

/// The service name under which calls of Neargate's own pages are signed.
pub const OWN_PAGES: &str = neargate_control::gateway::OWN_SIGNING_NAME;

/// Calls one endpoint with one pair of keys.
#[derive(Debug, Clone)]
pub struct Client {
    connections: Connections<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Such as `http://127.0.0.1:4566`.
    endpoint: String,
    region: String,
    keys: Keys,
}

impl Client {
    /// `authorities` are files with who vouches for the other end, where that speaks TLS.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn new(
        endpoint: String,
        region: String,
        keys: Keys,
        authorities: &[&Path],
    ) -> Result<Client> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(authorities)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Client {
            connections: Connections::builder(TokioExecutor::new()).build(connector),
            endpoint,
            region,
            keys,
        })
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        let (_, authority) = self.endpoint.split_once("://").unwrap_or_default();
        authority.split('/').next().unwrap_or_default()
    }

    #[cfg(test)]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The same client, of another region.
    pub fn in_region(&self, region: &str) -> Client {
        Client {
            region: region.to_owned(),
            ..self.clone()
        }
    }

    /// One operation of a service that speaks awsJson.
    ///
    /// # Errors
    /// [`ClientError`]: the service's own error, or why there is no answer.
    pub async fn call<O: OperationDef>(
        &self,
        _: O,
        input: &O::Input,
    ) -> Result<O::Output, ClientError> {
        let service = O::service();
        let target = service
            .target_prefix
            .expect("called services speak awsJson");
        let body = json::write(O::Input::SHAPE, &input.to_value(), Form::WIRE).to_string();
        let version = service.json_version.unwrap_or("1.1");
        let request = Request::post(format!("{}/", self.endpoint))
            .header("content-type", format!("application/x-amz-json-{version}"))
            .header("x-amz-target", format!("{target}.{}", O::NAME));
        let answer = self.send(request, service.signing_name, body).await?;
        let read = json::parse(O::Output::SHAPE, &answer, Form::WIRE);
        Ok(from_value(read.map_err(|e| self.nonsense(&e.to_string()))?))
    }

    /// The same client, that signs with other keys.
    pub fn with_keys(&self, keys: Keys) -> Client {
        Client {
            keys,
            ..self.clone()
        }
    }

    /// One operation of a service that speaks JSON over REST, with nothing in its path or its query.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn rest<O: OperationDef>(
        &self,
        _: O,
        input: &O::Input,
    ) -> Result<O::Output, ClientError> {
        let (operation, service) = (O::operation(), O::service());
        let body = json::write(O::Input::SHAPE, &input.to_value(), Form::WIRE).to_string();
        let request = Request::builder()
            .method(operation.method)
            .uri(format!("{}{}", self.endpoint, operation.uri))
            .header("content-type", "application/json");
        let answer = self.send(request, service.signing_name, body).await?;
        let read = json::parse(O::Output::SHAPE, &answer, Form::WIRE);
        Ok(from_value(read.map_err(|e| self.nonsense(&e.to_string()))?))
    }

    /// Bytes to a path of a service, and what it answers, whatever that says.
    ///
    /// # Errors
    /// [`ClientError`]: why there is no answer.
    pub async fn post(
        &self,
        path: &str,
        content_type: &str,
        service: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let request = Request::post(format!("{}{path}", self.endpoint));
        let request = request.header("content-type", content_type);
        let answer = self.open(request, service, body).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|e| self.unreachable(&e))?.to_bytes();
        Ok((status, body))
    }

    /// One of Neargate's own pages, `/_neargate/…`.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn page(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint))
            .header("content-type", "application/json");
        let answer = self.send(request, OWN_PAGES, body).await?;
        serde_json::from_slice(&answer).map_err(|e| self.nonsense(&e.to_string()))
    }

    /// A WebSocket at a path of the same server (RFC 6455, section 4.1). Nobody signs for it.
    ///
    /// # Errors
    /// [`ClientError`]: why there is none.
    pub async fn web_socket(&self, path: &str, rng: &Rng) -> Result<Upgraded, ClientError> {
        let unsendable = |e: http::Error| ClientError::Unsendable(e.to_string());
        let mut key = [0; 16];
        rng.fill(&mut key);
        let request = Request::get(format!("{}{path}", self.endpoint))
            .header(http::header::CONNECTION, "Upgrade")
            .header(http::header::UPGRADE, "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", STANDARD.encode(key))
            .body(Full::default())
            .map_err(unsendable)?;
        let answer = self.connections.request(request).await;
        let answer = answer.map_err(|e| self.unreachable(&e))?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.nonsense(&format!("it answers {}", answer.status())));
        }
        let upgraded = hyper::upgrade::on(answer).await;
        upgraded.map_err(|e| self.unreachable(&e))
    }

    async fn send(
        &self,
        request: http::request::Builder,
        service: &str,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, ClientError> {
        let answer = self.open(request, service, body).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|e| self.unreachable(&e))?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        Err(ClientError::read(&self.endpoint, status, &body))
    }

    /// The head of the answer, whatever it says.
    async fn open(
        &self,
        request: http::request::Builder,
        service: &str,
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>, ClientError> {
        let body = body.into();
        let unsendable = |e: &dyn std::fmt::Display| ClientError::Unsendable(e.to_string());
        let request = request.body(()).map_err(|e| unsendable(&e))?;
        let (mut parts, ()) = request.into_parts();
        self.sign(&mut parts, service, &body)
            .map_err(|e| unsendable(&e))?;
        let request = Request::from_parts(parts, Full::new(body));
        let answer = self.connections.request(request).await;
        answer.map_err(|e| self.unreachable(&e))
    }

    fn unreachable(&self, why: &dyn std::error::Error) -> ClientError {
        ClientError::Unreachable {
            endpoint: self.endpoint.clone(),
            why: innermost(why),
        }
    }

    fn sign(&self, parts: &mut Parts, service: &str, body: &[u8]) -> Result<()> {
        let authority = parts.uri.authority().map(ToString::to_string);
        let host = authority.unwrap_or_default().parse()?;
        parts.headers.insert(http::header::HOST, host);
        let scope = sigv4::Scope {
            access_key: &self.keys.access_key,
            region: &self.region,
            service,
            session_token: self.keys.session_token.as_deref(),
        };
        let hash = sigv4::sha256_hex(body);
        sigv4::sign(
            parts,
            scope,
            &hash,
            &self.keys.secret_key,
            SystemClock.now(),
        )?;
        Ok(())
    }

    fn nonsense(&self, why: &str) -> ClientError {
        ClientError::Nonsense {
            endpoint: self.endpoint.clone(),
            why: why.to_owned(),
        }
    }
}

/// The cause at the bottom says most: `Connection refused`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests;
