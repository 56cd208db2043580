//! SES in-process.

mod outbox;
mod relay;
