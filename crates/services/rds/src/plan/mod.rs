//! Pure: engines and classes, what their tasks are, and what is next for an instance or a snapshot.

pub mod checks;
pub mod class;
pub mod definition;
pub mod engine;
pub mod next;
pub mod parameters;
pub mod window;
