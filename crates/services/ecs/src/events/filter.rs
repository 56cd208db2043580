//! Which events somebody wants.

use super::{DetailType, Event};
use neargate_base::{AccountId, Timestamp};

/// Everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub account: Option<AccountId>,
    /// The cluster's name.
    pub cluster: Option<String>,
    /// Any of these; all when empty.
    pub detail_types: Vec<DetailType>,
    /// Not older than this.
    pub since: Option<Timestamp>,
}

impl Filter {
    pub fn admits(&self, event: &Event) -> bool {
        let of_type =
            self.detail_types.is_empty() || self.detail_types.contains(&event.detail_type);
        let scope = &event.cluster.scope;
        of_type
            && self.account.as_ref().is_none_or(|a| *a == scope.account)
            && self
                .cluster
                .as_ref()
                .is_none_or(|c| *c == event.cluster.name)
            && self.since.is_none_or(|since| event.time >= since)
    }
}
