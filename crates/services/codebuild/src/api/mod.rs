//! CodeBuild's handlers, a file for each resource.

pub mod builds;
pub mod images;
pub mod projects;
pub mod reports;
pub mod start;

use crate::error;
use neargate_service::AwsError;
use neargate_service::page::{Paged, page, page_descending};

/// The most of a page.
const PAGE: usize = 100;

/// A page of items that ascend, or descend, by `id`.
fn paged<T>(
    mut all: Vec<T>,
    token: Option<&str>,
    descending: bool,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    all.sort_by_key(&id);
    let page = match descending {
        true => {
            all.reverse();
            page_descending(all, token, PAGE, id)
        }
        false => page(all, token, PAGE, id),
    };
    page.map_err(|_| error::invalid("Invalid next token"))
}
