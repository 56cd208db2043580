//! Builds are carried out: one driver for each that is not complete, which goes by the build's stage alone, so
//! that a new control plane goes on where the last one was.
//!
//! The phases themselves need no driver: their script runs in the container. A driver starts the task, brings
//! the source in, follows what the script tells, takes artifacts out and has the task end.

mod artifacts;
mod cache;
mod container;
mod drive;
mod follow;
mod logs;
mod reports;
mod source;
mod task;
mod variables;

use crate::CodeBuild;
use crate::model::{Build, Stage};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, House, Resource};
use std::sync::Arc;

/// Keeps a driver for each build.
pub struct Builds {
    pub codebuild: Arc<CodeBuild>,
    pub house: Arc<House>,
}

#[async_trait]
impl Controller for Builds {
    type View = String;
    type Action = String;

    fn name(&self) -> &'static str {
        "codebuild"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Build::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<String>, AwsError> {
        let build = self.house.db.get_key::<Build>(key).await?;
        let goes_on = build.is_some_and(|build| build.stage != Stage::Complete);
        Ok(goes_on.then(|| key.to_owned()))
    }

    fn plan(&self, key: &String, _: Timestamp) -> Plan<String> {
        Plan {
            actions: vec![key.clone()],
            wake_at: None,
            reason: "a build goes on",
        }
    }

    async fn apply(&self, key: String) -> Result<Applied, AwsError> {
        self.codebuild.drive(&self.house, key);
        Ok(Applied::Done)
    }
}

pub use artifacts::location;
pub use drive::drive;
