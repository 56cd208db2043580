//! Artifacts: ZIP files in the pipeline's bucket, read and written in the name of the action's role.
//!
//! They come from customers: nothing is unpacked beyond a limit, and names that lead out of the archive are refused.

use super::{Ended, Work, failed, objects};
use crate::model::Place;
use neargate_api_s3::{self as s3, ops};
use neargate_base::task;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// The largest artifact that is read here.
const MOST_BYTES: i64 = 256 << 20;
/// The largest file of an artifact that is looked into.
const MOST_FILE_BYTES: u64 = 1 << 20;
/// What an artifact may unpack to.
const MOST_UNPACKED_BYTES: u64 = 512 << 20;

/// The whole artifact.
pub async fn read(work: &Work<'_>, place: &Place) -> Result<Vec<u8>, Ended> {
    let head = s3::HeadObjectInput {
        bucket: place.bucket.clone(),
        key: place.key.clone(),
        ..Default::default()
    };
    let missing = |error: neargate_service::AwsError| {
        if error.status == 404 {
            return failed(
                "RevisionUnavailable",
                format!(
                    "The artifact is not in the artifact store: bucket {}, key {}",
                    place.bucket, place.key
                ),
            );
        }
        Ended::from(error)
    };
    let called = objects::call::<ops::HeadObject>(work.house, &work.scope, work.role, &head).await;
    let found = called.map_err(missing)?;
    if found.content_length.unwrap_or(0) > MOST_BYTES {
        return Err(failed(
            "JobFailed",
            "The artifact is larger than 256 MiB, which is the most that is read here",
        ));
    }
    let get = s3::GetObjectInput {
        bucket: place.bucket.clone(),
        key: place.key.clone(),
        if_match: found.e_tag,
        ..Default::default()
    };
    let called = objects::call::<ops::GetObject>(work.house, &work.scope, work.role, &get).await;
    let body = called.map_err(missing)?.body.unwrap_or_default();
    Ok(body.to_vec())
}

/// One file of the artifact as text; `None` when it is not there.
pub async fn text(work: &Work<'_>, place: &Place, name: &str) -> Result<Option<String>, Ended> {
    let bytes = read(work, place).await?;
    let wanted = name.to_owned();
    let unpacked = task::spawn_blocking(move || entry(bytes, &wanted)).await;
    let unpacked = unpacked.map_err(|e| Ended::Later(neargate_service::AwsError::internal(e)))?;
    let found = unpacked.map_err(|why| failed("JobFailed", why))?;
    let text = found.map(String::from_utf8).transpose();
    text.map_err(|_| failed("JobFailed", format!("The file {name} is not UTF-8")))
}

fn entry(bytes: Vec<u8>, name: &str) -> Result<Option<Vec<u8>>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    let file = match archive.by_name(name) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(why) => return Err(unreadable(why)),
    };
    let mut out = Vec::new();
    let mut limited = file.take(MOST_FILE_BYTES + 1);
    limited
        .read_to_end(&mut out)
        .map_err(|why| format!("The file {name} cannot be unpacked: {why}"))?;
    if out.len() as u64 > MOST_FILE_BYTES {
        return Err(format!("The file {name} is larger than 1 MiB"));
    }
    Ok(Some(out))
}

fn unreadable(why: zip::result::ZipError) -> String {
    format!("The artifact is not a ZIP file that can be read: {why}")
}

/// Every file of the artifact.
pub async fn files(work: &Work<'_>, place: &Place) -> Result<Vec<(String, Vec<u8>)>, Ended> {
    let bytes = read(work, place).await?;
    let unpacked = task::spawn_blocking(move || unpack(bytes)).await;
    let unpacked = unpacked.map_err(|e| Ended::Later(neargate_service::AwsError::internal(e)))?;
    unpacked.map_err(|why| failed("JobFailed", why))
}

fn unpack(bytes: Vec<u8>) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    let mut all = Vec::new();
    let mut left = MOST_UNPACKED_BYTES;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(unreadable)?;
        if file.is_dir() {
            continue;
        }
        let name = file.enclosed_name();
        let name = name.as_deref().and_then(std::path::Path::to_str);
        let name = name
            .ok_or("The artifact has a file whose name leads out of it")?
            .to_owned();
        let mut out = Vec::new();
        let read = file.take(left + 1).read_to_end(&mut out);
        read.map_err(|why| format!("The file {name} cannot be unpacked: {why}"))?;
        let size = out.len() as u64;
        left = left
            .checked_sub(size)
            .ok_or("The artifact unpacks to more than 512 MiB")?;
        all.push((name, out));
    }
    Ok(all)
}

/// The files as a ZIP file, which is the same each time.
pub fn packed(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, Ended> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let unwritten = |why: &dyn std::fmt::Display| {
        failed("JobFailed", format!("The artifact cannot be packed: {why}"))
    };
    for (name, bytes) in files {
        let begun = writer.start_file(name.as_str(), options);
        begun.map_err(|why| unwritten(&why))?;
        writer.write_all(bytes).map_err(|why| unwritten(&why))?;
    }
    let done = writer.finish().map_err(|why| unwritten(&why))?;
    Ok(done.into_inner())
}

/// Puts the action's artifact where it is to come.
pub async fn put(work: &Work<'_>, place: &Place, bytes: Vec<u8>) -> Result<(), Ended> {
    let (encryption, key) = encryption(work);
    let input = s3::PutObjectInput {
        bucket: place.bucket.clone(),
        key: place.key.clone(),
        body: Some(bytes.into()),
        content_type: Some("application/zip".into()),
        server_side_encryption: encryption,
        ssekms_key_id: key,
        ..Default::default()
    };
    let put = objects::call::<ops::PutObject>(work.house, &work.scope, work.role, &input);
    Ok(put.await.map(drop)?)
}

/// How the artifact store encrypts.
pub fn encryption(work: &Work<'_>) -> (Option<String>, Option<String>) {
    let declaration = &work.execution.declaration;
    let region = work.scope.region.as_str();
    let stores = declaration.artifact_stores.as_ref();
    let store = declaration.artifact_store.as_ref();
    let store = store.or_else(|| stores.and_then(|all| all.get(region)));
    let key = store.and_then(|store| store.encryption_key.as_ref());
    match key {
        Some(key) => (Some("aws:kms".into()), Some(key.id.clone())),
        None => (None, None),
    }
}
