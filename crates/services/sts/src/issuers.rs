//! The keys of identity providers, from where the operator said that they are: a file, or an
//! address. What IAM knows of a provider leads nowhere: callers without a name would choose whom
//! this host connects to.

use crate::error;
use crate::jwt::{Jwt, KeySet};
use neargate_base::Timestamp;
use neargate_service::{AwsError, House};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;

/// Keys are asked for again when they are this old, and when a token names another.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// No issuer is asked more often.
const PAUSE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 1 << 20;

/// What was fetched, by issuer.
#[derive(Debug, Default)]
pub(crate) struct Issuers(Mutex<BTreeMap<String, (Timestamp, KeySet)>>);

impl Issuers {
    /// Is the token signed with a key of this issuer?
    pub(crate) async fn vouch(
        &self,
        house: &House,
        issuer: &str,
        token: &Jwt,
    ) -> Result<bool, AwsError> {
        let source = house.settings.oidc_keys.get(issuer);
        let source = source.ok_or_else(error::no_verification_key)?;
        if !source.starts_with("https://") && !source.starts_with("http://") {
            let bytes = tokio::fs::read(source).await;
            let keys = bytes.map_err(|e| error::no_verification_key().caused_by(e))?;
            return Ok(token.is_signed_by(&read(&keys)?));
        }
        let now = house.now();
        let known = self.0.lock().get(issuer).cloned();
        if let Some((at, keys)) = known {
            let age = now.since(at);
            let holds = token.is_signed_by(&keys);
            if (holds && age < FRESH) || age < PAUSE {
                return Ok(holds);
            }
        }
        // Whatever comes of it, it is not asked again at once.
        let empty = (now, KeySet::default());
        self.0.lock().insert(issuer.to_owned(), empty);
        let keys = fetch(source).await?;
        self.0.lock().insert(issuer.to_owned(), (now, keys.clone()));
        Ok(token.is_signed_by(&keys))
    }
}

async fn fetch(url: &str) -> Result<KeySet, AwsError> {
    let failed = |e: reqwest::Error| error::no_verification_key().caused_by(e);
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(failed)?;
    let mut answer = client.get(url).send().await.map_err(failed)?;
    answer = answer.error_for_status().map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            return Err(error::no_verification_key());
        }
    }
    read(&bytes)
}

fn read(bytes: &[u8]) -> Result<KeySet, AwsError> {
    serde_json::from_slice(bytes).map_err(|e| error::no_verification_key().caused_by(e))
}
