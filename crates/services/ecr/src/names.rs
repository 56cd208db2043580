//! The names of registries and repositories: which account, region and repository a name means.
//!
//! Three forms of one repository (`docs/decisions/0003-registry-names.md`):
//! - AWS's own, `<account>.dkr.ecr.<region>.amazonaws.com/<repository>`, and the same below
//!   `.localhost[:port]`;
//! - `localhost:<port>/<repository>` in the default account and region;
//! - `localhost:<port>/<account>/<region>/<repository>` elsewhere.
//!
//! It knows no store: whether the repository exists is not asked here.

use neargate_base::{AccountId, Region};
use neargate_blob::Digest;
use neargate_service::{Scope, Settings};

/// Which repository is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub scope: Scope,
    pub repository: String,
}

/// The account and region that a registry's host name carries, with or without a port:
/// `<account>.dkr.ecr[-fips].<region>.<domain>`, or `<account>.dkr-ecr.<region>.on.aws`.
pub fn scope_of_host(host: &str) -> Option<Scope> {
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, _)| name)
        .trim_end_matches('.');
    let name = name.to_ascii_lowercase();
    let (account, rest) = name.split_once('.')?;
    let (region, domain) = ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."]
        .iter()
        .find_map(|kind| rest.strip_prefix(kind))?
        .split_once('.')?;
    let known = ["amazonaws.com", "amazonaws.com.cn", "on.aws", "localhost"];
    if !known.contains(&domain) {
        return None;
    }
    Some(Scope {
        account: account.parse().ok()?,
        region: region.parse().ok()?,
    })
}

/// The repository that `path` means on `host`.
pub fn place(host: &str, path: &str, default: &Scope) -> Place {
    if let Some(scope) = scope_of_host(host) {
        return Place {
            scope,
            repository: path.to_owned(),
        };
    }
    match split_scope(path) {
        Some((scope, repository)) => Place {
            scope,
            repository: repository.to_owned(),
        },
        None => Place {
            scope: default.clone(),
            repository: path.to_owned(),
        },
    }
}

/// `<account>/<region>/<repository>` taken apart.
pub fn split_scope(path: &str) -> Option<(Scope, &str)> {
    let mut parts = path.splitn(3, '/');
    let account: AccountId = parts.next()?.parse().ok()?;
    let region: Region = parts.next()?.parse().ok()?;
    let repository = parts.next().filter(|r| !r.is_empty())?;
    Some((Scope { account, region }, repository))
}

/// `repositoryUri`.
pub fn repository_uri(settings: &Settings, scope: &Scope, repository: &str) -> String {
    match &settings.registry_domain {
        Some(domain) => format!("{}/{repository}", aws_host(scope, domain)),
        None => format!(
            "{}/{}",
            settings.registry_endpoint,
            path(settings, scope, repository)
        ),
    }
}

/// The repository's path below our own endpoint.
pub fn path(settings: &Settings, scope: &Scope, repository: &str) -> String {
    if *scope == settings.default_scope {
        return repository.to_owned();
    }
    format!("{}/{}/{repository}", scope.account, scope.region)
}

/// `proxyEndpoint`: where `docker login` goes.
pub fn proxy_endpoint(settings: &Settings, scope: &Scope) -> String {
    match &settings.registry_domain {
        Some(domain) => format!("https://{}", aws_host(scope, domain)),
        None => settings.registry_url(),
    }
}

fn aws_host(scope: &Scope, domain: &str) -> String {
    let china = domain == "amazonaws.com" && scope.region.as_str().starts_with("cn-");
    let china = if china { ".cn" } else { "" };
    format!("{}.dkr.ecr.{}.{domain}{china}", scope.account, scope.region)
}

/// An image as a task names it, when its registry is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnImage {
    pub place: Place,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
    /// The whole name, tag included, as errors show it.
    pub reference: String,
}

/// Why a name in our own registry names no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidReference;

/// Read the name of an image; `None` when it is in some other registry.
pub fn own_image(settings: &Settings, name: &str) -> Option<Result<OwnImage, InvalidReference>> {
    let (host, rest) = name.split_once('/')?;
    if scope_of_host(host).is_none() && !is_own_endpoint(settings, host) {
        return None;
    }
    Some(parse(settings, host, rest))
}

fn parse(settings: &Settings, host: &str, rest: &str) -> Result<OwnImage, InvalidReference> {
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| InvalidReference)?)),
        None => (rest, None),
    };
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) if is_tag(tag) => (path, Some(tag)),
        Some(_) => return Err(InvalidReference),
        None => (rest, digest.is_none().then_some("latest")),
    };
    if !is_repository(path) {
        return Err(InvalidReference);
    }
    let tagged = tag.map(|t| format!(":{t}")).unwrap_or_default();
    let pinned = digest.map(|d: Digest| format!("@{d}")).unwrap_or_default();
    Ok(OwnImage {
        place: place(host, path, &settings.default_scope),
        tag: tag.map(str::to_owned),
        digest,
        reference: format!("{host}/{path}{tagged}{pinned}"),
    })
}

/// Any name of this host with our port.
fn is_own_endpoint(settings: &Settings, host: &str) -> bool {
    let own = settings.registry_endpoint.as_str();
    let port = own.rsplit_once(':').map(|(_, port)| port);
    host == own
        || host.rsplit_once(':').is_some_and(|(name, p)| {
            Some(p) == port && (matches!(name, "localhost" | "[::1]") || name.starts_with("127."))
        })
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (OCI distribution spec, pulling manifests).
pub fn is_tag(tag: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let other = |b: u8| first(b) || b == b'.' || b == b'-';
    tag.len() <= 128 && tag.bytes().next().is_some_and(first) && tag.bytes().all(other)
}

/// Lower-case words with separators between them, joined by slashes (OCI distribution spec).
pub fn is_repository(path: &str) -> bool {
    let separated = |word: &str| {
        let runs = word.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let ok = |run: &str| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-');
        edge(word.bytes().next()) && edge(word.bytes().last()) && runs.into_iter().all(ok)
    };
    path.len() <= 256 + 46 && path.split('/').all(separated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(account: &str, region: &str) -> Scope {
        Scope {
            account: account.parse().unwrap(),
            region: region.parse().unwrap(),
        }
    }

    fn settings(domain: Option<&str>) -> Settings {
        Settings {
            registry_domain: domain.map(str::to_owned),
            ..Settings::new("localhost:4566", scope("000000000000", "us-east-1"))
        }
    }

    #[test]
    fn hosts_that_carry_a_scope() {
        let expected = Some(scope("123456789012", "eu-west-1"));
        for host in [
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.localhost:4566",
            "123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com",
            "123456789012.dkr-ecr.eu-west-1.on.aws",
        ] {
            assert_eq!(scope_of_host(host), expected, "{host}");
        }
        for host in [
            "localhost:4566",
            "12345.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.evil.example",
        ] {
            assert_eq!(scope_of_host(host), None, "{host}");
        }
    }

    #[test]
    fn own_names_round_trip() {
        for domain in [None, Some("amazonaws.com")] {
            let settings = settings(domain);
            for scope in [
                settings.default_scope.clone(),
                scope("123456789012", "cn-north-1"),
            ] {
                let uri = repository_uri(&settings, &scope, "team/web");
                let own = own_image(&settings, &format!("{uri}:v1")).unwrap().unwrap();
                assert_eq!(
                    own.place,
                    Place {
                        scope,
                        repository: "team/web".into()
                    },
                    "{uri}"
                );
                assert_eq!(own.tag.as_deref(), Some("v1"));
            }
        }
        let settings = settings(None);
        let other = scope("123456789012", "us-west-2");
        assert_eq!(
            repository_uri(&settings, &other, "web"),
            "localhost:4566/123456789012/us-west-2/web"
        );
        assert_eq!(
            repository_uri(&settings, &settings.default_scope, "web"),
            "localhost:4566/web"
        );
    }

    #[test]
    fn tags_digests_and_other_registries() {
        let settings = settings(None);
        let pinned = format!("127.0.0.1:4566/web@{}", Digest::of(b"x"));
        let own = own_image(&settings, &pinned).unwrap().unwrap();
        assert_eq!((own.tag, own.digest), (None, Some(Digest::of(b"x"))));
        let own = own_image(&settings, "localhost:4566/web").unwrap().unwrap();
        assert_eq!(own.reference, "localhost:4566/web:latest");
        for other in [
            "nginx",
            "library/nginx:1",
            "localhost:5000/web",
            "public.ecr.aws/x/y:1",
        ] {
            assert_eq!(own_image(&settings, other), None, "{other}");
        }
        for bad in [
            "localhost:4566/Web",
            "localhost:4566/web:",
            "localhost:4566/web@sha256:12",
        ] {
            assert_eq!(
                own_image(&settings, bad),
                Some(Err(InvalidReference)),
                "{bad}"
            );
        }
    }

    #[test]
    fn repository_words() {
        for good in ["a1", "a/b", "a__b", "a---b", "a.b_c/d"] {
            assert!(is_repository(good), "{good}");
        }
        for bad in [
            "", "/a", "a/", "a//b", "a..b", "a___b", "-a", "a-", "A", "../a",
        ] {
            assert!(!is_repository(bad), "{bad}");
        }
    }
}
