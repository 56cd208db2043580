//! The handlers, one file per resource.

pub mod events;
pub mod filters;
pub mod groups;
pub mod insights;
mod put;
pub mod query_definitions;
pub mod retention;
pub mod streams;
pub mod tags;
