//! Staging labels: which version holds, which one held before. Pure.
//!
//! Invariant: a label is at one version at most.

use crate::error;
use crate::model::Secret;
use neargate_service::AwsError;
use std::collections::BTreeSet;

pub(crate) const CURRENT: &str = "AWSCURRENT";
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";
pub(crate) const PENDING: &str = "AWSPENDING";

/// AWS's limit of labels of a secret.
const MOST: usize = 20;

/// The version that has the label.
pub(crate) fn holder<'a>(secret: &'a Secret, stage: &str) -> Option<&'a str> {
    let mut versions = secret.versions.iter();
    let found = versions.find(|(_, version)| version.stages.contains(stage));
    found.map(|(id, _)| id.as_str())
}

/// Moves a label to a version, or attaches it there. The version that `AWSCURRENT` leaves gets
/// `AWSPREVIOUS`.
pub(crate) fn attach(secret: &mut Secret, stage: &str, to: &str) {
    let before = holder(secret, stage).map(str::to_owned);
    if before.as_deref() == Some(to) {
        return;
    }
    for version in secret.versions.values_mut() {
        version.stages.remove(stage);
    }
    if let Some(version) = secret.versions.get_mut(to) {
        version.stages.insert(stage.to_owned());
    }
    if let Some(before) = before.filter(|_| stage == CURRENT) {
        attach(secret, PREVIOUS, &before);
    }
}

/// # Errors
/// There would be too many labels.
pub(crate) fn check(secret: &Secret) -> Result<(), AwsError> {
    let all = secret.versions.values().flat_map(|v| &v.stages);
    if all.collect::<BTreeSet<_>>().len() > MOST {
        Err(error::too_many_stages())
    } else {
        Ok(())
    }
}
