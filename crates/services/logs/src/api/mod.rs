//! The handlers, one file per resource.

pub mod events;
pub mod exports;
pub mod filters;
pub mod groups;
pub mod insights;
pub mod kms;
pub mod live_tail;
pub mod policies;
mod put;
pub mod query_definitions;
pub mod retention;
pub mod streams;
pub mod subscriptions;
pub mod tags;
