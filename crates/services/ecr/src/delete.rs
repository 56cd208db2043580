//! Removing images and tags. Blobs stay until the collector finds that nothing refers to them.

use crate::contents::{Contents, NotOpen};
use crate::event::{self, Action};
use crate::model::{Image, Tag};
use neargate_blob::Digest;
use neargate_service::{AwsError, Committed, Stored};

/// One transaction removes so many of an image's tags: each takes two of the store's 128 operations, and its
/// event one.
const TAGS_AT_ONCE: usize = 40;

/// Why an image was not removed.
#[derive(Debug)]
pub enum NotRemoved {
    NotFound,
    /// An index of the repository needs it.
    InIndex(Digest),
    /// The repository was deleted meanwhile, or the store failed.
    NotOpen(NotOpen),
}

impl From<NotOpen> for NotRemoved {
    fn from(e: NotOpen) -> Self {
        NotRemoved::NotOpen(e)
    }
}

impl From<AwsError> for NotRemoved {
    fn from(e: AwsError) -> Self {
        NotRemoved::NotOpen(e.into())
    }
}

/// Remove an image with all its tags; answers the tags.
pub async fn image(contents: &mut Contents, digest: &Digest) -> Result<Vec<String>, NotRemoved> {
    let mut removed = Vec::new();
    loop {
        let stored = contents.image(digest).await?.ok_or(NotRemoved::NotFound)?;
        let index = contents
            .images()
            .await?
            .into_iter()
            .find(|i| i.images.contains(digest));
        if let Some(index) = index {
            return Err(NotRemoved::InIndex(index.value.digest));
        }
        let tags: Vec<Stored<Tag>> = contents
            .tags()
            .await?
            .into_iter()
            .filter(|t| t.digest == *digest)
            .collect();
        let now = &tags[..tags.len().min(TAGS_AT_ONCE)];
        let mut tx = contents
            .house
            .db
            .tx()
            .update(&contents.repository, &contents.changed());
        for tag in now {
            tx = tx.delete(tag);
            // Each takes one of what a transaction holds, too.
            tx = event::posted(tx, contents, Action::Delete, digest, Some(&tag.tag));
        }
        let last = now.len() == tags.len();
        if last {
            tx = tx.delete(&stored);
            if tags.is_empty() {
                tx = event::posted(tx, contents, Action::Delete, digest, None);
            }
        }
        if let Committed::At(_) = tx.commit().await? {
            removed.extend(now.iter().map(|t| t.tag.clone()));
            if last {
                return Ok(removed);
            }
        }
        contents.reopen().await?;
    }
}

/// Remove one tag; answers the image that had it. With `and_image`, an image that loses its last
/// tag goes too, as in `BatchDeleteImage`, unless an index needs it.
pub async fn tag(
    contents: &mut Contents,
    name: &str,
    and_image: bool,
) -> Result<Digest, NotRemoved> {
    loop {
        let tag = contents.tag(name).await?.ok_or(NotRemoved::NotFound)?;
        let digest = tag.digest;
        let image: Option<Stored<Image>> = contents.image(&digest).await?;
        let others = contents
            .tags()
            .await?
            .iter()
            .any(|t| t.digest == digest && t.tag != name);
        let mut tx = contents
            .house
            .db
            .tx()
            .update(&contents.repository, &contents.changed())
            .delete(&tag);
        tx = event::posted(tx, contents, Action::Delete, &digest, Some(name));
        if let Some(image) = image.filter(|_| and_image && !others) {
            let needed = contents
                .images()
                .await?
                .iter()
                .any(|i| i.images.contains(&digest));
            if !needed {
                tx = tx.delete(&image);
            }
        }
        if let Committed::At(_) = tx.commit().await? {
            return Ok(digest);
        }
        contents.reopen().await?;
    }
}
