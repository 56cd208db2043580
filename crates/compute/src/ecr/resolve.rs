//! Where the image a task names is: in our own registry, missing from it, or elsewhere.

use crate::ecr::contents::Contents;
use crate::ecr::names::{self, InvalidReference, OwnImage};
use neargate_blob::Digest;
use neargate_service::{AwsError, House, Scope};
use std::sync::Arc;

/// Where an image named in a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// In our own registry: the digest of its manifest or index.
    Own { digest: Digest },
    /// It would be in our own registry, but is not: the text after `CannotPullContainerError: `.
    Missing { message: String },
    /// In some other registry.
    Elsewhere,
}

/// Find the image a task names. Account and region come from the name, never from the task's
/// own scope: every account's images may be run until IAM is built.
pub async fn resolve(house: &Arc<House>, _scope: &Scope, name: &str) -> Result<Resolved, AwsError> {
    match names::own_image(&house.settings, name) {
        None => Ok(Resolved::Elsewhere),
        Some(Err(InvalidReference)) => Ok(Resolved::Missing {
            message: format!("failed to parse image reference {name:?}: invalid reference format"),
        }),
        Some(Ok(image)) => find(house, &image).await,
    }
}

async fn find(house: &Arc<House>, image: &OwnImage) -> Result<Resolved, AwsError> {
    // Fargate's words, with containerd's "not found" in them, for a repository that does not
    // exist too (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html).
    let missing = || {
        let name = &image.reference;
        let message = format!(
            "pull image manifest has been retried 1 time(s): failed to resolve ref {name}: {name}: not found"
        );
        Ok(Resolved::Missing { message })
    };
    let place = &image.place;
    let contents = match Contents::open(house, &place.scope, &place.repository).await {
        Ok(contents) => contents,
        Err(e) if e.is("RepositoryNotFoundException") => return missing(),
        Err(e) => return Err(e),
    };
    let found = match (&image.digest, &image.tag) {
        (Some(digest), _) => contents.image(digest).await?,
        (None, Some(tag)) => contents.tagged(tag).await?,
        (None, None) => None,
    };
    let Some(found) = found else { return missing() };
    contents.pulled(&found).await?;
    Ok(Resolved::Own {
        digest: found.digest,
    })
}
