//! Files of S3 that trust stores are made from: read in the caller's name, and where they are to be had.

use crate::error::trust_store as say;
use crate::model::SourceObject;
use http::Request;
use neargate_api_s3::{GetObjectInput, HeadObjectInput, ops};
use neargate_service::identity::Session;
use neargate_service::identity::session::{self, Credentials};
use neargate_service::{AwsError, Caller, Ctx, Fault};
use neargate_wire::sigv4::{self, Scope as Signer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::Duration;

/// Larger no file is read.
pub(super) const MAX_BYTES: usize = 2 << 20;
/// How long a location is good.
const GOOD_FOR: Duration = Duration::from_secs(600);
/// What stays of a key in a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What to say of a file that is none.
pub(super) struct Missing {
    /// Or the caller may not read it.
    pub(super) not_there: fn() -> AwsError,
    pub(super) too_large: fn() -> AwsError,
}

/// A file, and what it was when it was read.
pub(super) async fn read(
    cx: &Ctx,
    bucket: String,
    key: String,
    version: Option<String>,
    missing: Missing,
) -> Result<(Vec<u8>, SourceObject), AwsError> {
    let not_there = |error: AwsError| match error.fault {
        Fault::Client => (missing.not_there)(),
        Fault::Server => error,
    };
    let head = HeadObjectInput {
        bucket: bucket.clone(),
        key: key.clone(),
        version_id: version.clone(),
        ..Default::default()
    };
    let head = Caller::forward::<ops::HeadObject>(cx, "elasticloadbalancing", &cx.scope, &head);
    let length = head.await.map_err(not_there)?.content_length;
    let length = length.and_then(|length| usize::try_from(length).ok());
    if length.is_none_or(|length| length > MAX_BYTES) {
        return Err((missing.too_large)());
    }
    let input = GetObjectInput {
        bucket: bucket.clone(),
        key: key.clone(),
        version_id: version,
        ..Default::default()
    };
    let got = Caller::forward::<ops::GetObject>(cx, "elasticloadbalancing", &cx.scope, &input);
    let got = got.await.map_err(not_there)?;
    let source = SourceObject {
        bucket,
        key,
        version_id: got.version_id,
        e_tag: got.e_tag.unwrap_or_default(),
    };
    Ok((got.body.unwrap_or_default().to_vec(), source))
}

/// A presigned address of a file: who has it may what the caller may, and only read this file.
///
/// # Errors
/// The file is not what it was any more.
pub(super) async fn location(cx: &Ctx, source: &SourceObject) -> Result<String, AwsError> {
    let head = HeadObjectInput {
        bucket: source.bucket.clone(),
        key: source.key.clone(),
        version_id: source.version_id.clone(),
        ..Default::default()
    };
    let head = Caller::forward::<ops::HeadObject>(cx, "elasticloadbalancing", &cx.scope, &head);
    match head.await {
        Ok(now) if now.e_tag.as_deref() == Some(&source.e_tag) => {}
        Err(error) if error.fault == Fault::Server => return Err(error),
        _ => return Err(say::file_changed()),
    }
    let key = utf8_percent_encode(&source.key, PATH);
    let query = source.version_id.as_ref().map_or_else(String::new, |id| {
        format!("?versionId={}", utf8_percent_encode(id, NON_ALPHANUMERIC))
    });
    let endpoint = cx.endpoint();
    let endpoint = endpoint.trim_end_matches('/');
    let uri = format!("{endpoint}/{}/{key}{query}", source.bucket);
    let host = endpoint.rsplit('/').next().unwrap_or_default();
    let request = Request::get(&uri).header("host", host).body(());
    let (mut parts, ()) = request.map_err(AwsError::internal)?.into_parts();
    let credentials = credentials(cx);
    let signer = Signer {
        access_key: &credentials.access_key,
        region: cx.scope.region.as_str(),
        service: "s3",
        session_token: Some(credentials.token.expose()),
    };
    let secret = credentials.secret_key.expose();
    sigv4::presign(&mut parts, signer, secret, cx.now(), GOOD_FOR).map_err(AwsError::internal)?;
    Ok(parts.uri.to_string())
}

/// Keys of the caller's that end with the address; their secret leaves nobody's hands.
fn credentials(cx: &Ctx) -> Credentials {
    let principal = &cx.principal;
    let (now, ends) = (cx.now(), cx.now() + GOOD_FOR);
    let session = match principal.session.as_deref() {
        Some(own) => Session {
            issued_at: now,
            expires_at: ends.min(own.expires_at),
            ..own.clone()
        },
        None => Session::of(&principal.arn, now, ends),
    };
    session::issue(
        &cx.house,
        &cx.scope.account,
        principal.kind,
        principal.arn.clone(),
        principal.user_id.clone(),
        session,
    )
}
