//! What is observed of traffic: counters for metrics, and logs in AWS's format.

pub mod counts;
pub mod entry;
pub mod files;
pub mod record;
