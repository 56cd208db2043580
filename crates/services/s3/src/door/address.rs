//! Which bucket and which object a request is about: by its host name, else by its path
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>).

use http::header::HOST;
use http::request::Parts;
use percent_encoding::percent_decode_str;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub bucket: Option<String>,
    /// The path with the bucket in it, still percent-encoded.
    pub path: String,
    /// It came to a website's host.
    pub website: bool,
}

impl Address {
    pub fn of(parts: &Parts) -> Address {
        let path = parts.uri.path();
        match of_host(&host(parts)) {
            Some((bucket, website)) => Address {
                path: format!("/{bucket}{path}"),
                bucket: Some(bucket),
                website,
            },
            None => Address {
                bucket: of_path(path),
                path: path.to_owned(),
                website: false,
            },
        }
    }

    /// The object's key; `None`: the bucket itself, or what is not UTF-8.
    pub fn key(&self) -> Option<String> {
        let rest = self.path.strip_prefix('/')?;
        let (_, key) = rest.split_once('/')?;
        let key = percent_decode_str(key).decode_utf8().ok()?;
        (!key.is_empty()).then(|| key.into_owned())
    }
}

/// Without its port, in lower case.
fn host(parts: &Parts) -> String {
    let authority = parts.uri.authority().map(|a| a.as_str());
    let header = || parts.headers.get(HOST).and_then(|h| h.to_str().ok());
    let host = authority.or_else(header).unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    host.to_ascii_lowercase()
}

/// The bucket that a host name names, and whether it is a website's.
fn of_host(host: &str) -> Option<(String, bool)> {
    for (mark, website) in [
        (".s3-website.", true),
        (".s3-website-", true),
        (".s3.", false),
        (".s3-", false),
    ] {
        if let Some((bucket, _)) = host.split_once(mark) {
            return Some((bucket.to_owned(), website));
        }
    }
    let bucket = host.strip_suffix(".localhost")?;
    let endpoint = bucket == "s3" || bucket.starts_with("s3.") || bucket.starts_with("s3-");
    (!endpoint).then(|| (bucket.to_owned(), false))
}

fn of_path(path: &str) -> Option<String> {
    let first = path.strip_prefix('/')?.split('/').next()?;
    let bucket = percent_decode_str(first).decode_utf8().ok()?;
    (!bucket.is_empty()).then(|| bucket.into_owned())
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn a_bucket_is_named_by_host_or_path() {
        for (host, path, bucket, whole, website) in [
            (
                "localhost:4566",
                "/b/k//x/../y",
                Some("b"),
                "/b/k//x/../y",
                false,
            ),
            ("localhost:4566", "/", None, "/", false),
            ("127.0.0.1:4566", "/b", Some("b"), "/b", false),
            ("b.localhost:4566", "/k", Some("b"), "/b/k", false),
            ("s3.localhost:4566", "/b/k", Some("b"), "/b/k", false),
            ("b.s3.localhost:4566", "/k", Some("b"), "/b/k", false),
            (
                "a.b.s3.eu-west-1.amazonaws.com",
                "/",
                Some("a.b"),
                "/a.b/",
                false,
            ),
            (
                "s3.eu-west-1.amazonaws.com",
                "/b/k",
                Some("b"),
                "/b/k",
                false,
            ),
            ("b.s3-website.localhost:4566", "/k", Some("b"), "/b/k", true),
        ] {
            let request = http::Request::get(path)
                .header("host", host)
                .body(())
                .unwrap();
            let (parts, ()) = request.into_parts();
            let expected = Address {
                bucket: bucket.map(str::to_owned),
                path: whole.to_owned(),
                website,
            };
            assert_eq!(Address::of(&parts), expected, "{host}{path}");
        }
    }
}
