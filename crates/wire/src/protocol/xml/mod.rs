//! XML by shape: what awsQuery and ec2Query replies and restXml bodies share.
//!
//! Parsing takes no document type and expands no entity but XML's own five and characters by
//! number, and is bounded in depth and size, so no document costs more than its length.

mod document;
mod read;
mod write;

#[cfg(test)]
pub(super) use document::Element;
pub(super) use document::parse;
pub(super) use read::{read_members, read_payload};
pub(super) use write::{Writer, write_error_members, write_members, write_root};

#[cfg(test)]
mod tests;
