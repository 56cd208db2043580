//! Which Neargate a command talks to, and as whom.

use super::Client;
use crate::config::{Config, Flags};
use crate::environment;
use anyhow::{Result, bail};

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
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Which Neargate")]
pub struct Target {
    /// The API's address [default: --listen, then AWS_ENDPOINT_URL, then the configuration's]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

/// The environment that decides; a struct, so that tests need not set variables.
#[derive(Debug, Default)]
pub(super) struct Variables {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    pub secret_key: Option<String>,
    pub session_token: Option<String>,
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
        }
    }
}

impl Target {
    /// # Errors
    /// A configuration that cannot be read, or keys that cannot be found.
    pub fn client(&self) -> Result<Client> {
        self.client_with(Variables::read())
    }

    pub(super) fn client_with(&self, given: Variables) -> Result<Client> {
        let config = Config::load(&self.flags)?;
        let listen = self
            .flags
            .names_address()
            .then(|| environment::endpoint(&config));
        let endpoint = self
            .endpoint
            .clone()
            .or(listen)
            .or(given.endpoint)
            .unwrap_or_else(|| environment::endpoint(&config));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        if !endpoint.starts_with("http://") {
            bail!("{endpoint:?} is not an address of the form http://HOST:PORT");
        }
        let region = match given.region {
            Some(region) if !self.flags.names_region() => region,
            _ => config.region.to_string(),
        };
        let keys = match (given.access_key, given.secret_key) {
            (Some(access_key), Some(secret_key)) => Keys {
                access_key,
                secret_key,
                session_token: given.session_token,
            },
            _ => {
                let own = environment::keys(&config)?;
                Keys {
                    access_key: own.access_key,
                    secret_key: own.secret_key,
                    session_token: None,
                }
            }
        };
        Ok(Client::new(endpoint, region, keys))
    }
}
