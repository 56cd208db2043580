//! Which web pages of other origins may read a bucket's answers
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>).

use super::reply;
use crate::model::Bucket;
use http::request::Parts;
use http::{Method, Response};
use neargate_api_s3::CORSRule;
use neargate_service::AwsError;
use neargate_service::door::Body;

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|h| h.to_str().ok())
}

/// Does a pattern with at most one `*` match?
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, end)) => {
            text.len() >= begin.len() + end.len() && text.starts_with(begin) && text.ends_with(end)
        }
    }
}

fn allows(rule: &CORSRule, origin: &str, method: &str, headers: &[String]) -> bool {
    let origins = rule.allowed_origins.iter().any(|o| matches(o, origin));
    let methods = rule.allowed_methods.iter().any(|m| m == method);
    let allowed = rule.allowed_headers.as_deref().unwrap_or_default();
    let known = |wanted: &String| {
        let mut all = allowed.iter();
        all.any(|a| matches(&a.to_ascii_lowercase(), wanted))
    };
    origins && methods && headers.iter().all(known)
}

fn forbidden(why: &str, method: &str) -> AwsError {
    AwsError::client("AccessForbidden", format!("CORSResponse: {why}"))
        .status(403)
        .field("Method", method)
        .field("ResourceType", "OBJECT")
}

/// The answer to a browser that asks whether it may send a request.
///
/// # Errors
/// `AccessForbidden`.
pub fn preflight(parts: &Parts, bucket: Option<&Bucket>) -> Result<Response<Body>, AwsError> {
    let missing = |name: &str| {
        let text = format!("Insufficient information. {name} request header needed.");
        AwsError::client("BadRequest", text)
    };
    let origin = header(parts, "origin").ok_or_else(|| missing("Origin"))?;
    let method = header(parts, "access-control-request-method");
    let method = method.ok_or_else(|| missing("Access-Control-Request-Method"))?;
    let headers: Vec<String> = header(parts, "access-control-request-headers")
        .unwrap_or_default()
        .split(',')
        .map(|h| h.trim().to_ascii_lowercase())
        .filter(|h| !h.is_empty())
        .collect();
    let cors = bucket.and_then(|b| b.cors.as_ref());
    let cors = cors.ok_or_else(|| forbidden("CORS is not enabled for this bucket.", method))?;
    let mut rules = cors.cors_rules.iter();
    let rule = rules.find(|rule| allows(rule, origin, method, &headers)).ok_or_else(|| {
        forbidden(
            "This CORS request is not allowed. This is usually because the evalution of Origin, \
             request method / Access-Control-Request-Method or Access-Control-Request-Headers are \
             not whitelisted by the resource's CORS spec.",
            method,
        )
    })?;
    let mut response = Response::new(reply::empty());
    say(&mut response, rule, origin);
    if !headers.is_empty() {
        reply::set(
            &mut response,
            "access-control-allow-headers",
            &headers.join(", "),
        );
    }
    Ok(response)
}

/// Says in an answer which pages may read it.
pub fn mark(parts_method: &Method, origin: &str, bucket: &Bucket, response: &mut Response<Body>) {
    let Some(cors) = &bucket.cors else {
        return;
    };
    let mut rules = cors.cors_rules.iter();
    if let Some(rule) = rules.find(|rule| allows(rule, origin, parts_method.as_str(), &[])) {
        say(response, rule, origin);
    }
}

fn say(response: &mut Response<Body>, rule: &CORSRule, origin: &str) {
    let anyone = rule.allowed_origins.iter().any(|o| o == "*");
    reply::set(
        response,
        "access-control-allow-origin",
        if anyone { "*" } else { origin },
    );
    if !anyone {
        reply::set(response, "access-control-allow-credentials", "true");
    }
    let methods = rule.allowed_methods.join(", ");
    reply::set(response, "access-control-allow-methods", &methods);
    if let Some(exposed) = &rule.expose_headers {
        reply::set(
            response,
            "access-control-expose-headers",
            &exposed.join(", "),
        );
    }
    if let Some(seconds) = rule.max_age_seconds {
        reply::set(response, "access-control-max-age", &seconds.to_string());
    }
    let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    reply::set(response, "vary", vary);
}
