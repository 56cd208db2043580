//! `runtimeId`: what a container's runtime calls it.

use crate::LaunchType;
use sha2::{Digest as _, Sha256};

/// On Fargate the task id, a dash and ten digits; on an instance a Docker container id. It is a
/// function of the names, so that it survives everything, and the log stream that is named after
/// it is known before the container is made.
pub fn runtime_id(launch_type: LaunchType, task_id: &str, container: &str) -> String {
    let hash = Sha256::new()
        .chain_update(task_id)
        .chain_update("/")
        .chain_update(container)
        .finalize();
    match launch_type {
        LaunchType::Fargate => {
            let mut first = [0u8; 8];
            first.copy_from_slice(&hash[..8]);
            let digits = u64::from_be_bytes(first) % 10_000_000_000;
            format!("{task_id}-{digits:010}")
        }
        LaunchType::Ec2 | LaunchType::External => hex::encode(hash),
    }
}
