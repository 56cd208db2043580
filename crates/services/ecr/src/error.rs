//! ECR's errors, one constructor each
//! (<https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html>).

use neargate_blob::{BlobError, Digest};
use neargate_service::tags::InvalidTags;
use neargate_service::{AwsError, Scope};
use neargate_wire::validate::{Constraint, Invalid};

/// `Invalid parameter at 'x' failed to satisfy constraint: 'y'`.
fn invalid_parameter(at: &str, constraint: &str) -> AwsError {
    AwsError::client(
        "InvalidParameterException",
        format!("Invalid parameter at '{at}' failed to satisfy constraint: '{constraint}'"),
    )
}

/// The first thing that breaks the model, in ECR's words.
pub fn invalid(invalid: &Invalid) -> AwsError {
    let Some(first) = invalid.violations.first() else {
        return AwsError::client("InvalidParameterException", invalid.to_string());
    };
    let constraint = match &first.constraint {
        Constraint::Pattern(pattern) => format!("must satisfy regular expression '{pattern}'"),
        other => {
            let text = other.to_string();
            text.strip_prefix("Member ")
                .map(str::to_owned)
                .unwrap_or(text)
        }
    };
    invalid_parameter(&first.path, &constraint)
}

pub fn invalid_next_token() -> AwsError {
    invalid_parameter("nextToken", "must be a token of this operation")
}

/// A registry is named by its account.
pub fn invalid_account(at: &str) -> AwsError {
    invalid_parameter(at, "must be 12 digits")
}

pub fn invalid_resource_arn() -> AwsError {
    invalid_parameter("resourceArn", "must be the ARN of a repository")
}

pub fn invalid_subject() -> AwsError {
    invalid_parameter("subjectId.imageDigest", "must be a sha256 digest")
}

pub fn invalid_repository_name() -> AwsError {
    invalid_parameter(
        "repositoryName",
        "must satisfy regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*'",
    )
}

pub fn name_of_another_registry() -> AwsError {
    invalid_parameter(
        "repositoryName",
        "must not begin with <account>/<region>/ in the default account and region: such names mean other registries here",
    )
}

/// Exclusions that a setting lacks, or that were `given` to one that has none.
pub fn misplaced_exclusions(given: bool) -> AwsError {
    let constraint = if given {
        "must not be given unless imageTagMutability is IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION"
    } else {
        "must be given when imageTagMutability is IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION"
    };
    invalid_parameter("imageTagMutabilityExclusionFilters", constraint)
}

pub fn invalid_image_tag(tag: &str) -> AwsError {
    let tag: String = tag.chars().take(300).collect();
    invalid_parameter("imageTag", &format!("'{tag}' is not a valid tag"))
}

/// The policy of a repository or of the registry: `whose`.
pub fn invalid_policy(whose: &str) -> AwsError {
    invalid_parameter("PolicyText", &format!("Invalid {whose} policy provided"))
}

pub fn invalid_lifecycle_policy(why: &str) -> AwsError {
    let constraint = format!("Lifecycle policy validation failure: {why}");
    invalid_parameter("LifecyclePolicyText", &constraint)
}

fn in_registry(scope: &Scope, name: &str) -> String {
    format!(
        "repository with name '{name}' in the registry with id '{}'",
        scope.account
    )
}

/// IAM's sentence for another account's resource ("Troubleshooting access denied error
/// messages", resource-based policies); every caller is its account's root until IAM is built.
pub fn access_denied(who: &str, action: &str, resource: &str) -> AwsError {
    AwsError::client(
        "AccessDeniedException",
        format!(
            "User: {who} is not authorized to perform: ecr:{action} on resource: {resource} because no resource-based policy allows the ecr:{action} action"
        ),
    )
}

pub fn repository_not_found(scope: &Scope, name: &str) -> AwsError {
    AwsError::client(
        "RepositoryNotFoundException",
        format!(
            "The repository with name '{name}' does not exist in the registry with id '{}'",
            scope.account
        ),
    )
}

pub fn repository_already_exists(scope: &Scope, name: &str) -> AwsError {
    AwsError::client(
        "RepositoryAlreadyExistsException",
        format!(
            "The repository with name '{name}' already exists in the registry with id '{}'",
            scope.account
        ),
    )
}

pub fn repository_not_empty(scope: &Scope, name: &str) -> AwsError {
    AwsError::client(
        "RepositoryNotEmptyException",
        format!(
            "The repository with name '{name}' in registry with id '{}' cannot be deleted because \
             it still contains images",
            scope.account
        ),
    )
}

pub fn image_not_found(
    scope: &Scope,
    name: &str,
    digest: Option<&str>,
    tag: Option<&str>,
) -> AwsError {
    let (digest, tag) = (digest.unwrap_or("null"), tag.unwrap_or("null"));
    AwsError::client(
        "ImageNotFoundException",
        format!(
            "The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist \
             within the {}",
            in_registry(scope, name)
        ),
    )
}

pub fn image_already_exists(
    scope: &Scope,
    name: &str,
    digest: &Digest,
    tag: Option<&str>,
) -> AwsError {
    let tag = tag.map(|t| format!(" and tag '{t}'")).unwrap_or_default();
    AwsError::client(
        "ImageAlreadyExistsException",
        format!(
            "Image with digest '{digest}'{tag} already exists in the {}",
            in_registry(scope, name)
        ),
    )
}

pub fn image_tag_already_exists(name: &str, tag: &str) -> AwsError {
    AwsError::client(
        "ImageTagAlreadyExistsException",
        format!(
            "The image tag '{tag}' already exists in the '{name}' repository and cannot be \
             overwritten because the tag is immutable."
        ),
    )
}

pub fn image_digest_does_not_match(given: &str, actual: &Digest) -> AwsError {
    AwsError::client(
        "ImageDigestDoesNotMatchException",
        format!(
            "Image digest '{given}' does not match the digest '{actual}' that Amazon ECR calculated"
        ),
    )
}

/// A manifest that is none; the constraint is ECR's or says what is wrong.
pub fn invalid_manifest(constraint: &str) -> AwsError {
    invalid_parameter("ImageManifest", constraint)
}

/// Blobs a manifest names that the repository does not have.
pub fn layers_required(scope: &Scope, name: &str, missing: &[Digest]) -> AwsError {
    required("LayersNotFoundException", "Layers", scope, name, missing)
}

/// Images an index names that the repository does not have.
pub fn images_required(scope: &Scope, name: &str, missing: &[Digest]) -> AwsError {
    required(
        "ReferencedImagesNotFoundException",
        "Images",
        scope,
        name,
        missing,
    )
}

fn required(code: &str, what: &str, scope: &Scope, name: &str, missing: &[Digest]) -> AwsError {
    // A hostile manifest must not make a huge answer.
    let shown: Vec<String> = missing.iter().take(10).map(Digest::to_string).collect();
    AwsError::client(
        code,
        format!(
            "{what} with digests '[{}]' required for pushing image into {} do not exist",
            shown.join(", "),
            in_registry(scope, name)
        ),
    )
}

pub fn layer_not_found(scope: &Scope, name: &str, digest: &str) -> AwsError {
    AwsError::client(
        "LayersNotFoundException",
        format!(
            "The layer with digest '{digest}' does not exist in the {}",
            in_registry(scope, name)
        ),
    )
}

pub fn layer_already_exists(scope: &Scope, name: &str, digest: &Digest) -> AwsError {
    AwsError::client(
        "LayerAlreadyExistsException",
        format!(
            "Image layer with digest '{digest}' already exists in the {}",
            in_registry(scope, name)
        ),
    )
}

pub fn invalid_layer(given: &str, actual: &Digest) -> AwsError {
    AwsError::client(
        "InvalidLayerException",
        format!(
            "The layer digest calculation performed by Amazon ECR upon receipt of the image layer \
             does not match the digest specified: '{given}' was specified, '{actual}' calculated"
        ),
    )
}

pub fn invalid_layer_digest(given: &str) -> AwsError {
    invalid_parameter("layerDigest", &format!("'{given}' is not a sha256 digest"))
}

pub fn layer_part_too_small() -> AwsError {
    AwsError::client(
        "LayerPartTooSmallException",
        "Layer parts must be at least 5 MiB in size.",
    )
}

pub fn empty_upload() -> AwsError {
    AwsError::client(
        "EmptyUploadException",
        "The specified layer upload does not contain any layer parts.",
    )
}

/// A part that does not continue the upload; `received` bytes are there.
pub fn invalid_layer_part(
    scope: &Scope,
    name: &str,
    upload: &str,
    received: u64,
    why: &str,
) -> AwsError {
    AwsError::client("InvalidLayerPartException", why)
        .field("registryId", scope.account.as_str())
        .field("repositoryName", name)
        .field("uploadId", upload)
        .field(
            "lastValidByteReceived",
            i64::try_from(received).unwrap_or(i64::MAX) - 1,
        )
}

pub fn upload_not_found(scope: &Scope, name: &str, upload: &str) -> AwsError {
    AwsError::client(
        "UploadNotFoundException",
        format!(
            "The upload with id '{upload}' does not exist in the {}",
            in_registry(scope, name)
        ),
    )
}

fn no_policy(code: &str, what: &str, scope: &Scope, name: &str) -> AwsError {
    AwsError::client(
        code,
        format!(
            "{what} does not exist for the repository with name '{name}' in the registry with id '{}'",
            scope.account
        ),
    )
}

pub fn repository_policy_not_found(scope: &Scope, name: &str) -> AwsError {
    no_policy(
        "RepositoryPolicyNotFoundException",
        "Repository policy",
        scope,
        name,
    )
}

pub fn lifecycle_policy_not_found(scope: &Scope, name: &str) -> AwsError {
    no_policy(
        "LifecyclePolicyNotFoundException",
        "Lifecycle policy",
        scope,
        name,
    )
}

pub fn lifecycle_policy_preview_not_found(scope: &Scope, name: &str) -> AwsError {
    no_policy(
        "LifecyclePolicyPreviewNotFoundException",
        "Lifecycle policy preview",
        scope,
        name,
    )
}

pub fn registry_policy_not_found(scope: &Scope) -> AwsError {
    AwsError::client(
        "RegistryPolicyNotFoundException",
        format!(
            "Registry policy does not exist in the registry with id '{}'",
            scope.account
        ),
    )
}

pub fn invalid_tags(e: InvalidTags) -> AwsError {
    let code = match e {
        InvalidTags::TooMany => "TooManyTagsException",
        _ => "InvalidTagParameterException",
    };
    AwsError::client(code, e.to_string())
}

/// A blob store that failed.
pub fn blob(e: BlobError) -> AwsError {
    match &e {
        BlobError::NoSpace { .. } => AwsError::server(
            "ServerException",
            "No space is left on the disk that holds the images: free some, then try again.",
        )
        .caused_by(e),
        _ => AwsError::internal(e),
    }
}
