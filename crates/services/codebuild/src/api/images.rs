//! AWS's own build images: those that the operator has named here.

use crate::CodeBuild;
use neargate_api_codebuild as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn list_curated_environment_images(
    _: Arc<CodeBuild>,
    cx: Ctx,
    _: api::ListCuratedEnvironmentImagesInput,
) -> Result<api::ListCuratedEnvironmentImagesOutput, AwsError> {
    let names = cx.house.settings.build_images.keys();
    let images: Vec<api::EnvironmentImage> = names
        .filter(|name| *name != "*")
        .map(|name| api::EnvironmentImage {
            name: Some(name.clone()),
            description: Some(format!("AWS CodeBuild - {name}")),
            versions: Some(vec![name.clone()]),
        })
        .collect();
    let platform = api::EnvironmentPlatform {
        platform: Some("UBUNTU".to_owned()),
        languages: Some(vec![api::EnvironmentLanguage {
            language: Some("STANDARD".to_owned()),
            images: Some(images),
        }]),
    };
    Ok(api::ListCuratedEnvironmentImagesOutput {
        platforms: Some(vec![platform]),
    })
}
