//! The types of resources that are CloudFormation's own, which no operations of other services make: nested
//! stacks, custom resources, and conditions that are waited for.

mod attachment;
mod cdk;
mod custom;
mod nested;
mod waiting;

pub use custom::ANSWER;

use super::provision::Provider;
use super::reason::Problem;
use crate::model::{Made, Signal};
use crate::types::Own;
use neargate_service::Stored;
use serde_json::Value;

/// Among the attributes of a custom resource: the id that its maker gave it.
pub const OWN_ID: &str = " id";

impl Provider<'_> {
    pub(super) async fn create_own(&self, own: Own, made: &mut Made) -> Result<(), Problem> {
        match own {
            Own::Stack => self.create_stack(made).await,
            Own::Custom => self.ask_custom(made).await,
            Own::Condition => {
                made.physical_id = self.name(255, false, "");
                Ok(())
            }
            Own::Handle => {
                made.physical_id = self.address();
                Ok(())
            }
            Own::Attachment => self.attach(made).await,
            Own::Function => {
                self.function(made);
                Ok(())
            }
            Own::Emptied => {
                self.emptied(made);
                Ok(())
            }
        }
    }

    pub(super) async fn lost_own(&self, own: Own, made: &Made) -> Result<Option<String>, Problem> {
        match own {
            Own::Stack => self.lost_stack(made).await,
            // Nothing of them is anywhere else; a custom resource is told of its deletion by the name that it
            // has without an answer.
            Own::Custom => Ok(Some(self.name(255, false, ""))),
            Own::Condition | Own::Handle | Own::Attachment | Own::Function | Own::Emptied => {
                Ok(None)
            }
        }
    }

    pub(super) async fn update_own(&self, own: Own, old: &Made, new: &Made) -> Result<(), Problem> {
        match own {
            Own::Stack => self.update_stack(new).await,
            Own::Custom => self.change_custom(old, new).await,
            Own::Condition | Own::Handle | Own::Attachment | Own::Function | Own::Emptied => Ok(()),
        }
    }

    pub(super) async fn settled_own(
        &self,
        own: Own,
        made: &Made,
    ) -> Result<Option<Value>, Problem> {
        match own {
            Own::Stack => self.settled_stack(made).await,
            Own::Custom => self.settled_custom(made).await,
            Own::Condition => self.settled_condition(made).await,
            Own::Function => Ok(Some(self.function_attributes(made))),
            Own::Handle | Own::Attachment | Own::Emptied => Ok(Some(serde_json::json!({}))),
        }
    }

    pub(super) async fn delete_own(&self, own: Own, made: &Made) -> Result<(), Problem> {
        match own {
            Own::Stack => self.delete_stack(made).await,
            Own::Custom => self.delete_custom(made).await,
            Own::Condition | Own::Handle | Own::Function => Ok(()),
            Own::Attachment => self.detach(made).await,
            Own::Emptied => self.empty(made).await,
        }
    }

    pub(super) async fn is_gone_own(&self, own: Own, made: &Made) -> Result<bool, Problem> {
        match own {
            Own::Stack => self.is_stack_gone(made).await,
            Own::Custom => self.is_custom_gone(made).await,
            Own::Condition | Own::Handle | Own::Attachment | Own::Function | Own::Emptied => {
                Ok(true)
            }
        }
    }

    /// Where what is outside says something of this attempt.
    pub(super) fn address(&self) -> String {
        let stack = &self.stack.id;
        let (scope, logical, token) = (self.scope, self.logical_id, self.token);
        let house = self.house.settings.registry_url();
        format!(
            "{house}{}{}/{}/{stack}/{logical}/{token}",
            crate::door::PATH,
            scope.account,
            scope.region
        )
    }

    /// What was said of an attempt.
    pub(in crate::engine) async fn signals(
        &self,
        token: &str,
    ) -> Result<Vec<Stored<Signal>>, Problem> {
        let prefix = Signal::key(self.scope, &self.stack.id, token, "");
        let all = self.house.db.list_prefix::<Signal>(&prefix).await;
        all.map_err(|e| self.problem(&e))
    }

    /// Are so many seconds over since it was begun?
    pub(in crate::engine) fn is_late(&self, seconds: u64) -> bool {
        self.house.now() > self.since + std::time::Duration::from_secs(seconds)
    }
}
