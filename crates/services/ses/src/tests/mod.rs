//! SES in-process.

mod api;
mod outbox;
mod relay;
