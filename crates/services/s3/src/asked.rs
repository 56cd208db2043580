//! How the request that is being answered came in, as policies ask for it. The task that carries a
//! request knows; what a service asks from within came by nothing.

use http::HeaderMap;
use http::header::{REFERER, USER_AGENT};
use neargate_service::authority::Circumstances;
use std::net::IpAddr;
use std::sync::Arc;

tokio::task_local! {
    static CURRENT: Arc<Asked>;
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub from: Circumstances,
    /// S3's own condition keys, each with its value
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html>).
    pub keys: Vec<(String, String)>,
}

impl Asked {
    /// What the head of a request says.
    pub fn by(source: Option<IpAddr>, secure: bool, headers: &HeaderMap, query: &str) -> Asked {
        let text = |name| headers.get(name).and_then(|h| h.to_str().ok());
        let mut asked = Asked {
            from: Circumstances {
                source,
                secure,
                user_agent: text(USER_AGENT).map(str::to_owned),
                referer: text(REFERER).map(str::to_owned),
                ..Circumstances::default()
            },
            keys: Vec::new(),
        };
        for (name, value) in headers {
            if let Ok(value) = value.to_str() {
                asked.say(name.as_str(), value);
            }
        }
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = value.replace('+', " ");
            let value = percent_encoding::percent_decode_str(&plain).decode_utf8_lossy();
            let key = match name {
                "prefix" | "delimiter" | "max-keys" => name,
                "versionId" => "VersionId",
                // A signed link says there what a header says otherwise.
                _ => {
                    asked.say(&name.to_ascii_lowercase(), &value);
                    continue;
                }
            };
            asked.keys.push((format!("s3:{key}"), value.into_owned()));
        }
        asked
    }

    /// What a header says, or a field of a form.
    pub fn say(&mut self, name: &str, value: &str) {
        let key = match name {
            "acl" => "x-amz-acl",
            name if KEYS.contains(&name) || name.starts_with("x-amz-grant-") => name,
            "x-amz-tagging" => return self.say_tags(value),
            _ => return,
        };
        self.keys.push((format!("s3:{key}"), value.to_owned()));
    }

    /// The tags that an object is put with.
    fn say_tags(&mut self, text: &str) {
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = |text: &str| {
                let text = text.replace('+', " ");
                let plain = percent_encoding::percent_decode_str(&text);
                plain.decode_utf8_lossy().into_owned()
            };
            let key = format!("s3:RequestObjectTag/{}", plain(key));
            self.keys.push((key, plain(value)));
        }
    }

    /// Does work for a request that came in so.
    pub async fn while_doing<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(Arc::new(self), work).await
    }

    /// How the request came in that this task carries.
    pub fn current() -> Option<Arc<Asked>> {
        CURRENT.try_with(Arc::clone).ok()
    }
}

/// Headers that are condition keys.
const KEYS: [&str; 12] = [
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-legal-hold",
];
