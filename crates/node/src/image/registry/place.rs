//! [`Place`]: one repository at one registry or mirror, as URLs.

use crate::image::name::Reference;
use crate::image::options::RegistryConfig;
use neargate_domain::RegistryLogin;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::image) struct Place {
    /// `https://registry-1.docker.io`
    pub(super) base: String,
    /// `library/nginx`, behind the mirror's prefix if it has one.
    pub(super) repository: String,
    pub(super) loopback: bool,
    /// As whom it is asked.
    pub(super) login: Option<Login>,
    /// It is written to as well.
    pub(super) writes: bool,
}

/// Tokens are somebody's: what one is shown, another is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login(pub(super) RegistryLogin);

impl Hash for Login {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.username.hash(state);
    }
}

impl Place {
    /// The mirrors to ask first, and the registry itself.
    pub(super) fn of(reference: &Reference, config: &RegistryConfig) -> (Vec<Place>, Place) {
        let host = match reference.domain.as_str() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let bare = without_port(host);
        let insecure = config.insecure.iter().any(|i| i == host || i == bare);
        let scheme = if insecure || is_loopback(host) {
            "http"
        } else {
            "https"
        };
        let itself = Place {
            base: format!("{scheme}://{host}"),
            repository: reference.path.clone(),
            loopback: is_loopback(host),
            login: None,
            writes: false,
        };
        let mirrors = config.mirrors.get(&reference.domain).into_iter().flatten();
        (
            mirrors
                .map(|url| Place::mirror(url, &reference.path))
                .collect(),
            itself,
        )
    }

    fn mirror(url: &str, path: &str) -> Place {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // containerd's form of a prefix, `https://host/v2/prefix`, means the same.
        let prefix = prefix.trim_matches('/');
        let prefix = prefix
            .strip_prefix("v2/")
            .unwrap_or(if prefix == "v2" { "" } else { prefix });
        Place {
            base: format!("{scheme}://{host}"),
            repository: if prefix.is_empty() {
                path.to_owned()
            } else {
                format!("{prefix}/{path}")
            },
            loopback: is_loopback(host),
            login: None,
            writes: false,
        }
    }

    /// The same, asked as somebody.
    pub(super) fn asked_as(self, login: Option<&RegistryLogin>) -> Place {
        Place {
            login: login.cloned().map(Login),
            ..self
        }
    }

    /// The same, to be written to.
    pub(super) fn for_writing(self) -> Place {
        Place {
            writes: true,
            ..self
        }
    }

    /// What a token is asked for.
    pub(super) fn actions(&self) -> &'static str {
        match self.writes {
            true => "pull,push",
            false => "pull",
        }
    }

    /// Whatever it shows, it shows to everybody.
    pub(in crate::image) fn is_public(&self) -> bool {
        self.login.is_none()
    }

    /// `kind` is `manifests` or `blobs`.
    pub(super) fn url(&self, kind: &str, name: &str) -> String {
        format!("{}/v2/{}/{kind}/{name}", self.base, self.repository)
    }
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    }
}

/// Docker takes 127.0.0.0/8 and `::1` for insecure registries; `*.localhost` is loopback by
/// RFC 6761.
fn is_loopback(host: &str) -> bool {
    let bare = without_port(host);
    let by_address = bare.parse::<IpAddr>().is_ok_and(|a| a.is_loopback());
    by_address || bare == "localhost" || bare.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_first_and_loopback_is_plain() {
        let mut config = RegistryConfig::default();
        let hub = vec![
            "http://10.0.0.5:5000".into(),
            "https://mirror.example/v2/hub/".into(),
        ];
        config.mirrors.insert("docker.io".into(), hub);
        config.insecure.push("registry.lan".into());
        let place = |name: &str| Place::of(&name.parse().unwrap(), &config);
        let (mirrors, itself) = place("nginx:1");
        assert_eq!(
            mirrors[0].url("manifests", "1"),
            "http://10.0.0.5:5000/v2/library/nginx/manifests/1"
        );
        assert_eq!(
            mirrors[1].url("blobs", "x"),
            "https://mirror.example/v2/hub/library/nginx/blobs/x"
        );
        assert_eq!(itself.base, "https://registry-1.docker.io");
        assert!(!itself.loopback);
        for (name, base) in [
            ("localhost:4566/a", "http://localhost:4566"),
            ("127.0.0.2:80/a", "http://127.0.0.2:80"),
            ("[::1]:5000/a", "http://[::1]:5000"),
            ("x.localhost/a", "http://x.localhost"),
            ("registry.lan:5000/a", "http://registry.lan:5000"),
            ("quay.io/a/b", "https://quay.io"),
        ] {
            let (mirrors, itself) = place(name);
            assert_eq!((mirrors.len(), itself.base.as_str()), (0, base));
        }
    }
}
