//! CloudWatch Logs Insights: queries over log events
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html>).
//!
//! A query is read ([`parser`]), planned and carried out ([`run`]) over one event at a time, all
//! pure; [`queries`] keeps those that were asked, their threads and results.

mod evaluate;
mod functions;
mod lexer;
mod moment;
mod parser;
mod pattern;
pub mod queries;
mod record;
mod run;
mod stats;
mod syntax;
mod value;

#[cfg(test)]
mod tests;

pub use lexer::Malformed;
pub use parser::{MAX_LIMIT, parse};
pub use record::{Event, Source, flatten};
pub use run::{Plan, Row};
