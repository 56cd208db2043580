//! Floor 1: AWS protocols, validation and SigV4 as pure functions. It knows no service.

pub mod event_stream;
mod generated;
pub mod json;
pub mod model;
mod pattern;
pub mod protocol;
pub mod route;
pub mod sample;
pub mod schema;
pub mod sigv4;
pub mod structure;
pub mod timestamp;
pub mod validate;
pub mod value;

pub use structure::{OperationDef, Structure};
pub use value::Value;
