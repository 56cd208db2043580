//! What other programs need to know of this Neargate.

use crate::config::Config;
use anyhow::{Context, Result};
use neargate_base::time::SystemClock;
use neargate_base::{AccountId, Region, Rng};
use neargate_control::{Options, build, services};
use neargate_service::{Scope, Settings};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The key pair of the account's root user, made at the first start.
pub struct Credentials {
    pub access_key: String,
    pub secret_key: String,
}

fn path(data: &Path) -> PathBuf {
    data.join("credentials")
}

/// The key pair under `data`, made if there is none.
pub fn credentials(data: &Path, rng: &Rng) -> Result<Credentials> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = path(data);
    if !path.exists() {
        let access_key = format!("AKIA{}", rng.hex(16).to_uppercase());
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut f| writeln!(f, "{access_key} {}", rng.hex(40)));
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    read(&path)
}

fn read(path: &Path) -> Result<Credentials> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; has neargate up run?", path.display()))?;
    let (access_key, secret_key) =
        text.trim().split_once(' ').with_context(|| format!("{} is damaged", path.display()))?;
    Ok(Credentials { access_key: access_key.into(), secret_key: secret_key.into() })
}

/// The lines `neargate env` prints.
pub fn lines(config: &Config) -> Result<String> {
    let host = match config.listen.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        std::net::IpAddr::V4(ip) => ip.to_string(),
    };
    let keys = if config.is_development() {
        Credentials { access_key: "neargate".into(), secret_key: "neargate".into() }
    } else {
        read(&path(&config.data))?
    };
    Ok(format!(
        "export AWS_ENDPOINT_URL=http://{host}:{}\n\
         export AWS_ACCESS_KEY_ID={}\n\
         export AWS_SECRET_ACCESS_KEY={}\n\
         export AWS_DEFAULT_REGION={}\n\
         export AWS_REGION={}\n",
        config.listen.port(),
        keys.access_key,
        keys.secret_key,
        config.region,
        config.region
    ))
}

/// Every operation of every service with its status, as JSON; asked of a house built for it.
pub async fn operations() -> Result<String> {
    let scratch = tempfile::tempdir().context("cannot make a scratch directory")?;
    let settings = Settings {
        registry_endpoint: String::new(),
        registry_domain: None,
        default_scope: Scope { account: AccountId::default(), region: Region::default() },
    };
    let options =
        Options { data: scratch.path().into(), account: AccountId::default(), settings };
    let built = build(options, Arc::new(SystemClock), Arc::new(Rng::from_entropy())).await?;
    let tables: Vec<_> = built.house.caller.services().cloned().collect();
    Ok(serde_json::to_string_pretty(&services::operations(&tables))?)
}
