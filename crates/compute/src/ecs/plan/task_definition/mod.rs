//! What a task definition must satisfy to be registered, and what registering fills in
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html>).

mod check;
mod defaults;
mod health;
mod restart;
mod runnable;

pub use check::{check, ephemeral_storage, fits};
pub use defaults::definition;
pub use runnable::runnable;
