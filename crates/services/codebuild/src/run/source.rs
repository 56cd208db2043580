//! A build's sources: fetched under the project's role, and put into its container together with the scripts
//! of its phases.

use crate::archive::{self, Content, Entry};
use crate::model::{Build, source_dir};
use neargate_api_codebuild as api;
use neargate_api_s3 as s3;
use neargate_service::caller::By;
use neargate_service::{AwsError, Caller, House, Scope};
use serde_json::{Value, json};
use std::sync::Arc;

/// Why a source is not there: the sentence of the phase's context, or what may pass.
#[derive(Debug)]
pub enum Unread {
    Never(String),
    NotNow(AwsError),
}

/// One source, and where it is in the container.
#[derive(Debug)]
pub struct Source {
    /// `None`: the primary one.
    pub identifier: Option<String>,
    pub directory: String,
    pub entries: Vec<Entry>,
}

/// All of a build's sources, and the version that the primary one has been resolved to.
pub async fn fetch(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
) -> Result<(Vec<Source>, Option<String>), Unread> {
    let fetcher = Fetcher {
        house,
        scope,
        role: build.role(),
    };
    let shown = &build.shown;
    let primary = shown.source.clone().unwrap_or_default();
    let version = shown.source_version.as_deref();
    let (entries, resolved) = fetcher.one(&primary, version).await?;
    let mut all = vec![Source {
        identifier: None,
        directory: source_dir(build.uuid(), 0),
        entries,
    }];
    let versions = shown.secondary_source_versions.clone().unwrap_or_default();
    for (at, source) in shown.secondary_sources.iter().flatten().enumerate() {
        let identifier = source.source_identifier.clone().unwrap_or_default();
        let version = versions.iter().find(|v| v.source_identifier == identifier);
        let version = version.map(|v| v.source_version.as_str());
        let (entries, _) = fetcher.one(source, version).await?;
        all.push(Source {
            identifier: Some(identifier),
            directory: source_dir(build.uuid(), at + 1),
            entries,
        });
    }
    Ok((all, resolved))
}

/// The text of a build's buildspec: written inline, a file of the source, or an object of S3.
pub async fn buildspec(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    entries: &[Entry],
) -> Result<String, Unread> {
    let source = build.shown.source.clone().unwrap_or_default();
    let given = source.buildspec.unwrap_or_default();
    if given.contains('\n') || given.trim_start().starts_with("version") || given.starts_with('{') {
        return Ok(given);
    }
    let text = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes);
        text.map(str::to_owned)
            .map_err(|_| Unread::Never("the buildspec is no text".to_owned()))
    };
    if let Some(object) = given.strip_prefix("arn:aws:s3:::") {
        let fetcher = Fetcher {
            house,
            scope,
            role: build.role(),
        };
        let (bucket, key) = object.split_once('/').unwrap_or((object, ""));
        return text(&fetcher.object(bucket, key, None).await?);
    }
    let name = match &*given {
        "" => "buildspec.yml",
        given => given,
    };
    let path = archive::safe(name);
    let found = path.and_then(|path| entries.iter().find(|e| e.path == path));
    match found.and_then(Entry::bytes) {
        Some(bytes) => text(bytes),
        None => {
            let path = format!("{}/{name}", build.source_dir());
            Err(Unread::Never(format!(
                "stat {path}: no such file or directory"
            )))
        }
    }
}

struct Fetcher<'a> {
    house: &'a Arc<House>,
    scope: &'a Scope,
    role: &'a str,
}

fn refused(error: AwsError, words: impl FnOnce(&AwsError) -> String) -> Unread {
    match error.status {
        // What is not served here will not be a moment later.
        501 => Unread::Never(words(&error)),
        500.. => Unread::NotNow(error),
        _ => Unread::Never(words(&error)),
    }
}

impl Fetcher<'_> {
    async fn one(
        &self,
        source: &api::ProjectSource,
        version: Option<&str>,
    ) -> Result<(Vec<Entry>, Option<String>), Unread> {
        let location = source.location.clone().unwrap_or_default();
        match source.r#type.as_str() {
            "NO_SOURCE" => Ok((Vec::new(), None)),
            "S3" | "CODEPIPELINE" => Ok((self.s3(&location, version).await?, None)),
            "CODECOMMIT" => self.codecommit(&location, version).await,
            other => Err(Unread::Never(format!(
                "Neargate does not clone sources of type {other} yet: {location}"
            ))),
        }
    }

    /// A zip archive, or all that is under a prefix that ends with a slash.
    async fn s3(&self, location: &str, version: Option<&str>) -> Result<Vec<Entry>, Unread> {
        let location = location.trim_start_matches("arn:aws:s3:::");
        let (bucket, key) = location.split_once('/').unwrap_or((location, ""));
        if !key.is_empty() && !key.ends_with('/') {
            // CodePipeline names its artifacts' versions so.
            let version = version.filter(|v| !v.starts_with("arn:"));
            let bytes = self.object(bucket, key, version).await?;
            return archive::unzip(&bytes).map_err(Unread::Never);
        }
        let mut entries = Vec::new();
        let (mut token, mut left) = (None, archive::MAX_BYTES);
        loop {
            let input = s3::ListObjectsV2Input {
                bucket: bucket.to_owned(),
                prefix: Some(key.to_owned()),
                continuation_token: token,
                ..Default::default()
            };
            let call =
                Caller::call::<s3::ops::ListObjectsV2>(self.house, self.scope, self.role, &input);
            let page = call
                .await
                .map_err(|e| refused(e, |e| format!("{location}: {e}")))?;
            for object in page.contents.unwrap_or_default() {
                let name = object.key.unwrap_or_default();
                let Some(path) = archive::safe(name.strip_prefix(key).unwrap_or(&name)) else {
                    continue;
                };
                if name.ends_with('/') {
                    continue;
                }
                let bytes = self.object(bucket, &name, None).await?;
                left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                    Unread::Never(format!(
                        "{location} has more than {} bytes",
                        archive::MAX_BYTES
                    ))
                })?;
                entries.push(Entry::file(path, bytes));
            }
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(entries);
            }
        }
    }

    async fn object(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<bytes::Bytes, Unread> {
        let words = |e: &AwsError| format!("{bucket}/{key}: {}: {}", e.code, e.message);
        let head = s3::HeadObjectInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: version.map(str::to_owned),
            ..Default::default()
        };
        let call =
            Caller::call::<s3::ops::HeadObject>(self.house, self.scope, self.role, &head).await;
        let head = call.map_err(|e| refused(e, words))?;
        let size = head.content_length.and_then(|n| u64::try_from(n).ok());
        if size > Some(archive::MAX_BYTES) {
            return Err(Unread::Never(format!(
                "{bucket}/{key} has more than {} bytes",
                archive::MAX_BYTES
            )));
        }
        let input = s3::GetObjectInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: version.map(str::to_owned),
            ..Default::default()
        };
        let call =
            Caller::call::<s3::ops::GetObject>(self.house, self.scope, self.role, &input).await;
        Ok(call
            .map_err(|e| refused(e, words))?
            .body
            .unwrap_or_default())
    }

    /// A commit's tree, file by file, and the commit.
    async fn codecommit(
        &self,
        location: &str,
        version: Option<&str>,
    ) -> Result<(Vec<Entry>, Option<String>), Unread> {
        let repository = location.trim_end_matches('/');
        let repository = repository.rsplit('/').next().unwrap_or_default().to_owned();
        let arn = self.scope.arn("codecommit", repository.clone());
        let may = Caller::may(
            self.house,
            self.scope,
            self.role,
            "codecommit:GitPull",
            &arn,
        )
        .await;
        may.map_err(|denied| {
            Unread::Never(format!(
                "authorization failed for primary source: {}",
                denied.sentence
            ))
        })?;
        let version = version.filter(|v| !v.is_empty());
        let version = version.map(|v| v.trim_start_matches("refs/heads/").to_owned());
        let mut commit = match version {
            Some(version) => version,
            None => {
                let found = self
                    .ask("GetRepository", json!({ "repositoryName": repository }))
                    .await?;
                let branch = found["repositoryMetadata"]["defaultBranch"].as_str();
                let none = || Unread::Never(format!("repository {repository} has no branch"));
                branch.ok_or_else(none)?.to_owned()
            }
        };
        let mut entries = Vec::new();
        let mut folders = vec!["/".to_owned()];
        let (mut resolved, mut left) = (None, archive::MAX_BYTES);
        while let Some(folder) = folders.pop() {
            let input = json!({
                "repositoryName": repository, "commitSpecifier": commit, "folderPath": folder,
            });
            let found = self.ask("GetFolder", input).await?;
            // All of it is of the commit that the first answer was of.
            if let Some(id) = found["commitId"].as_str() {
                commit = id.to_owned();
                resolved = Some(id.to_owned());
            }
            let list = |name: &str| found[name].as_array().cloned().unwrap_or_default();
            let path_of = |of: &Value| {
                let path = of["absolutePath"].as_str().unwrap_or_default();
                archive::safe(path.trim_start_matches('/'))
            };
            folders.extend(list("subFolders").iter().filter_map(path_of));
            for (file, is_link) in list("files")
                .iter()
                .map(|f| (f, false))
                .chain(list("symbolicLinks").iter().map(|f| (f, true)))
            {
                let Some(path) = path_of(file) else { continue };
                let input = json!({ "repositoryName": repository, "blobId": file["blobId"] });
                let blob = self.ask("GetBlob", input).await?;
                let bytes = decoded(&blob["content"]).ok_or_else(|| {
                    Unread::Never(format!("the content of {path} cannot be read"))
                })?;
                left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                    Unread::Never(format!(
                        "{repository} has more than {} bytes",
                        archive::MAX_BYTES
                    ))
                })?;
                let mode = file["fileMode"].as_str().unwrap_or_default();
                let content = match is_link || mode == "SYMLINK" {
                    true => Content::Link(String::from_utf8_lossy(&bytes).into_owned()),
                    false => Content::File {
                        bytes: bytes.into(),
                        mode: if mode == "EXECUTABLE" { 0o755 } else { 0o644 },
                    },
                };
                entries.push(Entry { path, content });
            }
        }
        Ok((entries, resolved))
    }

    /// AWS clones with git: the role needs `codecommit:GitPull`, and none of the operations that are called here.
    async fn ask(&self, operation: &str, input: Value) -> Result<Value, Unread> {
        let own = service_role(self.scope);
        let by = By::Role(&own);
        let to = ("codecommit", operation);
        let asked = Caller::call_by_name(self.house, self.scope, by, to, input).await;
        asked.map_err(|e| refused(e, |e| format!("{operation}: {}: {}", e.code, e.message)))
    }
}

/// The service's own role.
fn service_role(scope: &Scope) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/codebuild.amazonaws.com/AWSServiceRoleForCodeBuild",
        scope.account
    )
}

fn decoded(content: &Value) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let text = content.as_str().unwrap_or_default();
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}
