//! A task that found no place, in the words of `failures` and of service events
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>).

use super::{Failure, Unplaced};
use crate::plan::placement::{Lack, Refusal};

const NO_FARGATE: &str = "Capacity is unavailable at this time. Please try again later or in a different availability zone";

/// No node for Fargate tasks is connected.
pub(super) fn no_fargate() -> Unplaced {
    Unplaced {
        failures: vec![Failure {
            reason: NO_FARGATE.into(),
            arn: None,
            detail: None,
        }],
        nowhere: None,
        no_capacity: true,
        event: format!("was unable to place a task. Reason: {NO_FARGATE}."),
    }
}

/// No node has so much memory free. As RunTask answers it, the reason is all there is to read in
/// AWS; what is free here is worth knowing.
pub(super) fn no_memory(wanted_mib: u32, free_mib: u64) -> Unplaced {
    Unplaced {
        failures: vec![Failure {
            reason: NO_FARGATE.into(),
            arn: None,
            detail: Some(format!(
                "the task asks for {wanted_mib} MiB of memory and {free_mib} MiB are free"
            )),
        }],
        nowhere: None,
        no_capacity: false,
        event: format!("was unable to place a task. Reason: {NO_FARGATE}."),
    }
}

/// The subnet has no free address, nor has another that was given. In AWS's words, which there are
/// those of a task that stops
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>):
/// here it does not begin.
pub(super) fn no_address(subnet: &str) -> Unplaced {
    no_interface(&format!(
        "Unexpected EC2 error while attempting to Create Network Interface in subnet '{subnet}': \
         InsufficientFreeAddressesInSubnet"
    ))
}

/// The public pool has no address left.
pub(super) fn no_public_address() -> Unplaced {
    no_interface(
        "Unexpected EC2 error while attempting to Create Network Interface with public IP \
         assignment enabled: InsufficientAddressCapacity",
    )
}

fn no_interface(reason: &str) -> Unplaced {
    Unplaced {
        event: format!("was unable to place a task. Reason: {reason}."),
        failures: vec![Failure {
            reason: reason.to_owned(),
            arn: None,
            detail: None,
        }],
        nowhere: None,
        no_capacity: false,
    }
}

/// No instance fits.
pub(super) fn refused(arn: impl Fn(&str) -> String, refusal: &Refusal) -> Unplaced {
    let failures = refusal.failures.iter();
    Unplaced {
        failures: failures
            .map(|(id, lack)| Failure {
                reason: lack.reason().into(),
                arn: Some(arn(id)),
                detail: Some(lack.to_string()),
            })
            .collect(),
        nowhere: refusal.nowhere(),
        no_capacity: false,
        event: refusal.service_event(),
    }
}

/// The very instance that was asked for does not fit.
pub(super) fn lacks(arn: String, id: &str, lacks: &[Lack]) -> Unplaced {
    let first = lacks.first();
    let reason = first.map_or("INACTIVE", Lack::reason);
    Unplaced {
        failures: vec![Failure {
            reason: reason.into(),
            arn: Some(arn),
            detail: first.map(ToString::to_string),
        }],
        nowhere: None,
        no_capacity: false,
        event: format!(
            "was unable to place a task because no container instance met all of its \
             requirements. The closest matching container-instance {id} encountered error \
             \"{reason}\". For more information, see the Troubleshooting section of the Amazon \
             ECS Developer Guide."
        ),
    }
}

/// The instance was deregistered at this moment, or is not one of ours.
pub(super) fn gone(arn: String) -> Unplaced {
    Unplaced {
        failures: vec![Failure {
            reason: "INACTIVE".into(),
            arn: Some(arn),
            detail: None,
        }],
        nowhere: None,
        no_capacity: false,
        event:
            "was unable to place a task because no container instance met all of its requirements."
                .into(),
    }
}
