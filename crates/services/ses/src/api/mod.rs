//! The handlers of SES's API of 2010, a file for each resource.

pub mod account;
pub mod identities;
pub mod notifications;
pub mod policies;
pub mod send;
pub mod sets;
pub mod templates;
