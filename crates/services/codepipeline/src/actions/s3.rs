//! S3: a source that is a versioned object, and a deployment of files to a bucket
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html>).

use super::{Done, Ended, Step, Work, artifacts, failed, objects};
use crate::structure::configured;
use neargate_api_codepipeline as api;
use neargate_api_s3::{self as s3, ops};
use neargate_service::{AwsError, House, Scope};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a copy's source may say as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The object's version, its hash where it has no version, and its hash.
async fn head(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    (bucket, key): (&str, &str),
    version: Option<&str>,
) -> Result<(String, Option<String>, String), AwsError> {
    let input = s3::HeadObjectInput {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version_id: version.map(str::to_owned),
        ..Default::default()
    };
    let head = objects::call::<ops::HeadObject>(house, scope, role, &input).await?;
    let etag = head.e_tag.unwrap_or_default();
    let version = head.version_id.filter(|id| id != "null");
    let id = version.clone().unwrap_or_else(|| etag.clone());
    Ok((id, version, etag))
}

/// The newest revision of a source; `None` while the object is not there.
///
/// # Errors
/// The call's own.
pub async fn version(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    action: &api::ActionDeclaration,
) -> Result<Option<String>, AwsError> {
    let (Some(bucket), Some(key)) = (
        configured(action, "S3Bucket"),
        configured(action, "S3ObjectKey"),
    ) else {
        return Ok(None);
    };
    match head(house, scope, role, (bucket, key), None).await {
        Ok((id, _, _)) => Ok(Some(id)),
        Err(error) if error.status == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Copies the object into the artifact store.
pub async fn source(work: &Work<'_>) -> Result<Step, Ended> {
    let bucket = work.required("S3Bucket");
    let pinned = work.execution.pinned.get(&work.run.action);
    let key = work.required("S3ObjectKey");
    let found = head(
        work.house,
        &work.scope,
        work.role,
        (bucket, key),
        pinned.map(String::as_str),
    );
    let (id, version, etag) = found.await.map_err(|error| match error.status {
        404 => failed(
            "ConfigurationError",
            format!("The object with key '{key}' does not exist in bucket '{bucket}'"),
        ),
        _ => Ended::from(error),
    })?;
    let path = utf8_percent_encode(&format!("{bucket}/{key}"), PLAIN).to_string();
    let (name, place) = work.output()?;
    let (encryption, kms) = artifacts::encryption(work);
    let input = s3::CopyObjectInput {
        bucket: place.bucket.clone(),
        key: place.key.clone(),
        copy_source: match &version {
            Some(version) => format!("{path}?versionId={version}"),
            None => path,
        },
        copy_source_if_match: Some(etag.clone()),
        server_side_encryption: encryption,
        ssekms_key_id: kms,
        ..Default::default()
    };
    let copied = objects::call::<ops::CopyObject>(work.house, &work.scope, work.role, &input).await;
    copied.map_err(|error| match error.code.as_str() {
        "NoSuchBucket" => failed(
            "ConfigurationError",
            format!(
                "The artifact store's bucket '{}' does not exist",
                place.bucket
            ),
        ),
        _ => Ended::from(error),
    })?;
    tracing::debug!(artifact = name, key = place.key, "a source is an artifact");
    let summary = match &version {
        Some(version) => format!("Amazon S3 version id: {version}"),
        None => format!("Amazon S3 ETag: {etag}"),
    };
    let variables = [
        ("BucketName", bucket.to_owned()),
        ("ObjectKey", key.to_owned()),
        ("ETag", etag.trim_matches('"').to_owned()),
        ("VersionId", version.unwrap_or_else(|| "null".into())),
    ];
    let named = |(name, value): (&str, String)| (name.to_owned(), value);
    Ok(Step::Done(Done {
        summary: Some(summary.clone()),
        external_id: None,
        variables: BTreeMap::from(variables.map(named)),
        revision: Some(work.revision(&id, Some(summary))),
    }))
}

/// Puts the artifact, or its files, into a bucket.
pub async fn deploy(work: &Work<'_>) -> Result<Step, Ended> {
    let place = work.run.inputs.values().next();
    let place = place.ok_or_else(|| failed("ConfigurationError", "The action has no input"))?;
    let extracts = work.configured("Extract") == Some("true");
    let key = work.configured("ObjectKey").map(|key| filled(work, key));
    let key = key.as_deref();
    let files = if extracts {
        let prefix = key.map(|key| format!("{}/", key.trim_end_matches('/')));
        let prefix = prefix.unwrap_or_default();
        let files = artifacts::files(work, place).await?;
        let files = files.into_iter();
        files
            .map(|(name, bytes)| (format!("{prefix}{name}"), bytes))
            .collect()
    } else {
        let key = key.ok_or_else(|| {
            failed(
                "ConfigurationError",
                "ObjectKey is required when Extract is false",
            )
        })?;
        vec![(key.to_owned(), artifacts::read(work, place).await?)]
    };
    for (key, bytes) in files {
        let kms = work.configured("KMSEncryptionKeyARN");
        let input = s3::PutObjectInput {
            bucket: work.required("BucketName").to_owned(),
            content_type: mime_guess::from_path(&key).first_raw().map(str::to_owned),
            key,
            body: Some(bytes.into()),
            acl: work.configured("CannedACL").map(str::to_owned),
            cache_control: work.configured("CacheControl").map(str::to_owned),
            server_side_encryption: kms.map(|_| "aws:kms".to_owned()),
            ssekms_key_id: kms.map(str::to_owned),
            ..Default::default()
        };
        objects::call::<ops::PutObject>(work.house, &work.scope, work.role, &input).await?;
    }
    Ok(Step::Done(Done {
        summary: Some("Deployment Succeeded".into()),
        ..Done::default()
    }))
}

/// `{datetime}` and `{uuid}` in a key: the same each time the step is made.
fn filled(work: &Work<'_>, key: &str) -> String {
    let at = work.run.started_at.rfc3339();
    let at = at
        .get(..19)
        .unwrap_or(&at)
        .replace('T', "_")
        .replace(':', "-");
    key.replace("{datetime}", &at)
        .replace("{uuid}", &work.run.id)
}
