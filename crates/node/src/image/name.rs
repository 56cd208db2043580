//! Image names, normalised as Docker does (`distribution/reference`'s grammar):
//! `nginx` is `docker.io/library/nginx:latest`.
//!
//! Which names are our own registry's is not decided here.

use neargate_blob::Digest;
use std::fmt;
use std::str::FromStr;

/// A parsed, normalised image name. Without tag and digest, the tag is `latest`; with both, the
/// digest counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Registry host with its port, if any: `docker.io`, `localhost:4566`.
    pub domain: String,
    /// Repository path: `library/nginx`.
    pub path: String,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

/// Not an image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("invalid reference format")]
    Format,
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    #[error("repository name must not be more than 255 characters")]
    TooLong,
}

impl Reference {
    /// What a manifest request asks for: the digest, else the tag.
    pub fn target(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| InvalidName::Format)?)),
            None => (text, None),
        };
        let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_start..].find(':') {
            Some(colon) => (
                &rest[..name_start + colon],
                Some(&rest[name_start + colon + 1..]),
            ),
            None => (rest, None),
        };
        if tag.is_some_and(|t| !is_tag(t)) {
            return Err(InvalidName::Format);
        }
        let (domain, path) = split_domain(name);
        let path = match domain == "docker.io" && !path.contains('/') {
            true => format!("library/{path}"),
            false => path.to_owned(),
        };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidName::Uppercase(path));
        }
        if !is_domain(domain) || !path.split('/').all(is_component) {
            return Err(InvalidName::Format);
        }
        if domain.len() + 1 + path.len() > 255 {
            return Err(InvalidName::TooLong);
        }
        // Docker refuses what looks like an image id.
        let is_id = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        if is_id && tag.is_none() && digest.is_none() {
            return Err(InvalidName::Format);
        }
        let domain = domain.to_owned();
        Ok(Reference {
            domain,
            path,
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        match (&self.tag, &self.digest) {
            (None, None) => f.write_str(":latest"),
            (tag, digest) => {
                tag.iter().try_for_each(|t| write!(f, ":{t}"))?;
                digest.iter().try_for_each(|d| write!(f, "@{d}"))
            }
        }
    }
}

/// The first part is a host if it looks like one: a dot, a port, `localhost`, or capitals.
fn split_domain(name: &str) -> (&str, &str) {
    let Some((first, rest)) = name.split_once('/') else {
        return ("docker.io", name);
    };
    let capital = first.bytes().any(|b| b.is_ascii_uppercase());
    match first {
        "index.docker.io" => ("docker.io", rest),
        _ if first.contains(['.', ':']) || first == "localhost" || capital => (first, rest),
        _ => ("docker.io", name),
    }
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((address, port)) => {
                let ok = !address.is_empty()
                    && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
                return ok && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
            }
            None => return false,
        },
        None => domain
            .split_once(':')
            .map_or((domain, None), |(h, p)| (h, Some(p))),
    };
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    port.is_none_or(is_port) && host.split('.').all(label)
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit())
}

/// Letters and digits, with single separators between them: `.`, `_`, `__` or any number of `-`.
fn is_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    let separators = bytes.split(|b| alphanumeric(*b)).filter(|s| !s.is_empty());
    alphanumeric(first)
        && alphanumeric(last)
        && separators
            .into_iter()
            .all(|s| matches!(s, b"." | b"_" | b"__") || s.iter().all(|b| *b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = tag.as_bytes();
    (1..=128).contains(&bytes.len())
        && word(bytes[0])
        && bytes.iter().all(|b| word(*b) || *b == b'.' || *b == b'-')
}
