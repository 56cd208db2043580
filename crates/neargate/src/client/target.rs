//! Which Neargate a command talks to, and as whom.

use super::Client;
use crate::environment;
use crate::running::{Record, Records, Which};
use anyhow::{Result, bail};
use neargate_base::Region;
use std::path::{Path, PathBuf};

/// Access keys, and the session token that may belong to them.
#[derive(Clone)]
pub struct Keys {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// Where Neargate is: the flags that every command of this kind takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which Neargate")]
pub struct Target {
    /// The API's address [default: AWS_ENDPOINT_URL, then the one that runs here]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The region [default: AWS_REGION, then what Neargate was started with]
    #[arg(long, env = "NEARGATE_REGION", value_name = "REGION")]
    region: Option<Region>,
    #[command(flatten)]
    which: Which,
}

/// The environment that decides; a struct, so that tests need not set variables.
#[derive(Debug, Default)]
pub(super) struct Variables {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<String>,
    pub session_token: Option<String>,
    pub authority: Option<PathBuf>,
}

impl Variables {
    fn read() -> Variables {
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        Variables {
            endpoint: variable("AWS_ENDPOINT_URL"),
            region: variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")),
            access_key: variable("AWS_ACCESS_KEY_ID"),
            secret_key: variable("AWS_SECRET_ACCESS_KEY"),
            session_token: variable("AWS_SESSION_TOKEN"),
            authority: variable("AWS_CA_BUNDLE").map(PathBuf::from),
        }
    }
}

impl Target {
    /// # Errors
    /// A configuration that cannot be read, or keys that cannot be found.
    pub fn client(&self) -> Result<Client> {
        self.client_with(Variables::read(), &Records::of_this_host().all())
    }

    /// Where the Neargate that is meant keeps its files, if it runs on this host.
    pub fn data(&self) -> Option<PathBuf> {
        self.which.find().ok().map(|found| found.config.data)
    }

    pub(super) fn client_with(&self, given: Variables, records: &[Record]) -> Result<Client> {
        let found = self.which.among(records)?;
        // Whoever names a data directory means no other Neargate.
        let is_absent = found.process.is_none() && !found.is_named;
        if self.endpoint.is_none() && self.which.is_by_data() && is_absent {
            return Err(self.which.nothing_runs(&found));
        }
        let config = &found.config;
        // What the flags say is meant, if they say anything that leads to an address.
        let named = found.is_named || (self.which.is_given() && found.process.is_some());
        let named = named.then(|| environment::endpoint(config));
        let endpoint = self.endpoint.clone().or(named).or(given.endpoint);
        let endpoint = endpoint.unwrap_or_else(|| environment::endpoint(config));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            bail!("{endpoint:?} is not an address of the form http://HOST:PORT");
        }
        // Whom this user trusts for AWS, and whom the one that runs here is trusted by.
        let authorities: Vec<&Path> = [&given.authority, &config.tls_authority]
            .into_iter()
            .filter_map(Option::as_deref)
            .filter(|_| endpoint.starts_with("https://"))
            .collect();
        let region = match (&self.region, given.region) {
            (Some(region), _) => region.to_string(),
            (None, Some(region)) => region,
            (None, None) => config.region.to_string(),
        };
        let keys = match (given.access_key, given.secret_key) {
            (Some(access_key), Some(secret_key)) => Keys {
                access_key,
                secret_key,
                session_token: given.session_token,
            },
            _ => {
                let own = environment::keys(config)?;
                Keys {
                    access_key: own.access_key,
                    secret_key: own.secret_key,
                    session_token: None,
                }
            }
        };
        Client::new(endpoint, region, keys, &authorities)
    }
}
