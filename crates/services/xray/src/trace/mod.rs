//! Traces as they are understood: ids, documents, and what a trace's documents say together. Pure.

mod assemble;
mod cause;
mod digest;
mod document;
mod id;
#[cfg(test)]
pub mod tests;

pub use assemble::{Shown, assemble};
pub use cause::{Cause, CauseKind, CauseService, Entity, Exception};
pub use digest::{Annotation, Digest, Edge, Flags, Http, Node, Scalar, ServiceName};
pub use document::{Document, KEPT, Unprocessed, of_span, read};
pub use id::{TraceId, segment_id};
