//! The images of a project: those that are built, and those that get files of the project.

use super::file::Found;
use super::model::{Baked, Service};
use crate::client::Target;
use crate::commands::build::Image;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a service's image is called in our registry.
pub fn repository(project: &str, service: &str) -> String {
    let service = service.to_ascii_lowercase();
    format!("{project}/{}", service.trim_matches(['-', '_']))
}

/// The names by which services' images are pulled; those that must be are built.
///
/// # Errors
/// One does not build.
pub async fn build(found: &Found, target: &Target) -> Result<BTreeMap<String, String>> {
    let mut images = BTreeMap::new();
    for (name, service) in &found.project.services {
        let built = build_one(found, name, service, target).await;
        let built = built.with_context(|| format!("the image of {name}"))?;
        images.insert(name.clone(), built);
    }
    Ok(images)
}

/// The names that images would have, where nothing is built.
pub fn planned(found: &Found) -> BTreeMap<String, String> {
    let all = found.project.services.iter().map(|(name, service)| {
        let own = service.build.is_some() || !service.baked.is_empty();
        let image = match own {
            true => format!("{}:latest", repository(&found.project.name, name)),
            false => service.image.clone().unwrap_or_default(),
        };
        (name.clone(), image)
    });
    all.collect()
}

async fn build_one(
    found: &Found,
    name: &str,
    service: &Service,
    target: &Target,
) -> Result<String> {
    let repository = repository(&found.project.name, name);
    let mut image = service.image.clone().unwrap_or_default();
    if let Some(build) = &service.build {
        let file = build.dockerfile.clone();
        let dockerfile = file.unwrap_or_else(|| "Dockerfile".into());
        tell!("building {name}");
        let made = Image {
            name: format!("{repository}:latest"),
            dir: dir(found, &build.context),
            dockerfile: (dockerfile, build.inline.clone()),
            arguments: build
                .arguments
                .iter()
                .map(|(name, value)| {
                    let value = value.clone().or_else(|| found.variable(name));
                    (name.clone(), value)
                })
                .collect(),
            stage: build.target.clone(),
            labels: build.labels.clone(),
            no_cache: build.no_cache,
            target: target.clone(),
        };
        image = made.build().await?;
    }
    if service.baked.is_empty() {
        return Ok(image);
    }
    tell!("putting files into the image of {name}");
    let made = Image {
        name: format!("{repository}:with-files"),
        dir: found.dir.clone(),
        dockerfile: (
            "Dockerfile.compose".into(),
            Some(with_files(found, &image, &service.baked)?),
        ),
        arguments: BTreeMap::new(),
        stage: None,
        labels: BTreeMap::new(),
        no_cache: false,
        target: target.clone(),
    };
    made.build().await
}

fn dir(found: &Found, context: &str) -> PathBuf {
    found.dir.join(context)
}

/// The Dockerfile of an image and files.
fn with_files(found: &Found, image: &str, files: &[Baked]) -> Result<String> {
    let mut text = format!("FROM {image}\n");
    for file in files {
        let path = found.dir.join(&file.source);
        ensure!(path.exists(), "{} is not there", path.display());
        // A directory's contents go to the target, a file to the target itself.
        let pair = serde_json::to_string(&[&file.source, &file.target])?;
        text.push_str(&format!("COPY {pair}\n"));
    }
    Ok(text)
}
