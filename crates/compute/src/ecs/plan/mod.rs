//! Pure planners and rules: no I/O, no clock, no randomness.

pub mod assignment;
pub mod expiry;
pub mod fargate;
pub mod instances;
pub mod lost;
pub mod observe;
pub mod placement;
pub mod query;
pub mod task_definition;

#[cfg(test)]
mod tests;
