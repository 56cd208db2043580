//! What a task definition must satisfy to be registered, and what registering fills in
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html>).

mod attributes;
mod check;
mod container;
mod defaults;
mod dependencies;
mod fargate;
mod health;
mod logs;
mod ports;
mod restart;
mod role;
mod runnable;
mod volumes;

#[cfg(test)]
mod tests;

pub use check::{check, fits};
pub use defaults::definition;
pub use fargate::ephemeral_storage;
pub use ports::{protocol, range as port_range};
pub use role::{arn as role_arn, check as role};
pub use runnable::{platform, runnable};
