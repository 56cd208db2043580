//! What a build does next and how, without I/O.

pub mod advance;
pub mod environment;
pub mod glob;
pub mod mask;
pub mod phases;
pub mod progress;
pub mod report;
pub mod script;
