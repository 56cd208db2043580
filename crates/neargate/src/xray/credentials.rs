//! Whose keys the daemon signs with: those of its environment, or of the task's role, which its node hands out and
//! which are asked for again before they end.

use crate::client::{Client, Keys};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as Connections;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use neargate_base::time::{Stopwatch, SystemClock};
use neargate_base::{Clock, Timestamp};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Mutex;

/// Where a task asks for its role's keys.
const TASK_ENDPOINT: &str = "http://169.254.170.2";
/// Keys are asked for again when they are older.
const FRESH: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_BYTES: usize = 64 << 10;

enum Source {
    Environment,
    /// The address that answers with keys.
    Endpoint(String),
}

/// The API, and how to call it.
pub struct Api {
    source: Source,
    client: Client,
    held: Mutex<Option<(Stopwatch, Client)>>,
    connections: Connections<HttpConnector, Full<Bytes>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Api {
    /// # Errors
    /// The environment says too little.
    pub fn new(region: Option<String>) -> Result<Api> {
        let endpoint = variable("AWS_ENDPOINT_URL_XRAY").or_else(|| variable("AWS_ENDPOINT_URL"));
        let endpoint = endpoint
            .context("AWS_ENDPOINT_URL does not say where the API is; tasks of Neargate have it")?;
        let region = region
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .context("neither --region nor AWS_REGION says the region")?;
        let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let keys = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
        let (source, keys) = match (keys, relative, full) {
            (Some((access_key, secret_key)), _, _) => {
                let session_token = variable("AWS_SESSION_TOKEN");
                let keys = Keys {
                    access_key,
                    secret_key,
                    session_token,
                };
                (Source::Environment, keys)
            }
            (None, Some(path), _) => (Source::Endpoint(format!("{TASK_ENDPOINT}{path}")), none()),
            (None, None, Some(url)) => (Source::Endpoint(url), none()),
            (None, None, None) => bail!(
                "there are no keys: give the task a taskRoleArn, or set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY"
            ),
        };
        let authority = variable("AWS_CA_BUNDLE").map(PathBuf::from);
        let authorities: Vec<_> = authority.iter().map(PathBuf::as_path).collect();
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Api {
            source,
            client: Client::new(endpoint, region, keys, &authorities)?,
            held: Mutex::new(None),
            connections: Connections::builder(TokioExecutor::new()).build_http(),
        })
    }

    /// A client that signs with keys that are good now.
    ///
    /// # Errors
    /// Nobody hands out keys.
    pub async fn client(&self) -> Result<Client> {
        let Source::Endpoint(url) = &self.source else {
            return Ok(self.client.clone());
        };
        let mut held = self.held.lock().await;
        if let Some((since, client)) = &*held
            && since.elapsed() < FRESH
        {
            return Ok(client.clone());
        }
        let asked = tokio::time::timeout(PATIENCE, self.ask(url)).await;
        let keys = asked
            .with_context(|| format!("{url} does not answer"))?
            .context("cannot get the keys of the task's role")?;
        let client = self.client.with_keys(keys);
        *held = Some((Stopwatch::start(), client.clone()));
        Ok(client)
    }

    async fn ask(&self, url: &str) -> Result<Keys> {
        let answer = self.connections.get(url.parse()?).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|e| anyhow::anyhow!("{e}"))?.to_bytes();
        if !status.is_success() {
            bail!("{url} answers {status}");
        }
        let keys: Answer = serde_json::from_slice(&body)?;
        Ok(Keys {
            access_key: keys.access_key_id,
            secret_key: keys.secret_access_key,
            session_token: keys.token,
        })
    }
}

fn none() -> Keys {
    Keys {
        access_key: String::new(),
        secret_key: String::new(),
        session_token: None,
    }
}

pub fn now() -> Timestamp {
    SystemClock.now()
}
