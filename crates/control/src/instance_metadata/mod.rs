//! What an instance is told of itself at 169.254.169.254: the instance metadata service, version 2
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>).
//!
//! It knows no sockets: whoever has them says from which address of which VPC it was asked. Invariants:
//! nothing is told without a token, which is of that instance alone; a token is kept by nobody, for it
//! says all of itself.

mod item;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, StatusCode};
use neargate_base::Timestamp;
use neargate_service::instance::{Instance, State};
use neargate_service::sealing::Sealed;
use neargate_service::{AwsError, House, Resource, Stored};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// How far from the instance an answer goes: into its containers, as `DescribeInstances` says.
pub const HOP_LIMIT: u32 = 2;

const TOKEN: &str = "x-aws-ec2-metadata-token";
/// How long a token is to be good, in seconds.
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const LONGEST_TTL: u64 = 21_600;
/// What tokens are sealed for.
const CONTEXT: &str = "instance metadata token";

/// The service, for every instance of this host.
#[derive(Debug, Clone)]
pub struct InstanceMetadata {
    house: Arc<House>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
    pub content_type: &'static str,
    /// Of the token that the body is.
    pub ttl_seconds: Option<u64>,
}

impl Answer {
    fn text(text: impl Into<String>) -> Answer {
        Answer {
            status: StatusCode::OK,
            body: text.into().into_bytes(),
            content_type: "text/plain",
            ttl_seconds: None,
        }
    }

    /// As EC2's own server says it.
    fn refused(status: StatusCode) -> Answer {
        let said = status.canonical_reason().unwrap_or_default();
        let title = format!("{} - {said}", status.as_u16());
        let page = format!(
            "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD \
             XHTML 1.0 Transitional//EN\"\n\t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
             <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n <head>\n  \
             <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n </body>\n</html>\n"
        );
        Answer {
            status,
            content_type: "text/html",
            ..Answer::text(page)
        }
    }
}

impl InstanceMetadata {
    pub fn new(house: Arc<House>) -> InstanceMetadata {
        InstanceMetadata { house }
    }

    /// What the instance with this address in this VPC is answered; `None`: no instance has it.
    pub async fn answer(
        &self,
        (vpc_id, address): (&str, Ipv4Addr),
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Answer> {
        let instance = match self.instance(vpc_id, address).await {
            Ok(instance) => instance?,
            Err(error) => {
                tracing::warn!(%error, "an instance cannot be told of itself");
                return Some(Answer::refused(StatusCode::INTERNAL_SERVER_ERROR));
            }
        };
        Some(match *method {
            Method::PUT if path == "/latest/api/token" => self.token(&instance, headers),
            Method::GET | Method::HEAD => match self.is_admitted(&instance, headers) {
                true => self.item(&instance, path).await,
                false => Answer::refused(StatusCode::UNAUTHORIZED),
            },
            _ => Answer::refused(StatusCode::METHOD_NOT_ALLOWED),
        })
    }

    async fn instance(
        &self,
        vpc_id: &str,
        address: Ipv4Addr,
    ) -> Result<Option<Stored<Instance>>, AwsError> {
        let prefix = format!("{}/", Instance::KIND);
        let all = self.house.db.list_prefix::<Instance>(&prefix).await?;
        let is_it = |instance: &Stored<Instance>| {
            instance.interface.vpc_id == vpc_id
                && instance.interface.private_ipv4 == address
                && instance.state != State::Terminated
        };
        Ok(all.into_iter().find(is_it))
    }

    /// A proxy that hands on what strangers send says so, and gets none.
    fn token(&self, instance: &Stored<Instance>, headers: &HeaderMap) -> Answer {
        if headers.contains_key("x-forwarded-for") {
            return Answer::refused(StatusCode::FORBIDDEN);
        }
        let ttl = headers.get(TTL).and_then(|ttl| ttl.to_str().ok());
        let ttl = ttl.and_then(|ttl| ttl.parse::<u64>().ok());
        let Some(seconds) = ttl.filter(|ttl| (1..=LONGEST_TTL).contains(ttl)) else {
            return Answer::refused(StatusCode::BAD_REQUEST);
        };
        let until = self.house.now() + Duration::from_secs(seconds);
        let said = format!("{} {}", until.as_millis(), instance.id());
        let sealed = self.house.root_key.seal(CONTEXT, said.as_bytes());
        let token = URL_SAFE_NO_PAD.encode(String::from(sealed));
        Answer {
            ttl_seconds: Some(seconds),
            ..Answer::text(token)
        }
    }

    fn is_admitted(&self, instance: &Stored<Instance>, headers: &HeaderMap) -> bool {
        let said = || {
            let token = headers.get(TOKEN)?.to_str().ok()?;
            let token = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
            let plain = self
                .house
                .root_key
                .open(CONTEXT, &Sealed::try_from(token).ok()?)?;
            String::from_utf8(plain).ok()
        };
        said().is_some_and(|said| {
            let parts = said.split_once(' ');
            parts.is_some_and(|(until, id)| {
                let until = until.parse().map(Timestamp::from_millis);
                id == instance.id() && until.is_ok_and(|until| until > self.house.now())
            })
        })
    }

    /// Every version has what the latest has.
    async fn item(&self, instance: &Stored<Instance>, path: &str) -> Answer {
        let path = path.trim_start_matches('/');
        let (version, rest) = path.split_once('/').unwrap_or((path, ""));
        let is_date =
            version.len() == 10 && version.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if version.is_empty() {
            return Answer::text("latest");
        }
        if version != "latest" && !is_date {
            return Answer::refused(StatusCode::NOT_FOUND);
        }
        match item::find(&self.house, instance, rest).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Answer::refused(StatusCode::NOT_FOUND),
            Err(error) => {
                tracing::warn!(%error, "an instance cannot be told of itself");
                Answer::refused(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}
