//! What a build made: taken out of its container, and put into S3 under the project's role.

use super::container::{self, Failed};
use super::follow;
use crate::archive::{self, Content, Entry};
use crate::buildspec::Files;
use crate::model::Build;
use crate::plan::glob::Patterns;
use crate::plan::script::quoted;
use bytes::Bytes;
use md5::Md5;
use neargate_api_codebuild as api;
use neargate_api_s3 as s3;
use neargate_service::session::Place;
use neargate_service::{AwsError, Caller, House, Scope};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// The most that names of files take.
const LIST_BYTES: usize = 32 << 20;
/// How many files a tar that reads no list is handed by their names.
const MOST_NAMED: usize = 1_000;

/// Why an artifact is not there.
#[derive(Debug)]
pub enum Unmade {
    /// The sentence of the phase's context.
    Never(String),
    NotNow(AwsError),
    Container(Failed),
}

/// Takes out and puts away all artifacts; answers those that are shown, the primary one first.
pub async fn upload(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    place: &Place,
) -> Result<Vec<api::BuildArtifacts>, Unmade> {
    let kept = build.kept.clone().unwrap_or_default();
    let names = follow::small_files(house, place, "names");
    let names = names.await.map_err(Unmade::Container)?;
    let bases = follow::small_files(house, place, "bases");
    let bases = bases.await.map_err(Unmade::Container)?;
    let mut made = Vec::new();
    let targets = std::iter::once(&build.artifacts).chain(&build.secondary_artifacts);
    for (at, target) in targets.enumerate() {
        if target.r#type == "NO_ARTIFACTS" {
            continue;
        }
        let identifier = target.artifact_identifier.as_deref();
        let spec = match at {
            0 => kept.artifacts.as_ref().map(|files| (0, files)),
            _ => kept
                .secondary
                .iter()
                .position(|(id, _)| Some(id.as_str()) == identifier)
                .map(|at| (at + 1, &kept.secondary[at].1)),
        };
        let Some((number, files)) = spec else {
            // AWS takes a project's artifacts for wanted.
            return Err(Unmade::Never(match identifier {
                Some(id) => format!("no definition for artifacts {id} in the buildspec"),
                None => {
                    "Error in UPLOAD_ARTIFACTS phase: no artifacts are defined in the buildspec"
                        .to_owned()
                }
            }));
        };
        let of = |all: &[(String, String)]| {
            let found = all.iter().find(|(name, _)| *name == number.to_string());
            found.map(|(_, text)| text.trim_end_matches('\n').to_owned())
        };
        let base = of(&bases).filter(|base| !base.is_empty());
        let Some(base) = base else {
            let base = files.base_directory.as_deref().unwrap_or(".");
            return Err(Unmade::Never(format!(
                "no matching base directory path found for {base}"
            )));
        };
        let entries = taken(house, place, files, &base).await?;
        let name = of(&names).filter(|name| !name.is_empty());
        made.push(put(house, scope, build, target, name, entries).await?);
    }
    Ok(made)
}

/// The files that a pattern means, as they are in the container.
pub async fn taken(
    house: &Arc<House>,
    place: &Place,
    files: &Files,
    base: &str,
) -> Result<Vec<Entry>, Unmade> {
    let patterns = Patterns::new(&files.files, &files.exclude_paths).map_err(Unmade::Never)?;
    let list = format!("cd {} && find . \\( -type f -o -type l \\)", quoted(base));
    let said = container::run(house, place, &list, None, LIST_BYTES).await;
    let said = said.map_err(Unmade::Container)?;
    let text = String::from_utf8_lossy(&said.bytes);
    let found = text.lines().filter_map(|line| line.strip_prefix("./"));
    let mut wanted: Vec<&str> = found.filter(|path| patterns.take(path)).collect();
    wanted.sort_unstable();
    if wanted.is_empty() {
        return Err(Unmade::Never("no matching artifact paths found".to_owned()));
    }
    let mut names = String::new();
    for path in &wanted {
        names.push_str("./");
        names.push_str(path);
        names.push('\n');
    }
    let names = Bytes::from(names);
    let write = format!("head -c {} >/codebuild/run/wanted", names.len());
    let said = container::run(house, place, &write, Some(names), LIST_BYTES).await;
    said.map_err(Unmade::Container)?;
    let follow = if files.enable_symlinks { "" } else { "h" };
    // Not every busybox's tar reads a list; it is handed a short one, and for a long one all there is.
    let all = if wanted.len() > MOST_NAMED {
        "set -- ."
    } else {
        ""
    };
    let pack = format!(
        "cd {} && set --
if tar -cf /dev/null -T /dev/null 2>/dev/null; then
  tar -c{follow}f - -T /codebuild/run/wanted 2>/codebuild/run/tar-said || {{ c=$?; [ $c = 1 ] || exit $c; }}
else
  {all}
  [ $# -gt 0 ] || while IFS= read -r f; do set -- \"$@\" \"$f\"; done </codebuild/run/wanted
  tar -c{follow}f - \"$@\" 2>/codebuild/run/tar-said
fi",
        quoted(base)
    );
    let most = usize::try_from(archive::MAX_BYTES).unwrap_or(usize::MAX);
    let said = container::run(house, place, &pack, None, most).await;
    let said = said.map_err(Unmade::Container)?;
    if said.code != 0 {
        return Err(Unmade::Never(format!(
            "the image's tar ended with exit status {}",
            said.code
        )));
    }
    let mut entries = archive::untarred(&said.bytes).map_err(Unmade::Never)?;
    entries.retain(|entry| patterns.take(&entry.path));
    if files.discard_paths {
        for entry in &mut entries {
            if let Some(name) = entry.path.rsplit('/').next() {
                entry.path = name.to_owned();
            }
        }
    }
    Ok(entries)
}

/// Bucket and key of an artifact.
pub fn location(
    target: &api::ProjectArtifacts,
    project: &str,
    uuid: &str,
    of_spec: Option<&str>,
) -> (String, String) {
    let bucket = target.location.clone().unwrap_or_default();
    let bucket = bucket.trim_start_matches("arn:aws:s3:::").to_owned();
    let (bucket, inside) = match bucket.split_once('/') {
        Some((bucket, inside)) => (bucket.to_owned(), inside.to_owned()),
        None => (bucket, String::new()),
    };
    let name = match (target.override_artifact_name, of_spec) {
        (Some(true), Some(name)) => name,
        _ => target.name.as_deref().unwrap_or(project),
    };
    // A pipeline says where, and nothing else counts.
    let of_pipeline = target.r#type == "CODEPIPELINE";
    let by_build = !of_pipeline && target.namespace_type.as_deref() == Some("BUILD_ID");
    let path = target.path.clone().unwrap_or_default();
    let name = match of_pipeline && target.name.is_none() {
        true => "",
        false => name,
    };
    let parts = [&*inside, &*path, if by_build { uuid } else { "" }, name];
    let parts = parts.iter().map(|p| p.trim_matches('/'));
    let key: Vec<&str> = parts.filter(|p| !p.is_empty()).collect();
    (bucket, key.join("/"))
}

async fn put(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    target: &api::ProjectArtifacts,
    of_spec: Option<String>,
    entries: Vec<Entry>,
) -> Result<api::BuildArtifacts, Unmade> {
    let (bucket, key) = location(target, build.project(), build.uuid(), of_spec.as_deref());
    let sealed = target.encryption_disabled != Some(true);
    let kms = build.shown.encryption_key.clone();
    let kms = kms.filter(|key| sealed && !key.ends_with("alias/aws/s3"));
    let object = async |key: String, body: Bytes| {
        let input = s3::PutObjectInput {
            bucket: bucket.clone(),
            key,
            body: Some(body),
            server_side_encryption: kms.as_ref().map(|_| "aws:kms".to_owned()),
            ssekms_key_id: kms.clone(),
            ..Default::default()
        };
        let put = Caller::call::<s3::ops::PutObject>(house, scope, build.role(), &input).await;
        put.map(drop).map_err(|error| match error.status {
            500.. => Unmade::NotNow(error),
            _ => Unmade::Never(format!(
                "Error in UPLOAD_ARTIFACTS phase: {}: {}",
                error.code, error.message
            )),
        })
    };
    let mut shown = api::BuildArtifacts {
        location: Some(format!("arn:aws:s3:::{bucket}/{key}")),
        override_artifact_name: target.override_artifact_name,
        encryption_disabled: target.encryption_disabled,
        artifact_identifier: target.artifact_identifier.clone(),
        bucket_owner_access: target.bucket_owner_access.clone(),
        ..Default::default()
    };
    let packed = target.packaging.as_deref() == Some("ZIP") || target.r#type == "CODEPIPELINE";
    if packed {
        let zip = Bytes::from(archive::zipped(&entries).map_err(Unmade::Never)?);
        shown.sha256sum = Some(hex::encode(Sha256::digest(&zip)));
        shown.md5sum = Some(hex::encode(Md5::digest(&zip)));
        object(key, zip).await?;
        return Ok(shown);
    }
    for entry in entries {
        if let Content::File { bytes, .. } = entry.content {
            object(format!("{key}/{}", entry.path), bytes).await?;
        }
    }
    Ok(shown)
}
