//! The handlers, one file per resource.

pub mod events;
pub mod filters;
pub mod groups;
mod put;
pub mod retention;
pub mod streams;
pub mod tags;

/// A page size that the model has checked to be positive.
fn limit(asked: Option<i32>, most: usize) -> usize {
    asked
        .and_then(|n| usize::try_from(n).ok())
        .map_or(most, |n| n.clamp(1, most))
}
