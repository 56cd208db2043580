//! Floor 1: AWS protocols, validation and SigV4 as pure functions. It knows no service.

pub mod protocol;
pub mod schema;
pub mod sigv4;
pub mod structure;
pub mod value;

pub use structure::{OperationDef, Structure};
pub use value::Value;
