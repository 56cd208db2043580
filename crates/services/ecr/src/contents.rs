//! What a repository holds: its images, tags and layers in the store.
//!
//! Owns their keys. It decides nothing: pushing, deleting and collecting have their own modules.

use crate::error;
use crate::model::{Image, Layer, Repository, Tag};
use neargate_base::Timestamp;
use neargate_blob::{Digest, Stored as StoredBlob};
use neargate_service::db::{key, prefix};
use neargate_service::{AwsError, Committed, Db, House, Resource, Scope, Stored};
use neargate_store::Compare;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a repository is not open to a caller, each with AWS's words for it.
#[derive(Debug)]
pub enum NotOpen {
    /// There is no such repository, or not any more.
    Missing(AwsError),
    /// It is in another account's registry, and no policy lets the caller in.
    Denied(AwsError),
    Failed(AwsError),
}

impl From<AwsError> for NotOpen {
    fn from(e: AwsError) -> Self {
        NotOpen::Failed(e)
    }
}

impl From<NotOpen> for AwsError {
    fn from(e: NotOpen) -> Self {
        match e {
            NotOpen::Missing(e) | NotOpen::Denied(e) | NotOpen::Failed(e) => e,
        }
    }
}

/// An existing repository, as it was when it was opened.
#[derive(Debug, Clone)]
pub struct Contents {
    pub house: Arc<House>,
    pub scope: Scope,
    pub repository: Stored<Repository>,
}

impl Contents {
    /// # Errors
    /// [`NotOpen::Missing`].
    pub async fn open(house: &Arc<House>, scope: &Scope, name: &str) -> Result<Self, NotOpen> {
        let found = house.db.get::<Repository>(scope, name).await?;
        let missing = || NotOpen::Missing(error::repository_not_found(scope, name));
        let repository = found.ok_or_else(missing)?;
        Ok(Contents {
            house: house.clone(),
            scope: scope.clone(),
            repository,
        })
    }

    /// The same repository, read again.
    ///
    /// # Errors
    /// [`NotOpen::Missing`] when it was deleted meanwhile.
    pub async fn reopen(&mut self) -> Result<(), NotOpen> {
        let now = Contents::open(&self.house, &self.scope, &self.repository.name).await?;
        if now.repository.uid != self.repository.uid {
            return Err(self.missing());
        }
        *self = now;
        Ok(())
    }

    fn missing(&self) -> NotOpen {
        NotOpen::Missing(error::repository_not_found(&self.scope, self.name()))
    }

    pub fn name(&self) -> &str {
        &self.repository.name
    }

    fn db(&self) -> &Db {
        &self.house.db
    }

    /// The key of a `T` in this repository.
    pub fn key<T: Resource>(&self, id: &str) -> String {
        key::<T>(&self.scope, &format!("{}/{id}", self.repository.uid))
    }

    /// The prefix of every `T` in this repository.
    pub fn prefix<T: Resource>(&self) -> String {
        format!("{}{}/", prefix::<T>(&self.scope), self.repository.uid)
    }

    pub async fn image(&self, digest: &Digest) -> Result<Option<Stored<Image>>, AwsError> {
        self.db().get_key(&self.key::<Image>(&digest.hex())).await
    }

    pub async fn images(&self) -> Result<Vec<Stored<Image>>, AwsError> {
        self.db().list_prefix(&self.prefix::<Image>()).await
    }

    pub async fn tag(&self, tag: &str) -> Result<Option<Stored<Tag>>, AwsError> {
        self.db().get_key(&self.key::<Tag>(tag)).await
    }

    pub async fn tags(&self) -> Result<Vec<Stored<Tag>>, AwsError> {
        self.db().list_prefix(&self.prefix::<Tag>()).await
    }

    /// The tags of every image that has some, in order.
    pub async fn tags_by_image(&self) -> Result<BTreeMap<Digest, Vec<String>>, AwsError> {
        let mut by_image = BTreeMap::<Digest, Vec<String>>::new();
        for tag in self.tags().await? {
            by_image
                .entry(tag.value.digest)
                .or_default()
                .push(tag.value.tag);
        }
        Ok(by_image)
    }

    /// The image of a tag.
    pub async fn tagged(&self, tag: &str) -> Result<Option<Stored<Image>>, AwsError> {
        match self.tag(tag).await? {
            Some(tag) => self.image(&tag.digest).await,
            None => Ok(None),
        }
    }

    /// A blob that this repository may read and that is there.
    pub async fn layer(&self, digest: &Digest) -> Result<Option<Stored<Layer>>, AwsError> {
        let layer = self.db().get_key(&self.key::<Layer>(&digest.hex())).await?;
        match layer {
            Some(layer) if self.house.blobs.has(digest).await => Ok(Some(layer)),
            _ => Ok(None),
        }
    }

    pub async fn layers(&self) -> Result<Vec<Stored<Layer>>, AwsError> {
        self.db().list_prefix(&self.prefix::<Layer>()).await
    }

    /// Let this repository read a blob.
    ///
    /// # Errors
    /// [`NotOpen::Missing`] when it was deleted meanwhile.
    pub async fn link(&self, blob: StoredBlob) -> Result<(), NotOpen> {
        let layer = Layer {
            digest: blob.digest,
            size_bytes: blob.size_bytes,
            linked_at: self.house.now(),
        };
        let key = self.key::<Layer>(&blob.digest.hex());
        let exists = vec![Compare::Exists(self.repository.key.clone())];
        let tx = self.db().tx().with(exists, Vec::new()).put(key, &layer);
        match tx.commit().await? {
            Committed::At(_) => Ok(()),
            Committed::Conflict => Err(self.missing()),
        }
    }

    /// The id of a new upload: a UUID, as the API's model wants it, that begins with the
    /// repository's own id.
    pub fn new_upload_id(&self) -> String {
        let uuid = self.house.rng.uuid();
        let (head, tail) = self.repository.uid.split_at(8);
        format!("{head}-{tail}{}", &uuid[13..])
    }

    /// Is this the id of one of this repository's uploads?
    pub fn owns_upload(&self, id: &str) -> bool {
        let (head, tail) = self.repository.uid.split_at(8);
        id.strip_prefix(head)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.strip_prefix(tail))
            .is_some_and(|rest| rest.starts_with('-') && rest.len() == 23)
    }

    /// Change the repository's own record; answers it as it is now.
    ///
    /// # Errors
    /// `RepositoryNotFoundException` when it was deleted meanwhile, and those of `change`.
    pub async fn modify(
        &self,
        mut change: impl FnMut(&mut Repository) -> Result<(), AwsError>,
    ) -> Result<Stored<Repository>, AwsError> {
        let change = |repository: &mut Repository| change(repository).map(|()| true);
        let changed = self.db().modify(&self.repository.key, change).await?;
        Ok(changed.ok_or_else(|| self.missing())?)
    }

    /// The repository as it is to be written beside a change of its images or layers.
    pub fn changed(&self) -> Repository {
        let mut repository = self.repository.value.clone();
        repository.changes += 1;
        repository
    }

    /// Note that an image was pulled, once a day.
    pub async fn pulled(&self, image: &Stored<Image>) -> Result<(), AwsError> {
        let now = self.house.now();
        if !is_stale(image.last_pull_at, now) {
            return Ok(());
        }
        let note = |image: &mut Image| {
            let stale = is_stale(image.last_pull_at, now);
            image.last_pull_at = Some(now);
            Ok(stale)
        };
        self.db().modify(&image.key, note).await.map(drop)
    }
}

/// AWS refreshes `lastRecordedPullTime` at least once every 24 hours.
fn is_stale(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| now.since(last).as_secs() >= 24 * 60 * 60)
}
