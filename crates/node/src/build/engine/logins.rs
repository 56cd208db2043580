//! Registries as an engine's clients know them: logins that come with requests, and our own registry by
//! AWS's names.

use crate::build::Registries;
use crate::image::Reference;
use async_trait::async_trait;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use neargate_base::Secret;
use neargate_domain::RegistryLogin;
use parking_lot::Mutex;
use serde::Deserialize;
use std::collections::HashMap;

/// Docker's clients send URL-safe base64, with and without its padding.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Our own registry: where it is reached.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// `host:port`; `None`: not from here.
    pub endpoint: Option<String>,
}

/// Logins by the host that they are for, as requests brought them.
#[derive(Debug, Default)]
pub struct EngineRegistries {
    own: Own,
    logins: Mutex<HashMap<String, RegistryLogin>>,
}

/// `X-Registry-Auth`, and each of `X-Registry-Config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Login {
    pub username: String,
    pub password: String,
    pub serveraddress: String,
    pub auth: String,
}

impl Login {
    pub fn login(self) -> Option<RegistryLogin> {
        let pair = URL_SAFE
            .decode(self.auth.replace('+', "-").replace('/', "_"))
            .ok();
        let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
        let (username, password) = match pair.as_deref().and_then(|p| p.split_once(':')) {
            Some((username, password)) => (username.to_owned(), password.to_owned()),
            None => (self.username, self.password),
        };
        (!username.is_empty()).then(|| RegistryLogin {
            username,
            password: Secret::new(password),
        })
    }
}

impl EngineRegistries {
    pub fn new(own: Own) -> EngineRegistries {
        EngineRegistries {
            own,
            logins: Mutex::default(),
        }
    }

    /// `X-Registry-Config`: the logins of a build.
    pub(super) fn take_config(&self, header: &str) {
        let Ok(bytes) = URL_SAFE.decode(header) else {
            return;
        };
        let all: HashMap<String, Login> = serde_json::from_slice(&bytes).unwrap_or_default();
        for (host, login) in all {
            self.take(&host, login);
        }
    }

    /// `X-Registry-Auth`: the login of the registry that `name` is at.
    pub(super) fn take_auth(&self, header: &str, name: &str) {
        let Ok(bytes) = URL_SAFE.decode(header) else {
            return;
        };
        let login: Login = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Ok(reference) = name.parse::<Reference>() {
            self.take(&reference.domain, login);
        }
    }

    fn take(&self, host: &str, login: Login) {
        if let Some(login) = login.login() {
            self.logins.lock().insert(bare(host).to_owned(), login);
        }
    }

    /// The host under which a registry is reached.
    pub(super) fn host(&self, host: &str) -> String {
        match (of_aws(bare(host)), &self.own.endpoint) {
            (Some(_), Some(endpoint)) => endpoint.clone(),
            _ => bare(host).to_owned(),
        }
    }
}

/// `https://index.docker.io/v1/` is `docker.io`.
fn bare(host: &str) -> &str {
    let host = host.split_once("://").map_or(host, |(_, rest)| rest);
    match host.split('/').next().unwrap_or(host) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

/// `<account>.dkr.ecr.<region>.amazonaws.com`: the account and the region.
fn of_aws(host: &str) -> Option<(&str, &str)> {
    let name = host.split(':').next().unwrap_or(host);
    let (account, rest) = name.split_once('.')?;
    let rest = rest
        .strip_prefix("dkr.ecr.")
        .or_else(|| rest.strip_prefix("dkr.ecr-fips."))?;
    let (region, domain) = rest.split_once('.')?;
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let is_ours = ["amazonaws.com", "amazonaws.com.cn", "localhost"].contains(&domain);
    (is_account && is_ours && region.contains('-')).then_some((account, region))
}

#[async_trait]
impl Registries for EngineRegistries {
    async fn reach(&self, name: &str) -> Result<(String, Option<RegistryLogin>), String> {
        let reference: Reference = name.parse().map_err(|e| format!("{name}: {e}"))?;
        let login = self.logins.lock().get(&reference.domain).cloned();
        let Some((account, region)) = of_aws(&reference.domain) else {
            return Ok((name.to_owned(), login));
        };
        let Some(endpoint) = &self.own.endpoint else {
            return Err(format!(
                "{}: our own registry is not reached from this node yet",
                reference.domain
            ));
        };
        let full = reference.to_string();
        let rest = full.strip_prefix(&reference.domain).unwrap_or_default();
        Ok((format!("{endpoint}/{account}/{region}{rest}"), login))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_of_aws_lead_to_our_own_registry() {
        let own = Own {
            endpoint: Some("169.254.169.253:4566".into()),
        };
        let all = EngineRegistries::new(own);
        // {"000000000000.dkr.ecr.eu-west-1.amazonaws.com":{"username":"AWS","password":"p"}}
        all.take_config("eyIwMDAwMDAwMDAwMDAuZGtyLmVjci5ldS13ZXN0LTEuYW1hem9uYXdzLmNvbSI6eyJ1c2VybmFtZSI6IkFXUyIsInBhc3N3b3JkIjoicCJ9fQ==");
        let (name, login) = all
            .reach("000000000000.dkr.ecr.eu-west-1.amazonaws.com/a/b:1")
            .await
            .unwrap();
        assert_eq!(name, "169.254.169.253:4566/000000000000/eu-west-1/a/b:1");
        assert_eq!(login.unwrap().username, "AWS");
        assert_eq!(
            all.reach("quay.io/x").await.unwrap(),
            ("quay.io/x".into(), None)
        );
        for host in [
            "1.dkr.ecr.eu-west-1.amazonaws.com",
            "000000000000.dkr.ecr.eu-west-1.evil.example",
        ] {
            assert_eq!(of_aws(host), None, "{host}");
        }
        assert_eq!(bare("https://index.docker.io/v1/"), "docker.io");
        let none = EngineRegistries::default();
        assert!(
            none.reach("000000000000.dkr.ecr.eu-west-1.amazonaws.com/a")
                .await
                .is_err()
        );
    }
}
