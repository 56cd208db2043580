//! The handlers, one file per resource.

pub mod events;
pub mod filters;
pub mod groups;
mod put;
pub mod retention;
pub mod streams;
pub mod tags;
