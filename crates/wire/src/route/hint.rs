//! What a request says about its destination.

use super::Route;
use crate::protocol::unescape_form;
use crate::schema::{Protocol, Service};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::request::Parts;
use percent_encoding::percent_decode_str;

/// `X-Amz-Target`, or the path of rpc-v2-cbor.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) prefix: String,
    pub(super) operation: String,
}

#[derive(Debug)]
pub(super) struct Hints {
    /// The service of the credential scope.
    pub(super) scope: Option<String>,
    pub(super) target: Option<Target>,
    pub(super) action: Option<String>,
    version: Option<String>,
    content_type: String,
    cbor: bool,
    /// Without its port, in lower case.
    host: String,
}

fn header(parts: &Parts, name: impl http::header::AsHeaderName) -> &str {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

/// The media type, without parameters, in lower case.
fn content_type(parts: &Parts) -> String {
    let full = header(parts, CONTENT_TYPE);
    full.split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase()
}

pub(super) fn is_form(parts: &Parts) -> bool {
    content_type(parts) == "application/x-www-form-urlencoded"
}

/// Parameters one by one; what is not UTF-8 is no hint.
fn parameter(pairs: &[u8], name: &str) -> Option<String> {
    pairs.split(|b| *b == b'&').find_map(|pair| {
        let at = pair.iter().position(|b| *b == b'=')?;
        (unescape_form(&pair[..at])? == name).then(|| unescape_form(&pair[at + 1..]))?
    })
}

pub(super) fn action_of_query(parts: &Parts) -> Option<String> {
    parameter(parts.uri.query()?.as_bytes(), "Action")
}

/// The service of `.../region/service/aws4_request`, read from behind since that is all that
/// must be right: an access key may hold anything in development.
fn scope(parts: &Parts) -> Option<String> {
    let header = header(parts, AUTHORIZATION);
    let credential = if header.starts_with("AWS4-") {
        let (_, rest) = header.split_once("Credential=")?;
        rest.split([',', ' ']).next()?.to_owned()
    } else {
        let query = parts.uri.query()?;
        let raw = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
        percent_decode_str(raw).decode_utf8().ok()?.into_owned()
    };
    let mut elements = credential.rsplit('/');
    let (_, service) = (elements.next()?, elements.next()?);
    (!service.is_empty()).then(|| service.to_owned())
}

/// `/service/GraniteServiceVersion20100801/operation/PutMetricData`, below any prefix.
fn cbor_target(path: &str) -> Option<Target> {
    let mut segments = path.rsplit('/');
    let (operation, word) = (segments.next()?, segments.next()?);
    let (prefix, service) = (segments.next()?, segments.next()?);
    (word == "operation" && service == "service").then(|| Target {
        prefix: prefix.to_owned(),
        operation: operation.to_owned(),
    })
}

impl Hints {
    pub(super) fn of(parts: &Parts, body: &[u8]) -> Self {
        let cbor = header(parts, "smithy-protocol") == "rpc-v2-cbor";
        let cbor_target = cbor_target(parts.uri.path());
        let content_type = content_type(parts);
        let target = match header(parts, "x-amz-target").rsplit_once('.') {
            Some((prefix, operation)) => Some(Target {
                prefix: prefix.to_owned(),
                operation: operation.to_owned(),
            }),
            None => cbor_target.filter(|_| cbor || content_type == "application/cbor"),
        };
        let query = parts.uri.query().unwrap_or("").as_bytes();
        let form = if is_form(parts) { body } else { &[] };
        let find = |name| parameter(query, name).or_else(|| parameter(form, name));
        let authority = parts.uri.authority().map(|a| a.as_str());
        let host = authority.unwrap_or_else(|| header(parts, HOST));
        let host = host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|b| b.is_ascii_digit()) {
                name
            } else {
                host
            }
        });
        Hints {
            scope: scope(parts),
            target,
            action: find("Action"),
            version: find("Version"),
            cbor: cbor || content_type == "application/cbor",
            content_type,
            host: host.to_ascii_lowercase(),
        }
    }

    /// Smithy's service name is the target prefix; some clients send the SDK id instead.
    pub(super) fn is_target_of(&self, service: &Service) -> bool {
        let Some(target) = &self.target else {
            return false;
        };
        service.target_prefix == Some(target.prefix.as_str())
            || (self.cbor && service.sdk_id.replace(' ', "") == target.prefix)
    }

    pub(super) fn is_version_of(&self, service: &Service) -> bool {
        self.action.is_some() && self.version.as_deref() == Some(service.api_version)
    }

    /// An `Action` without a known version, if exactly one service has it.
    pub(super) fn only_one_with_action(
        &self,
        candidates: &[&'static Service],
    ) -> Option<&'static Service> {
        let action = self.action.as_deref()?;
        let mut having = candidates
            .iter()
            .copied()
            .filter(|s| s.operation(action).is_some());
        let first = having.next()?;
        having.next().is_none().then_some(first)
    }

    /// `ecs.eu-west-1.amazonaws.com`, `api.ecr.localhost`, `bucket.s3.localhost`.
    pub(super) fn service_of_host(
        &self,
        services: &[&'static Service],
    ) -> Option<&'static Service> {
        let is_prefix = |s: &&&'static Service| {
            let rest = self.host.strip_prefix(s.endpoint_prefix);
            !s.endpoint_prefix.is_empty()
                && rest.is_some_and(|rest| rest.starts_with('.') || rest.starts_with("-fips."))
        };
        let longest = services
            .iter()
            .filter(is_prefix)
            .max_by_key(|s| s.endpoint_prefix.len());
        let bucket = || {
            services
                .iter()
                .find(|s| s.signing_name == "s3" && self.is_bucket_host())
        };
        longest.or_else(bucket).copied()
    }

    /// Virtual-hosted S3: `bucket.s3.region.domain`, or S3's own host.
    pub(super) fn is_bucket_host(&self) -> bool {
        let mut labels = self.host.split('.');
        labels.any(|label| label == "s3" || label == "s3-website")
    }

    /// `000000000000.dkr.ecr.region.domain`.
    pub(super) fn is_registry_host(&self) -> bool {
        let mut labels = self.host.split('.').skip(1);
        let both = (labels.next(), labels.next());
        matches!(both, (Some("dkr"), Some("ecr")) | (Some("dkr-ecr"), _))
    }

    /// The protocol the client speaks, given the service.
    pub(super) fn protocol(&self, service: &Service) -> Protocol {
        let listed = |wanted: &[Protocol]| {
            service
                .protocols
                .iter()
                .copied()
                .find(|protocol| wanted.contains(protocol))
        };
        if let Some(spoken) = self.spoken() {
            return spoken;
        }
        if self.target.is_some()
            && let Some(json) = listed(&[Protocol::AwsJson10, Protocol::AwsJson11])
        {
            return json;
        }
        let form = self.action.is_some() || self.content_type.ends_with("x-www-form-urlencoded");
        let rest = listed(&[Protocol::RestJson, Protocol::RestXml]);
        let query = listed(&[Protocol::Query, Protocol::Ec2]);
        let first = service.protocols.first().copied();
        let by_form = if form {
            Some(query.unwrap_or(Protocol::Query))
        } else {
            query
        };
        rest.or(by_form).or(first).unwrap_or(Protocol::AwsJson11)
    }

    /// What the headers alone decide.
    fn spoken(&self) -> Option<Protocol> {
        match self.content_type.as_str() {
            _ if self.cbor => Some(Protocol::RpcV2Cbor),
            "application/x-amz-json-1.0" => Some(Protocol::AwsJson10),
            "application/x-amz-json-1.1" => Some(Protocol::AwsJson11),
            _ => None,
        }
    }

    /// A service we do not have, and so know nothing of: the request alone shows its protocol.
    pub(super) fn unserved(&self, name: String) -> Route {
        let guess = || match (&self.target, &self.action) {
            (Some(_), _) => Protocol::AwsJson11,
            (None, Some(_)) => Protocol::Query,
            (None, None) if self.content_type.ends_with("xml") => Protocol::RestXml,
            (None, None) => Protocol::RestJson,
        };
        let operation = self.target.as_ref().map(|t| t.operation.clone());
        Route::Unserved {
            name,
            protocol: self.spoken().unwrap_or_else(guess),
            operation: operation.or_else(|| self.action.clone()),
        }
    }
}

/// Only their operations have paths; all others are at `POST /`.
pub(super) fn speaks_rest(service: &Service) -> bool {
    service
        .protocols
        .iter()
        .any(|p| matches!(p, Protocol::RestJson | Protocol::RestXml))
}

pub(super) fn speaks_query(service: &Service) -> bool {
    service
        .protocols
        .iter()
        .any(|p| matches!(p, Protocol::Query | Protocol::Ec2))
}

/// Whether a service lists the protocol. The two JSON versions count as one.
pub(super) fn speaks(service: &Service, protocol: Protocol) -> bool {
    let json = |p: &Protocol| matches!(p, Protocol::AwsJson10 | Protocol::AwsJson11);
    service
        .protocols
        .iter()
        .any(|p| *p == protocol || (json(p) && json(&protocol)))
}
