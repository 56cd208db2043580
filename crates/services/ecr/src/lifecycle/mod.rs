//! Lifecycle policies: which images of a repository expire, and their removal.
//!
//! [`policy`] reads the text, [`plan`] says what it means for the images that there are, and [`run`] does it.
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html>

pub mod plan;
pub mod policy;
pub mod run;

pub use plan::{Candidate, Expiry};
pub use policy::Policy;
