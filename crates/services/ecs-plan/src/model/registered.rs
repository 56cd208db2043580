//! Which container instance a machine is, so that it is the same one after each registration.

use neargate_service::Resource;
use serde::{Deserialize, Serialize};

/// `ecs/registered/…/<cluster>/<node, or EC2 instance id>`. Written with the container instance
/// and deleted when it becomes `INACTIVE`: whoever registers then is a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// [`crate::model::ContainerInstance::id`].
    pub instance: String,
}

impl Resource for Registered {
    const KIND: &'static str = "ecs/registered";
}
