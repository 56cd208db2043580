//! What other programs need to know of this Neargate.

pub mod shell;

use crate::config::Config;
use crate::operator;
use anyhow::{Context, Result};

use neargate_base::time::SystemClock;
use neargate_base::{AccountId, Region, Rng, access_key};
use neargate_control::operator::Keys;
use neargate_control::{ControlPlane, Options, services};
use neargate_domain::link::Done;
use neargate_service::sealing::{self, Sealed};
use neargate_service::{House, Scope, Settings};
use shell::Shell;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// The key pair of the account's root user, made at the first start.
pub struct Credentials {
    pub access_key: String,
    pub secret_key: String,
}

/// The root's key pair as the data directory has it: the secret is sealed, so that whoever reads the
/// file alone signs nothing.
const FILE: &str = "credentials";
const CONTEXT: &str = "root credentials";

/// The key pair under `data`, and whether it was made just now.
///
/// # Errors
/// The file cannot be read or written, or is damaged.
pub fn credentials(data: &Path, account: &AccountId, house: &House) -> Result<(Credentials, bool)> {
    let path = data.join(FILE);
    let damaged = || format!("{} is damaged", path.display());
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let made = Credentials {
                access_key: access_key::issue(account, &house.rng),
                secret_key: sealing::access_secret().expose().clone(),
            };
            write(&path, &made, house)?;
            return Ok((made, true));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let (access_key, kept) = text.trim().split_once(' ').with_context(damaged)?;
    // Older versions kept the secret as it is: forty hexadecimal digits.
    let is_plain = kept.len() == 40 && kept.bytes().all(|b| b.is_ascii_hexdigit());
    let secret_key = match is_plain {
        true => kept.to_owned(),
        false => {
            let sealed = Sealed::try_from(kept.to_owned()).with_context(damaged)?;
            let opened = house
                .root_key
                .open(CONTEXT, &sealed)
                .with_context(damaged)?;
            String::from_utf8(opened).with_context(damaged)?
        }
    };
    let read = Credentials {
        access_key: access_key.to_owned(),
        secret_key,
    };
    if is_plain {
        write(&path, &read, house)?;
    }
    Ok((read, false))
}

fn write(path: &Path, keys: &Credentials, house: &House) -> Result<()> {
    let sealed = house.root_key.seal(CONTEXT, keys.secret_key.as_bytes());
    let text = format!("{} {}\n", keys.access_key, String::from(sealed));
    crate::installation::replace(path, &text)
}

/// Where clients of this host reach the API.
pub fn endpoint(config: &Config) -> String {
    let host = match config.listen.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        std::net::IpAddr::V4(ip) => ip.to_string(),
    };
    let scheme = if config.tls { "https" } else { "http" };
    format!("{scheme}://{host}:{}", config.listen.port())
}

/// The address of a listener.
pub fn url(tls: bool, address: SocketAddr) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// The keys to call it with: those of the account's root user, which the one that runs tells whoever
/// may ask its operator's socket; in development mode any will do for everybody else who may call.
pub fn keys(config: &Config) -> Result<Credentials> {
    match operator::ask_at::<_, Keys>(config, "GET", "/v1/root-keys", &Done {}) {
        Ok(keys) => Ok(Credentials {
            access_key: keys.access_key,
            secret_key: keys.secret_key,
        }),
        Err(_) if config.is_development() => Ok(Credentials {
            access_key: "neargate".into(),
            secret_key: "neargate".into(),
        }),
        Err(error) => Err(error.context("the root's keys are not to be had")),
    }
}

/// What leads AWS clients elsewhere, whatever the endpoint and the keys are: another profile, the
/// token of other keys, and a word to ignore the endpoint.
const ELSEWHERE: [&str; 5] = [
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
];

/// The lines `neargate env` prints.
///
/// The models put a prefix before the host of a few operations (`stream-` for `StartLiveTail`,
/// `data-` for `DiscoverInstances`), and no resolver knows `stream-127.0.0.1`: the aws CLI and
/// boto3 leave it away when they are told to.
pub fn lines(config: &Config, shell: Shell) -> Result<String> {
    let keys = keys(config)?;
    let region = config.region.to_string();
    let of_a_service = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let of_a_service = of_a_service.filter(|name| name.starts_with("AWS_ENDPOINT_URL_"));
    let elsewhere = ELSEWHERE.map(str::to_owned).into_iter().chain(of_a_service);
    let mut lines = shell.unset(&elsewhere.collect::<Vec<_>>());
    for (name, value) in [
        ("AWS_ENDPOINT_URL", &endpoint(config)),
        ("AWS_ACCESS_KEY_ID", &keys.access_key),
        ("AWS_SECRET_ACCESS_KEY", &keys.secret_key),
        ("AWS_DEFAULT_REGION", &region),
        ("AWS_REGION", &region),
        ("AWS_DISABLE_HOST_PREFIX_INJECTION", &"true".to_owned()),
    ] {
        lines.push_str(&shell.set(name, value));
    }
    // botocore, the CLI's and boto3's; curl; and what goes by OpenSSL's or Go's names.
    if let Some(file) = config.tls_authority.as_ref().filter(|_| config.tls) {
        let file = file.display().to_string();
        for name in ["AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"] {
            lines.push_str(&shell.set(name, &file));
        }
    }
    if aws_cli_version().is_some_and(|v| !reads_endpoint_url(&v)) {
        lines
            .push_str("# This aws CLI does not read AWS_ENDPOINT_URL, or not for every service.\n");
        lines.push_str(shell.aws());
    }
    Ok(lines)
}

/// The first line of `aws --version`, such as `aws-cli/2.9.19 Python/3.11.2 ...`.
fn aws_cli_version() -> Option<String> {
    let said = std::process::Command::new("aws")
        .arg("--version")
        .output()
        .ok()?;
    Some(
        String::from_utf8_lossy(&said.stdout)
            .lines()
            .next()?
            .to_owned(),
    )
}

/// Version 2 does from 2.13 on; Debian 12 has 2.9. Version 1 does from 1.29 on, but for SQS, which it
/// asks at AWS's own names (`overridesslcommonname.py` in its source).
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>)
fn reads_endpoint_url(version: &str) -> bool {
    let number = version.strip_prefix("aws-cli/").unwrap_or_default();
    let mut parts = number
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|n| n.parse().ok());
    match (parts.next(), parts.next()) {
        (Some(1u32), _) => false,
        (Some(2), Some(minor)) => minor >= 13u32,
        _ => true,
    }
}

/// Every operation of every service with its status, as JSON; asked of a house built for it.
pub async fn operations() -> Result<String> {
    let scratch = tempfile::tempdir().context("cannot make a scratch directory")?;
    let scope = Scope {
        account: AccountId::default(),
        region: Region::default(),
    };
    let options = Options {
        data: scratch.path().into(),
        account: AccountId::default(),
        settings: Settings::new("", scope),
        new_state: false,
        root_key: Default::default(),
        times: Default::default(),
        relay: None,
    };
    let control_plane = ControlPlane::start(
        options,
        Arc::new(SystemClock),
        Arc::new(Rng::from_entropy()),
    )
    .await?;
    let tables: Vec<_> = control_plane.house.caller.services().cloned().collect();
    Ok(serde_json::to_string_pretty(&services::operations(
        &tables,
    ))?)
}

#[cfg(test)]
mod tests {
    use super::reads_endpoint_url;

    #[test]
    fn old_clis_are_known() {
        assert!(!reads_endpoint_url(
            "aws-cli/2.9.19 Python/3.11.2 Linux/6.1"
        ));
        assert!(!reads_endpoint_url("aws-cli/1.24.0 Python/3.9"));
        assert!(!reads_endpoint_url("aws-cli/1.45.11 Python/3.11.7"));
        assert!(reads_endpoint_url("aws-cli/2.13.0 Python/3.11.2"));
        assert!(reads_endpoint_url("something else"));
    }
}
