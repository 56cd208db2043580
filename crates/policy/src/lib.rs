//! Floor 1: IAM's policy language. What a policy says ([`document`]), whether a condition holds
//! ([`condition`]), which actions there are ([`actions`]), and what all policies of a request decide together ([`evaluate`]).
//!
//! Everything is a pure function of documents and a request: no I/O, no clock. Documents are
//! compiled once, when they are parsed; a decision then allocates next to nothing. What is not
//! understood is no document, and so grants nothing.

pub mod actions;
pub mod condition;
pub mod document;
pub mod evaluate;
pub mod pattern;
pub mod principal;
pub mod request;

pub use document::{Document, Malformed, Use};
pub use evaluate::{Decision, Denial, Guard, Kind, Policies, evaluate};
pub use principal::Reach;
pub use request::{Context, Request, Requester, RequesterKind};
