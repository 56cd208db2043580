//! Amazon S3: buckets, objects and their versions, uploads in parts.
//!
//! Records are in the store, bytes in extents (`neargate_blob::Extents`), each of which one record
//! owns. The [`door`] takes requests from the gateway: it knows a bucket by path or host name, judges
//! signatures, streams bodies, and calls the same operations that the table has for the rest of the
//! house.
//!
//! Invariants: an object is there once its record is, and its bytes are durable before that; a
//! version that is replaced or deleted gives its bytes back when nobody reads them any more; no
//! object is put into a bucket that is being deleted.

mod access;
mod api;
mod asked;
mod bucket;
mod content;
mod door;
mod error;
mod lifecycle;
mod model;
mod notify;
mod operations;
mod sweep;
mod versions;

#[cfg(test)]
mod tests;

use content::Piece;
use neargate_blob::Extents;
use neargate_service::door::HttpDoor;
use neargate_service::{AfterReset, AwsError, Background, Component, House, Service};
use neargate_wire::route::Door;
use std::sync::Arc;

/// What S3's handlers share.
#[derive(Debug)]
pub struct S3 {
    extents: Arc<Extents>,
}

impl S3 {
    /// Objects lie in these extents, which nobody else uses.
    pub fn new(extents: Arc<Extents>) -> S3 {
        S3 { extents }
    }

    /// Give back what no record has any more.
    async fn forget(&self, pieces: Vec<Piece>) {
        let names = pieces.into_iter().map(|p| p.name).collect();
        self.extents.delete(names).await;
    }
}

#[async_trait::async_trait]
impl Component for S3 {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(operations::table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.spawn("s3-lifecycle", lifecycle::run(self.clone(), house.clone()));
        background.spawn("s3-sweep", sweep::run(self, house));
    }

    fn doors(self: Arc<Self>) -> Vec<(Door, Arc<dyn HttpDoor>)> {
        vec![(Door::Objects, Arc::new(door::Objects { s3: self }))]
    }

    async fn reset(self: Arc<Self>, _house: &Arc<House>) -> Result<AfterReset, AwsError> {
        Ok(AfterReset::new(async move || {
            self.extents.wipe().await.map_err(error::blob)
        }))
    }
}
