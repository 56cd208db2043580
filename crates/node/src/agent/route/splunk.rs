//! `splunk`: lines as events of the HTTP Event Collector
//! (<https://docs.docker.com/engine/logging/drivers/splunk/>).

use super::options::Options;
use super::reach::{Address, Duplex, Reach};
use super::{About, Sink};
use crate::runtime::Record;
use async_trait::async_trait;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use neargate_base::{Secret, task, unverified};
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const OPTIONS: [&str; 13] = [
    "splunk-url",
    "splunk-token",
    "splunk-source",
    "splunk-sourcetype",
    "splunk-index",
    "splunk-capath",
    "splunk-caname",
    "splunk-insecureskipverify",
    "splunk-format",
    "splunk-verify-connection",
    "splunk-gzip",
    "splunk-gzip-level",
    "splunk-index-acknowledgment",
];
const PATH: &str = "/services/collector/event/1.0";
const ANSWER: Duration = Duration::from_secs(10);
/// What is shown of an answer that refuses.
const SHOWN_BYTES: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Inline,
    Json,
    Raw,
}

#[derive(Debug)]
pub struct Splunk {
    reach: Reach,
    address: Address,
    authority: String,
    path: String,
    /// `None`: it speaks no TLS.
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    token: Secret<String>,
    format: Format,
    gzip: Option<Compression>,
    verifies: bool,
    /// What every event has beside its line.
    common: Map<String, Value>,
    tag: String,
    attributes: Map<String, Value>,
}

impl Splunk {
    /// # Errors
    /// Docker's words for options that its driver does not take.
    pub fn new(options: &Options, about: &About, reach: Reach) -> Result<Splunk, String> {
        options.only(&OPTIONS)?;
        let expected = |option: &str| format!("splunk: {option} is expected");
        let url = options.get("splunk-url").ok_or(expected("splunk-url"))?;
        let token = options
            .get("splunk-token")
            .ok_or(expected("splunk-token"))?;
        let wrong =
            || "splunk: expected format scheme://dns_name_or_ip:port for splunk-url".to_owned();
        let url: Uri = url.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
            return Err(wrong());
        };
        let port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(wrong()),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(wrong());
        }
        for unbuilt in ["splunk-capath", "splunk-index-acknowledgment"] {
            if options.get(unbuilt).is_some_and(|v| v != "false") {
                return Err(format!("splunk: {unbuilt} is not built here"));
            }
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let tls = match scheme {
            "https" => {
                let name = options.get("splunk-caname").unwrap_or(&host).to_owned();
                let name = ServerName::try_from(name).map_err(|e| format!("splunk: {e}"))?;
                let any = options.flag("splunk-insecureskipverify")? == Some(true);
                let config = client(any).map_err(|e| format!("splunk: {e}"))?;
                Some((Arc::new(config), name))
            }
            _ => None,
        };
        let level = options.number("splunk-gzip-level")?;
        let level = level.map_or(Compression::default(), |level| {
            Compression::new(u32::try_from(level).unwrap_or(9).min(9))
        });
        let mut common = Map::new();
        common.insert("host".into(), json!(about.host));
        for (option, field) in [
            ("splunk-source", "source"),
            ("splunk-sourcetype", "sourcetype"),
            ("splunk-index", "index"),
        ] {
            if let Some(value) = options.get(option) {
                common.insert(field.into(), json!(value));
            }
        }
        let attributes = options.attributes(about)?.into_iter();
        Ok(Splunk {
            reach,
            address: Address::Tcp(host, authority.port_u16().unwrap_or(port)),
            authority: authority.as_str().to_owned(),
            path: PATH.to_owned(),
            tls,
            token: Secret::new(token.to_owned()),
            format: match options.get("splunk-format") {
                None | Some("inline") => Format::Inline,
                Some("json") => Format::Json,
                Some("raw") => Format::Raw,
                Some(other) => {
                    return Err(format!(
                        "Unknown format specified {other}, supported formats are inline, json and raw"
                    ));
                }
            },
            gzip: options.flag("splunk-gzip")?.filter(|on| *on).map(|_| level),
            verifies: options.flag("splunk-verify-connection")? != Some(false),
            common,
            tag: options.tag(about)?,
            attributes: attributes
                .map(|(name, value)| (name, json!(value)))
                .collect(),
        })
    }

    fn event(&self, line: &Record<'_>) -> Value {
        let text = String::from_utf8_lossy(line.message);
        let event = match self.format {
            Format::Raw => {
                let attributes = self.attributes.iter();
                let attributes = attributes
                    .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")));
                let mut words: Vec<String> = vec![self.tag.clone()];
                words.extend(attributes);
                words.push(text.into_owned());
                json!(words.join(" "))
            }
            Format::Inline | Format::Json => {
                let parsed = || serde_json::from_str::<Value>(&text).ok();
                let whole = (self.format == Format::Json).then(parsed).flatten();
                let source = if line.stderr { "stderr" } else { "stdout" };
                let mut event = Map::new();
                event.insert("line".into(), whole.unwrap_or_else(|| json!(text)));
                event.insert("source".into(), json!(source));
                event.insert("tag".into(), json!(self.tag));
                if !self.attributes.is_empty() {
                    event.insert("attrs".into(), Value::Object(self.attributes.clone()));
                }
                Value::Object(event)
            }
        };
        let mut message = self.common.clone();
        message.insert("event".into(), event);
        let time = format!("{:.6}", line.timestamp.as_secs_f64());
        message.insert("time".into(), json!(time));
        Value::Object(message)
    }

    async fn request(&self, method: Method, body: Vec<u8>) -> io::Result<()> {
        let mut stream = self.reach.stream(&self.address).await?;
        if let Some((config, name)) = &self.tls {
            let connector = TlsConnector::from(Arc::clone(config));
            let tls: Box<dyn Duplex> = Box::new(connector.connect(name.clone(), stream).await?);
            stream = tls;
        }
        let (mut send, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // It ends with the request.
        let connection = task::spawn("splunk-connection", async move {
            let _ = connection.await;
        });
        let authorization = format!("Splunk {}", self.token.expose());
        let mut request = Request::builder()
            .method(method)
            .uri(&self.path)
            .header(header::HOST, &self.authority)
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/json");
        if self.gzip.is_some() && !body.is_empty() {
            request = request.header(header::CONTENT_ENCODING, "gzip");
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(io::Error::other)?;
        let response = send.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let body = response.into_body().collect().await;
        connection.abort();
        if status.is_success() {
            return Ok(());
        }
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]).into_owned();
        Err(io::Error::other(format!(
            "splunk: failed to send event - {status} - {shown}"
        )))
    }

    async fn within(&self, method: Method, body: Vec<u8>) -> io::Result<()> {
        match timeout(ANSWER, self.request(method, body)).await {
            Ok(done) => done,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

fn client(any: bool) -> Result<ClientConfig, rustls::Error> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    Ok(match any {
        true => config
            .dangerous()
            .with_custom_certificate_verifier(unverified::anybody(provider))
            .with_no_client_auth(),
        false => config.with_platform_verifier()?.with_no_client_auth(),
    })
}

#[async_trait]
impl Sink for Splunk {
    async fn probe(&mut self) -> io::Result<()> {
        match self.verifies {
            true => self.within(Method::OPTIONS, Vec::new()).await,
            false => Ok(()),
        }
    }

    async fn send(&mut self, lines: &[Record<'_>]) -> io::Result<()> {
        let mut body = Vec::new();
        for line in lines.iter().filter(|line| !line.message.is_empty()) {
            body.extend(self.event(line).to_string().into_bytes());
        }
        if body.is_empty() {
            return Ok(());
        }
        if let Some(level) = self.gzip {
            let mut packer = GzEncoder::new(Vec::new(), level);
            packer.write_all(&body)?;
            body = packer.finish()?;
        }
        self.within(Method::POST, body).await
    }
}
