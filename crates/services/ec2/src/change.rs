//! How a handler changes what is stored: it reads, decides, and writes in one transaction; when
//! somebody else was first, it begins again.

use super::error;
use super::kind::{Kind, Noun};
use super::model::Tagged;
use neargate_service::db::{self, Resource, Stored, Tx};
use neargate_service::tags::Tags;
use neargate_service::vpc::{self, Vpc};
use neargate_service::{AwsError, Ctx};

pub(super) use neargate_service::db::settle;

/// The record that an id names.
///
/// # Errors
/// The kind's words for an id of another form, or one that does not exist.
pub(super) async fn find<T: Noun>(cx: &Ctx, id: &str) -> Result<Stored<T>, AwsError> {
    T::KIND_OF.check(id)?;
    vpc::ensure_default(&cx.house, &cx.scope).await?;
    let found = cx.db().get::<T>(&cx.scope, id).await?;
    found.ok_or_else(|| error::not_found(T::KIND_OF, id))
}

/// Every `T` of the caller's account and region.
pub(super) async fn all<T: Resource>(cx: &Ctx) -> Result<Vec<Stored<T>>, AwsError> {
    vpc::ensure_default(&cx.house, &cx.scope).await?;
    cx.db().list::<T>(&cx.scope).await
}

/// A new id.
pub(super) fn fresh(cx: &Ctx, prefix: &str) -> String {
    format!("{prefix}-{}", cx.house.rng.hex(17))
}

pub(super) fn key<T: Resource>(cx: &Ctx, id: &str) -> String {
    db::key::<T>(&cx.scope, id)
}

/// What every change within a VPC does: no two of them miss each other.
pub(super) fn within(cx: &Ctx, vpc: &Stored<Vpc>) -> Tx {
    cx.db().tx().update(vpc, &vpc.value)
}

/// Creates a resource with its tags.
pub(super) fn create<T: Noun>(tx: Tx, cx: &Ctx, id: &str, value: &T, tags: &Tags) -> Tx {
    tag(tx.create(key::<T>(cx, id), value), cx, id, tags)
}

/// The tags of something new.
pub(super) fn tag(tx: Tx, cx: &Ctx, id: &str, tags: &Tags) -> Tx {
    match tags.is_empty() {
        true => tx,
        false => tx.create(key::<Tagged>(cx, id), &Tagged { tags: tags.clone() }),
    }
}

/// Deletes a resource with its tags.
pub(super) fn delete<T: Noun>(tx: Tx, cx: &Ctx, read: &Stored<T>) -> Tx {
    untag(tx.delete(read), cx, read.id())
}

pub(super) fn untag(tx: Tx, cx: &Ctx, id: &str) -> Tx {
    tx.delete_key(key::<Tagged>(cx, id))
}

/// The only one of `all` that has this id.
pub(super) fn named<'a, T>(
    all: &'a [Stored<T>],
    kind: &'static Kind,
    id: &str,
) -> Result<&'a Stored<T>, AwsError> {
    kind.check(id)?;
    let found = all.iter().find(|one| one.id() == id);
    found.ok_or_else(|| error::not_found(kind, id))
}
