//! What ECR stores. All of it is written by the API and the registry, none by a controller.
//!
//! A repository has an id of its own, and what it holds is keyed by that id: deleting the
//! repository is one write, and one made anew under the same name is empty. Everything that adds
//! or removes an image rewrites the repository too ([`Repository::changes`]), so that a deletion
//! and a push that cross each other conflict instead of losing an image.

use neargate_base::Timestamp;
use neargate_blob::Digest;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};

/// `ecr/repository/…/<name>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Repository {
    pub name: String,
    /// Twelve hexadecimal digits; the keys of its images, tags and layers begin with it.
    pub uid: String,
    pub created_at: Timestamp,
    /// `MUTABLE`, `IMMUTABLE`, `IMMUTABLE_WITH_EXCLUSION` or `MUTABLE_WITH_EXCLUSION`.
    pub tag_mutability: String,
    /// Wildcard patterns of the tags that are the exception.
    pub mutability_exclusions: Vec<String>,
    pub scan_on_push: bool,
    /// `AES256`, `KMS` or `KMS_DSSE`; stored only.
    pub encryption_type: String,
    pub kms_key: Option<String>,
    pub policy: Option<String>,
    pub lifecycle_policy: Option<String>,
    pub tags: Tags,
    /// Rises with every change of its images and layers.
    pub changes: u64,
}

impl Resource for Repository {
    const KIND: &'static str = "ecr/repository";
}

/// `ecr/image/…/<repository uid>/<hex>`: a manifest or an index. Its bytes are a blob.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Image {
    pub digest: Digest,
    pub media_type: String,
    /// `artifactType`, or the media type of the configuration.
    pub artifact_type: Option<String>,
    pub config_media_type: Option<String>,
    /// The size of the manifest itself.
    pub manifest_bytes: u64,
    /// Configuration and layers; of an index its largest image.
    pub image_bytes: u64,
    /// Configuration and layers that must be in the repository.
    pub blobs: Vec<Digest>,
    /// The images of an index.
    pub images: Vec<Digest>,
    pub subject: Option<Digest>,
    pub pushed_at: Timestamp,
    /// Kept to the day, as in AWS.
    pub last_pull_at: Option<Timestamp>,
}

impl Resource for Image {
    const KIND: &'static str = "ecr/image";
}

/// `ecr/tag/…/<repository uid>/<tag>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tag {
    pub tag: String,
    pub digest: Digest,
}

impl Resource for Tag {
    const KIND: &'static str = "ecr/tag";
}

/// `ecr/layer/…/<repository uid>/<hex>`: this repository may read that blob.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Layer {
    pub digest: Digest,
    pub size_bytes: u64,
    /// When it was last pushed or mounted: a guard for the collector.
    pub linked_at: Timestamp,
}

impl Resource for Layer {
    const KIND: &'static str = "ecr/layer";
}

/// `ecr/evaluation/…/<repository uid>/last`: when the repository's lifecycle policy was last carried out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evaluation {
    pub at: Timestamp,
}

impl Resource for Evaluation {
    const KIND: &'static str = "ecr/evaluation";
}

/// `ecr/preview/…/<repository uid>/last`: what a lifecycle policy would have done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Preview {
    pub policy: String,
    /// Images, each with the priority of its rule.
    pub expiring: Vec<(Digest, i32)>,
}

impl Resource for Preview {
    const KIND: &'static str = "ecr/preview";
}

/// `ecr/short-part/…/<upload id>`: an upload by the API received a part that only a last one
/// may be as small as.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShortPart {
    /// The upload must end here.
    pub end: u64,
    pub at: Timestamp,
}

impl Resource for ShortPart {
    const KIND: &'static str = "ecr/short-part";
}

/// `ecr/registry/…/registry`: what belongs to an account's registry as a whole.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Registry {
    pub policy: Option<String>,
}

impl Resource for Registry {
    const KIND: &'static str = "ecr/registry";
}

/// `ecr/secret/token`: what authorization tokens are signed with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenSecret {
    pub hex: String,
}

impl Resource for TokenSecret {
    const KIND: &'static str = "ecr/secret";
}
