//! A bucket as a website: index and error documents, redirections. Its visitors show nothing of
//! themselves, so that they see what the bucket shows to everybody
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html>).

use super::reply;
use crate::api::get;
use crate::model::Bucket;
use crate::{S3, bucket, error, versions};
use http::{Method, Response, StatusCode};
use neargate_api_s3 as api;
use neargate_service::door::Body;
use neargate_service::{AwsError, Ctx};
use neargate_wire::protocol;
use neargate_wire::schema::Protocol;
use neargate_wire::structure::{OperationDef as _, Structure as _};
use std::sync::Arc;

/// Answers a visitor.
///
/// # Errors
/// What is to be said on a page.
pub async fn visit(
    s3: &Arc<S3>,
    cx: &Ctx,
    method: &Method,
    name: &str,
    key: &str,
) -> Result<Response<Body>, AwsError> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(error::method_not_allowed(method.as_str(), "WEBSITE"));
    }
    let bucket = bucket::get(cx.db(), name).await?;
    let Some(site) = bucket.website.as_ref().map(|w| &w.0) else {
        return Err(error::unset(
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
            name,
        ));
    };
    if let Some(all) = &site.redirect_all_requests_to {
        let scheme = all.protocol.as_deref().unwrap_or("http");
        let host = &all.host_name;
        return Ok(redirect(301, &format!("{scheme}://{host}/{key}")));
    }
    if let Some(answer) = routed(site, key, None) {
        return Ok(answer);
    }
    let suffix = site.index_document.as_ref().map_or("", |d| &d.suffix);
    let wanted = match key.is_empty() || key.ends_with('/') {
        true => format!("{key}{suffix}"),
        false => key.to_owned(),
    };
    let why = match page(s3, cx, name, &wanted, method).await {
        Ok(answer) => return Ok(answer),
        Err(why) => why,
    };
    if let Some(answer) = routed(site, key, Some(why.status)) {
        return Ok(answer);
    }
    if is_directory(cx, &bucket, &wanted, suffix).await? {
        return Ok(redirect(302, &format!("/{wanted}/")));
    }
    if let Some(document) = &site.error_document {
        let shown = page(s3, cx, name, &document.key, method).await;
        if let Ok(mut answer) = shown {
            *answer.status_mut() =
                StatusCode::from_u16(why.status).unwrap_or(StatusCode::NOT_FOUND);
            return Ok(answer);
        }
    }
    Err(why)
}

/// Is there an index document below a name that is no object?
async fn is_directory(
    cx: &Ctx,
    bucket: &Bucket,
    key: &str,
    suffix: &str,
) -> Result<bool, AwsError> {
    if key.is_empty() || key.ends_with('/') {
        return Ok(false);
    }
    let index = format!("{key}/{suffix}");
    let found = versions::current(cx.db(), bucket, &index).await?;
    Ok(found.is_some_and(|object| object.content.is_some()))
}

async fn page(
    s3: &Arc<S3>,
    cx: &Ctx,
    bucket: &str,
    key: &str,
    method: &Method,
) -> Result<Response<Body>, AwsError> {
    let input = api::GetObjectInput {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        ..Default::default()
    };
    let (output, reader) = get::get_object_as_stream(s3.clone(), cx.clone(), input).await?;
    if let Some(target) = &output.website_redirect_location {
        return Ok(redirect(301, target));
    }
    let operation = api::ops::GetObject::operation();
    let output = output.to_value();
    let reply = protocol::encode(
        &api::SERVICE,
        Protocol::RestXml,
        operation,
        &output,
        &cx.request_id,
    );
    let mut response = reply.map(reply::full);
    if *method == Method::GET {
        *response.body_mut() = reply::streamed(reader);
    }
    Ok(response)
}

/// What the rules say of a key, or of a key that gave this status.
fn routed(
    site: &api::WebsiteConfiguration,
    key: &str,
    status: Option<u16>,
) -> Option<Response<Body>> {
    let rules = site.routing_rules.as_deref().unwrap_or_default();
    let rule = rules.iter().find(|rule| {
        let condition = rule.condition.clone().unwrap_or_default();
        let prefix = condition.key_prefix_equals.as_deref().unwrap_or_default();
        let code = condition.http_error_code_returned_equals;
        let code = code.and_then(|c| c.parse::<u16>().ok());
        key.starts_with(prefix) && code == status
    })?;
    let prefix = rule
        .condition
        .as_ref()
        .and_then(|c| c.key_prefix_equals.clone());
    let to = &rule.redirect;
    let key = match (&to.replace_key_with, &to.replace_key_prefix_with) {
        (Some(other), _) => other.clone(),
        (None, Some(other)) => {
            let rest = key.strip_prefix(prefix.as_deref().unwrap_or_default());
            format!("{other}{}", rest.unwrap_or(key))
        }
        (None, None) => key.to_owned(),
    };
    let status = to
        .http_redirect_code
        .as_deref()
        .and_then(|c| c.parse().ok());
    let location = match (&to.host_name, &to.protocol) {
        (None, _) => format!("/{key}"),
        (Some(host), scheme) => format!("{}://{host}/{key}", scheme.as_deref().unwrap_or("http")),
    };
    Some(redirect(status.unwrap_or(301), &location))
}

fn redirect(status: u16, location: &str) -> Response<Body> {
    let mut response = Response::new(reply::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
    reply::set(&mut response, "location", location);
    response
}

/// An error as a page.
pub fn error_page(why: &AwsError, method: &Method, request_id: &str) -> Response<Body> {
    let status = StatusCode::from_u16(why.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = format!(
        "{} {}",
        why.status,
        status.canonical_reason().unwrap_or("Error")
    );
    let mut html = String::from("<html>\n<head>");
    reply::element(&mut html, "title", &title);
    html.push_str("</head>\n<body>\n");
    reply::element(&mut html, "h1", &title);
    html.push_str("\n<ul>\n");
    for line in [
        format!("Code: {}", why.code),
        format!("Message: {}", why.message),
        format!("RequestId: {request_id}"),
    ] {
        reply::element(&mut html, "li", &line);
        html.push('\n');
    }
    html.push_str("</ul>\n<hr/>\n</body>\n</html>\n");
    let body = match *method == Method::HEAD {
        true => reply::empty(),
        false => reply::full(html),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    reply::set(&mut response, "content-type", "text/html; charset=utf-8");
    reply::set(&mut response, "x-amz-error-code", &why.code);
    reply::set(&mut response, "x-amz-error-message", &why.message);
    response
}
