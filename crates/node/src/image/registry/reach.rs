//! Where a registry may lead us.
//!
//! What an image's name or the operator's configuration says is the user's word. A token realm, a
//! redirect and the address of a name are a stranger's: they lead to no loopback, link-local or
//! unspecified address (our own port is there, and instance metadata), and never from HTTPS to
//! plain HTTP. Other addresses of this host are reached, as those of any private network are.

use crate::image::options::RegistryConfig;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// The number that reqwest itself has.
const MAX_REDIRECTS: usize = 10;

/// Why a way is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Forbidden {
    #[error("{0} is an address of this host or its link, where no registry elsewhere leads")]
    Here(String),
    #[error("{0} is not encrypted, and what leads there is")]
    Plain(String),
    #[error("too many redirects")]
    TooMany,
}

/// May whoever answered at `from` lead us to `to`?
pub(super) fn lead(from: &Url, to: &Url) -> Result<(), Forbidden> {
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(Forbidden::Plain(shown(to)));
    }
    // Who is on this host himself leads to nothing new.
    if is_here(to) && !is_here(from) {
        return Err(Forbidden::Here(shown(to)));
    }
    Ok(())
}

/// Follows redirects where each of the chain may lead to the next.
pub(super) fn redirects() -> Policy {
    Policy::custom(|attempt: Attempt<'_>| {
        let led = match attempt.previous() {
            all if all.len() > MAX_REDIRECTS => Err(Forbidden::TooMany),
            all => all.iter().try_for_each(|from| lead(from, attempt.url())),
        };
        match led {
            Ok(()) => attempt.follow(),
            Err(why) => attempt.error(why),
        }
    })
}

/// The URL without what might be secret in it.
fn shown(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.authority())
}

/// Does the URL itself name this host or its link?
fn is_here(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return true;
    };
    let bare = host.trim_matches(['[', ']']);
    match bare.parse::<IpAddr>() {
        Ok(address) => is_near(address),
        Err(_) => {
            let name = bare.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// Is the address this host's own, its link's, or nobody's in particular? IPv4 may be wrapped.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_loopback()
                || v4.octets()[0] == 0
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_multicast()
        }
        IpAddr::V6(v6) => {
            let near = v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
                // EC2's instance metadata and task services.
                || v6.segments()[..2] == [0xfd00, 0x0ec2];
            near || wrapped(v6).is_some_and(|v4| is_near(v4.into()))
        }
    }
}

/// The IPv4 address in a mapped, compatible, NAT64 or 6to4 address.
fn wrapped(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = (v6.segments(), v6.octets());
    let last = || Ipv4Addr::new(low[12], low[13], low[14], low[15]);
    match high {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Some(last()),
        [0x64, 0xff9b, 0 | 1, ..] => Some(last()),
        [0x2002, ..] => Some(Ipv4Addr::new(low[2], low[3], low[4], low[5])),
        _ => None,
    }
}

/// Looks names up, and forgets addresses of this host unless the operator named the host himself:
/// as a mirror, as an insecure registry, or as a proxy. What is connected to is what was checked.
#[derive(Debug, Clone)]
pub(super) struct Names {
    own: Arc<BTreeSet<String>>,
}

impl Names {
    pub(super) fn new(config: &RegistryConfig) -> Names {
        let mirrors = config.mirrors.values().flatten().map(String::as_str);
        let insecure = config.insecure.iter().map(String::as_str);
        let variables = ["http_proxy", "https_proxy", "all_proxy"];
        let proxies: Vec<String> = variables
            .iter()
            .flat_map(|v| [std::env::var(v), std::env::var(v.to_uppercase())])
            .flatten()
            .collect();
        let all = mirrors
            .chain(insecure)
            .chain(proxies.iter().map(String::as_str));
        let own = all.filter_map(host_of).collect();
        Names { own: Arc::new(own) }
    }
}

/// The host in `[scheme://][user@]host[:port][/path]`.
fn host_of(text: &str) -> Option<String> {
    let whole = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    Some(Url::parse(&whole).ok()?.host_str()?.to_ascii_lowercase())
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let own = self.own.clone();
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            let trusted = own.contains(&name.to_ascii_lowercase());
            let far: Vec<SocketAddr> = found
                .iter()
                .copied()
                .filter(|a| trusted || !is_near(a.ip()))
                .collect();
            match found.first() {
                Some(first) if far.is_empty() => {
                    let what = format!("{name} ({})", first.ip());
                    Err(Forbidden::Here(what).into())
                }
                _ => Ok(Box::new(far.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(from: &str, to: &str) -> bool {
        let url = |text: &str| Url::parse(text).expect("a URL");
        lead(&url(from), &url(to)).is_ok()
    }

    #[test]
    fn nobody_elsewhere_leads_to_this_host_or_its_link() {
        for near in [
            "https://127.0.0.1:4566/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0/",
            "https://0.0.0.0:4566/",
            "https://169.254.169.254/latest/meta-data/",
            "https://169.254.170.2/v2/credentials",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://x.localhost:4566/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
        ] {
            assert!(!led("https://registry.example/v2/", near), "{near}");
            assert!(!led("http://10.0.0.5:5000/v2/", near), "{near}");
        }
        for far in [
            "https://auth.docker.io/token",
            "https://10.0.0.5/",
            "https://192.168.1.1:5000/",
            "https://[2001:db8::1]/",
            "https://localhost.example/",
        ] {
            assert!(led("https://registry.example/v2/", far), "{far}");
        }
    }

    #[test]
    fn a_registry_on_this_host_leads_where_it_likes() {
        assert!(led(
            "http://localhost:5000/v2/",
            "http://127.0.0.1:5001/token"
        ));
        assert!(led(
            "http://127.0.0.1:5000/v2/",
            "https://storage.example/blob"
        ));
    }

    #[test]
    fn encryption_is_kept() {
        assert!(!led("https://a.example/", "http://b.example/"));
        assert!(!led("https://a.example/", "ftp://b.example/"));
        assert!(led("http://a.example/", "http://b.example/"));
        assert!(led("http://a.example/", "https://b.example/"));
    }

    #[tokio::test]
    async fn names_of_this_host_are_unknown_unless_the_operator_gave_them() {
        let resolve = async |config: &RegistryConfig| {
            let names = Names::new(config);
            names.resolve("localhost".parse().expect("a name")).await
        };
        let mut config = RegistryConfig::default();
        let refused = resolve(&config).await.err().expect("refused");
        assert!(refused.is::<Forbidden>(), "{refused}");
        config.insecure.push("localhost:5000".into());
        assert!(resolve(&config).await.is_ok_and(|mut a| a.next().is_some()));
    }
}
