//! An image of our own blobs, sent to a registry.

use super::error::{PullError, PullErrorKind};
use super::images::Images;
use super::manifest::{self, Content};
use super::name::{InvalidName, Reference};
use super::source::{OwnBlobs, own};
use neargate_blob::Digest;
use neargate_domain::RegistryLogin;

impl Images {
    /// Sends the image of this manifest to where `name` leads, under its tag. What the registry has
    /// already is not sent again. `told` hears of each blob: its digest, its size, and whether it was sent.
    ///
    /// # Errors
    /// What the registry says, or what stands in the way to it.
    pub async fn push(
        &self,
        digest: &Digest,
        name: &str,
        login: Option<&RegistryLogin>,
        told: &(dyn Fn(&Digest, u64, bool) + Send + Sync),
    ) -> Result<(), PullError> {
        let blobs = self.here()?;
        let invalid = |e: InvalidName| PullError::new(PullErrorKind::InvalidName, e.to_string());
        let reference: Reference = name.parse().map_err(invalid)?;
        let bytes = OwnBlobs::Here(blobs.clone()).document(digest).await?;
        let Content::Manifest { config, layers } = manifest::parse(&bytes)? else {
            let what = "an index is not pushed: name the image of one platform";
            return Err(PullError::new(PullErrorKind::Unsupported, what));
        };
        let place = self.registry.place_to_push(&reference, login);
        for blob in layers.iter().chain([&config]) {
            let is_there = self.registry.has_blob(&place, &blob.digest).await?;
            if !is_there {
                let (size, body) = blobs.stream(&blob.digest, None).await.map_err(own)?;
                self.registry
                    .put_blob(&place, &blob.digest, size, body)
                    .await?;
            }
            told(&blob.digest, blob.size, !is_there);
        }
        let target = reference.target();
        self.registry.put_manifest(&place, &target, bytes).await
    }

    /// Does the registry of `host` take this login? Answers what it says against it.
    ///
    /// # Errors
    /// It does not, or cannot be asked.
    pub async fn check_login(&self, host: &str, login: &RegistryLogin) -> Result<(), PullError> {
        let name = format!("{host}/neargate/login");
        let invalid = |e: InvalidName| PullError::new(PullErrorKind::InvalidName, e.to_string());
        let reference: Reference = name.parse().map_err(invalid)?;
        let place = self.registry.place_to_push(&reference, Some(login));
        self.registry.check(&place).await
    }
}
