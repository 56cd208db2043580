//! What a build is asked for, and answers.

use super::context::Context;
use async_trait::async_trait;
use neargate_blob::Digest;
use neargate_domain::RegistryLogin;
use std::collections::BTreeMap;

/// One build.
#[derive(Debug)]
pub struct Request {
    pub context: Context,
    /// As errors name it.
    pub file_name: String,
    /// The Dockerfile itself.
    pub dockerfile: String,
    /// `--build-arg`
    pub arguments: BTreeMap<String, String>,
    /// `--target`: a stage's name or number; `None`: the last one.
    pub target: Option<String>,
    /// `--label`
    pub labels: BTreeMap<String, String>,
    /// Names that the image gets in this builder.
    pub tags: Vec<String>,
    pub no_cache: bool,
    /// Ask the registry for every image that is built from, whether it is here or not.
    pub pull: bool,
    /// `RUN` has no network but its own loopback.
    pub without_network: bool,
    /// `--secret`
    pub secrets: Vec<Secret>,
}

/// What `RUN --mount=type=secret` may ask for.
#[derive(Debug, Clone)]
pub struct Secret {
    pub id: String,
    pub value: neargate_base::Secret<String>,
}

/// An image that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Of its manifest.
    pub digest: Digest,
    /// Of its configuration: Docker's id of an image.
    pub id: Digest,
}

/// Where images are, and as whom their registries are asked.
#[async_trait]
pub trait Registries: std::fmt::Debug + Send + Sync {
    /// The name under which an image is reached from here, and the login that its registry wants.
    ///
    /// # Errors
    /// Why it cannot be reached, in words.
    async fn reach(&self, name: &str) -> Result<(String, Option<RegistryLogin>), String>;
}
