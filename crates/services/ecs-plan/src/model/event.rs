//! What is stored for the events: how far they were handed out, and which agents were said to be
//! connected.

use neargate_service::Resource;
use neargate_store::Revision;
use serde::{Deserialize, Serialize};

/// `ecs/event-cursor/all`. Written by `ecs::events::follow` only, at most once a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCursor {
    /// Every change up to here has become events that were handed out.
    pub revision: Revision,
}

impl Resource for EventCursor {
    const KIND: &'static str = "ecs/event-cursor";
}

impl EventCursor {
    /// The one key.
    pub fn key() -> String {
        format!("{}/all", EventCursor::KIND)
    }
}

/// `ecs/agent/…/<cluster>/<container instance id>`: what events last said of its agent. Whether
/// it is connected now only `ecs::Nodes` knows. Written by
/// `ecs::events::announce` only, when that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    pub connected: bool,
}

impl Resource for Agent {
    const KIND: &'static str = "ecs/agent";
}
