//! ECR as a source: an artifact with `imageDetail.json`
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECR.html>).

use super::{Done, Ended, Step, Work, artifacts, failed};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub async fn source(work: &Work<'_>) -> Result<Step, Ended> {
    let repository = work.required("RepositoryName");
    let tag = work.configured("ImageTag").unwrap_or("latest");
    let id = match work.execution.pinned.get(&work.run.action) {
        Some(digest) => json!({ "imageDigest": digest }),
        None => json!({ "imageTag": tag }),
    };
    let named = json!({ "repositoryName": repository, "imageIds": [id] });
    let found = work.call(("ecr", "DescribeImages"), named).await?;
    let image = &found["imageDetails"][0];
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let digest = text(&image["imageDigest"]);
    if digest.is_empty() {
        return Err(failed(
            "ConfigurationError",
            format!("The image {repository}:{tag} has no digest"),
        ));
    }
    let named = json!({ "repositoryNames": [repository] });
    let found = work.call(("ecr", "DescribeRepositories"), named).await?;
    let at = text(&found["repositories"][0]["repositoryUri"]);
    let registry = text(&image["registryId"]);
    let uri = format!("{at}@{digest}");
    let detail = json!({
        "ImageSizeInBytes": image["imageSizeInBytes"].to_string(),
        "ImageDigest": digest,
        "Version": "1.0",
        "ImagePushedAt": image["imagePushedAt"],
        "RegistryId": registry,
        "RepositoryName": repository,
        "ImageURI": uri,
        "ImageTags": image["imageTags"],
    });
    let packed = artifacts::packed(&[("imageDetail.json".into(), detail.to_string().into())])?;
    let (_, place) = work.output()?;
    artifacts::put(work, place, packed).await?;
    let variables = [
        ("RegistryId", registry),
        ("RepositoryName", repository.to_owned()),
        ("ImageTag", tag.to_owned()),
        ("ImageDigest", digest.clone()),
        ("ImageURI", uri),
    ];
    let named = |(name, value): (&str, String)| (name.to_owned(), value);
    Ok(Step::Done(Done {
        summary: None,
        variables: BTreeMap::from(variables.map(named)),
        revision: Some(work.revision(&digest, None)),
        ..Done::default()
    }))
}
