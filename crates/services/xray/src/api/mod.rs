//! X-Ray's handlers, a file for each resource.

pub mod graphs;
pub mod groups;
pub mod policies;
pub mod rules;
pub mod segments;
pub mod settings;
mod shown;
pub mod summaries;
pub mod tags;
pub mod targets;

use crate::error;
use neargate_service::AwsError;
use neargate_service::page::{Paged, page};

/// What a page of lists has.
const PAGE: usize = 100;

fn paged<T>(
    all: Vec<T>,
    token: Option<&str>,
    key: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    page(all, token, PAGE, key).map_err(|_| error::invalid_token())
}
