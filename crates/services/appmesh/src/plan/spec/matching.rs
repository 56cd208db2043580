//! What routes match: paths, headers, metadata, parameters. What is checked here would make a proxy refuse its
//! whole configuration.

use super::one_of;
use crate::error;
use neargate_api_appmesh as api;
use neargate_service::AwsError;

/// A prefix or a path.
pub fn path(prefix: Option<&str>, path: Option<&api::HttpPathMatch>) -> Result<(), AwsError> {
    match (prefix, path) {
        (Some(_), Some(_)) => Err(error::bad_request(
            "Only one of prefix and path can be specified in a match",
        )),
        (Some(prefix), None) => starts_with_slash("Prefix Path for the match", prefix),
        (None, Some(path)) => {
            let members = [
                ("exact", path.exact.is_some()),
                ("regex", path.regex.is_some()),
            ];
            one_of("The path match", &members)?;
            if let Some(exact) = &path.exact {
                starts_with_slash("Exact Path for the match", exact)?;
            }
            path.regex.as_deref().map_or(Ok(()), regular)
        }
        (None, None) => Ok(()),
    }
}

pub fn starts_with_slash(what: &str, path: &str) -> Result<(), AwsError> {
    match path.starts_with('/') {
        true => Ok(()),
        false => Err(error::bad_request(format!(
            "{what} must start with '/', got: {path}"
        ))),
    }
}

/// Envoy reads RE2's language, of which this is the same but for details.
fn regular(expression: &str) -> Result<(), AwsError> {
    match regex::Regex::new(expression) {
        Ok(_) => Ok(()),
        Err(_) => Err(error::bad_request(format!(
            "The regular expression {expression} is invalid"
        ))),
    }
}

pub fn parameters(given: Option<&[api::HttpQueryParameter]>) -> Result<(), AwsError> {
    let mut given = given.unwrap_or_default().iter();
    match given.any(|parameter| parameter.name.is_empty()) {
        true => Err(error::bad_request("A query parameter must have a name")),
        false => Ok(()),
    }
}

/// A header's name, and how its value is matched.
pub fn headers(name: &str, of: Option<&api::HeaderMatchMethod>) -> Result<(), AwsError> {
    named(name)?;
    let Some(of) = of else { return Ok(()) };
    let members = [
        ("exact", of.exact.is_some()),
        ("prefix", of.prefix.is_some()),
        ("range", of.range.is_some()),
        ("regex", of.regex.is_some()),
        ("suffix", of.suffix.is_some()),
    ];
    one_of("The header's match", &members)?;
    of.range.as_ref().map_or(Ok(()), range)?;
    of.regex.as_deref().map_or(Ok(()), regular)
}

/// The same of gRPC's metadata, whose shapes have other names.
pub fn metadata(
    name: &str,
    of: Option<&api::GrpcRouteMetadataMatchMethod>,
) -> Result<(), AwsError> {
    headers(name, of.map(super::alike).as_ref())
}

fn named(name: &str) -> Result<(), AwsError> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    // Envoy's own names of a request's line begin with a colon.
    let token = name.strip_prefix(':').unwrap_or(name);
    match !token.is_empty() && token.chars().all(is_good) {
        true => Ok(()),
        false => Err(error::bad_request(format!(
            "The header name {name} is invalid"
        ))),
    }
}

fn range(range: &api::MatchRange) -> Result<(), AwsError> {
    match range.start < range.end {
        true => Ok(()),
        false => Err(error::bad_request(
            "The start of a match's range must be less than its end",
        )),
    }
}
