//! Pure planners and rules: no I/O, no clock, no randomness.

pub mod assignment;
pub mod balancing;
pub mod capacity;
pub mod ebs;
pub mod environment_files;
pub mod expiry;
pub mod express;
pub mod extension;
pub mod fargate;
pub mod instances;
pub mod lost;
pub mod observe;
pub mod output;
pub mod placement;
pub mod protection;
pub mod query;
pub mod registries;
pub mod resources;
pub mod scaling;
pub mod secrets;
pub mod service;
pub mod settings;
pub mod stop;
pub mod task_definition;
pub mod task_set;
pub mod volumes;

#[cfg(test)]
mod tests;
