//! Where the image a task names is: in our own registry, missing from it, or elsewhere.

use crate::contents::NotOpen;
use crate::envoy;
use crate::grant;
use crate::names::{self, InvalidReference, OwnImage};
use neargate_base::AccountId;
use neargate_blob::Digest;
use neargate_service::{AwsError, House, Principal, Scope};
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

/// Find the image a task names. Account and region come from the name; another account than the
/// task's must grant it what a pull does.
pub async fn resolve(house: &Arc<House>, scope: &Scope, name: &str) -> Result<Resolved, AwsError> {
    if let Some(image) = envoy::stands_for(&house.settings, name) {
        // It is everybody's, as AWS's is.
        let owner = &house.settings.default_scope.account;
        return Ok(match find(house, owner, &image).await? {
            Resolved::Missing { .. } => Resolved::Missing {
                message: envoy::missing(name),
            },
            found => found,
        });
    }
    match names::own_image(&house.settings, name) {
        None => Ok(Resolved::Elsewhere),
        Some(Err(InvalidReference)) => Ok(Resolved::Missing {
            message: format!("failed to parse image reference {name:?}: invalid reference format"),
        }),
        Some(Ok(image)) => find(house, &scope.account, &image).await,
    }
}

/// What a pull does, in IAM's words.
pub const PULL: [&str; 2] = ["BatchGetImage", "GetDownloadUrlForLayer"];

async fn find(
    house: &Arc<House>,
    account: &AccountId,
    image: &OwnImage,
) -> Result<Resolved, AwsError> {
    // Fargate's words, with containerd's "not found" in them, for a repository that does not
    // exist too (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html).
    let missing = |why: &str| {
        let name = &image.reference;
        let message = format!(
            "pull image manifest has been retried 1 time(s): failed to resolve ref {name}: {why}"
        );
        Ok(Resolved::Missing { message })
    };
    let not_found = || missing(&format!("{}: not found", image.reference));
    let (scope, repository) = (&image.place.scope, &image.place.repository);
    let who = Principal::root(account, "");
    let contents = match grant::open(house, &who, scope, repository, &PULL).await {
        Ok(contents) => contents,
        Err(NotOpen::Missing(_)) => return not_found(),
        Err(NotOpen::Denied(_)) => {
            return missing(
                "pull access denied, repository does not exist or may require authorization: \
                 authorization failed: 403 Forbidden",
            );
        }
        Err(NotOpen::Failed(e)) => return Err(e),
    };
    let found = match (&image.digest, &image.tag) {
        (Some(digest), _) => contents.image(digest).await?,
        (None, Some(tag)) => contents.tagged(tag).await?,
        (None, None) => None,
    };
    let Some(found) = found else {
        return not_found();
    };
    contents.pulled(&found).await?;
    Ok(Resolved::Own {
        digest: found.digest,
    })
}
