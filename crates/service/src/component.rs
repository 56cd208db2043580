//! What a service is to the house: one value that carries all of it.
//!
//! A new service is a crate of its own and a line in the house's list; nothing else names it.

use crate::controller::{self, Controller};
use crate::door::HttpDoor;
use crate::{AwsError, House, Service};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use neargate_base::task;
use neargate_wire::route::Door;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A service as the house takes it.
#[async_trait]
pub trait Component: Debug + Send + Sync + 'static {
    /// Its operations, how completely each is served, and the limits of their requests.
    fn table(self: Arc<Self>) -> Arc<dyn Service>;

    /// Starts what goes on for as long as the house stands. Every table is connected by then.
    fn start(self: Arc<Self>, _background: &mut Background) {}

    /// Waits until it knows what others ask of it: no call is answered before.
    async fn ready(&self) {}

    /// Goes on with what was left to do when all are ready: what it asks of others is answered now.
    fn resume(self: Arc<Self>, _house: &Arc<House>) {}

    /// HTTP of its own that is no AWS operation.
    fn doors(self: Arc<Self>) -> Vec<(Door, Arc<dyn HttpDoor>)> {
        Vec::new()
    }

    /// Ends what runs, before the store is emptied. What it answers is called after that.
    async fn reset(self: Arc<Self>, _house: &Arc<House>) -> Result<AfterReset, AwsError> {
        Ok(AfterReset::nothing())
    }
}

/// The second half of a reset: forgets what is kept beside the store, and puts back what outlives
/// a reset.
pub struct AfterReset(Box<dyn FnOnce() -> BoxFuture<'static, Result<(), AwsError>> + Send>);

impl AfterReset {
    pub fn nothing() -> AfterReset {
        AfterReset::new(async || Ok(()))
    }

    pub fn new<F>(then: impl FnOnce() -> F + Send + 'static) -> AfterReset
    where
        F: Future<Output = Result<(), AwsError>> + Send + 'static,
    {
        AfterReset(Box::new(|| Box::pin(then())))
    }

    /// # Errors
    /// When something cannot be forgotten or put back.
    pub async fn run(self) -> Result<(), AwsError> {
        (self.0)().await
    }
}

impl Debug for AfterReset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AfterReset")
    }
}

/// The controllers and other tasks of the components. Dropping it ends them.
#[derive(Debug)]
pub struct Background {
    house: Arc<House>,
    tasks: Vec<JoinHandle<()>>,
}

impl Background {
    pub fn new(house: Arc<House>) -> Background {
        Background {
            house,
            tasks: Vec::new(),
        }
    }

    pub fn house(&self) -> &Arc<House> {
        &self.house
    }

    pub fn control(&mut self, controller: impl Controller) {
        let House { db, clock, rng, .. } = &*self.house;
        let (db, clock, rng) = (db.clone(), clock.clone(), rng.clone());
        let name = controller.name();
        self.spawn(name, controller::run(Arc::new(controller), db, clock, rng));
    }

    pub fn spawn(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(task::spawn(name, work));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
