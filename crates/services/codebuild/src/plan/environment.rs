//! The variables of a build
//! (<https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html>).

use neargate_api_codebuild as api;

/// What CodeBuild itself sets.
pub fn own(
    build: &api::Build,
    directories: &[(Option<String>, String)],
    image: &str,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut set = |name: &str, value: String| all.push((name.to_owned(), value));
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    set("CI", "true".into());
    set("CODEBUILD_CI", "true".into());
    set("CODEBUILD_BUILD_ARN", text(&build.arn));
    set("CODEBUILD_BUILD_ID", text(&build.id));
    set("CODEBUILD_BUILD_IMAGE", image.to_owned());
    set(
        "CODEBUILD_BUILD_NUMBER",
        build.build_number.unwrap_or_default().to_string(),
    );
    set("CODEBUILD_INITIATOR", text(&build.initiator));
    set("CODEBUILD_PROJECT_ARN", project_arn(build));
    set(
        "CODEBUILD_START_TIME",
        build.start_time.map_or(0, |t| t.as_millis()).to_string(),
    );
    let key = text(&build.encryption_key);
    if !key.is_empty() {
        set("CODEBUILD_KMS_KEY_ID", key);
    }
    let logs = build.logs.clone().unwrap_or_default();
    if let Some(stream) = &logs.stream_name {
        set("CODEBUILD_LOG_PATH", stream.clone());
    }
    let source = build.source.clone().unwrap_or_default();
    if let Some(location) = &source.location {
        set("CODEBUILD_SOURCE_REPO_URL", location.clone());
    }
    let version = build.source_version.clone().or_else(|| {
        (source.r#type == "S3")
            .then(|| source.location.map(|l| format!("arn:aws:s3:::{l}")))
            .flatten()
    });
    if let Some(version) = version {
        set("CODEBUILD_SOURCE_VERSION", version);
    }
    // An object of S3 has none.
    if let Some(resolved) = &build.resolved_source_version {
        set("CODEBUILD_RESOLVED_SOURCE_VERSION", resolved.clone());
    }
    for version in build.secondary_source_versions.iter().flatten() {
        let name = format!("CODEBUILD_SOURCE_VERSION_{}", version.source_identifier);
        set(&name, version.source_version.clone());
    }
    for (identifier, directory) in directories {
        match identifier {
            None => set("CODEBUILD_SRC_DIR", directory.clone()),
            Some(id) => set(&format!("CODEBUILD_SRC_DIR_{id}"), directory.clone()),
        }
    }
    all
}

fn project_arn(build: &api::Build) -> String {
    let arn = build.arn.clone().unwrap_or_default();
    let project = build.project_name.clone().unwrap_or_default();
    match arn.split_once(":build/") {
        Some((before, _)) => format!("{before}:project/{project}"),
        None => arn,
    }
}

/// One set of variables over another: the later counts.
pub fn merged(sets: Vec<Vec<(String, String)>>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in sets.into_iter().flatten() {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => all.push((name, value)),
        }
    }
    all
}

/// A secret's reference: `secret-id:json-key:version-stage:version-id`, where the id may be an ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    pub id: String,
    pub json_key: Option<String>,
    pub stage: Option<String>,
    pub version: Option<String>,
}

pub fn secret(text: &str) -> SecretRef {
    let parts: Vec<&str> = text.split(':').collect();
    // arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME
    let (id, rest) = match text.starts_with("arn:") && parts.len() >= 7 {
        true => (parts[..7].join(":"), &parts[7..]),
        false => (parts[0].to_owned(), &parts[1..]),
    };
    let part = |at: usize| {
        let part = rest.get(at).copied().filter(|p| !p.is_empty());
        part.map(str::to_owned)
    };
    SecretRef {
        id,
        json_key: part(0),
        stage: part(1),
        version: part(2),
    }
}

/// CPU units and MiB of a build's task.
///
/// # Errors
/// A compute type that is not run here.
pub fn compute(environment: &api::ProjectEnvironment) -> Result<(u32, u32), String> {
    Ok(match environment.compute_type.as_str() {
        "BUILD_GENERAL1_SMALL" => (2048, 4096),
        "BUILD_GENERAL1_MEDIUM" => (4096, 8192),
        "BUILD_GENERAL1_LARGE" => (8192, 16384),
        other => return Err(format!("the compute type {other}")),
    })
}
