//! Pages as all of IAM's lists have them: `MaxItems`, `Marker`, `IsTruncated`.

use crate::error;
use neargate_service::AwsError;
use neargate_service::page::{Size, page};

const SIZE: Size = Size {
    least: 1,
    most: 1_000,
    default: 100,
};

/// One page.
#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub is_truncated: Option<bool>,
    pub marker: Option<String>,
}

impl<T> Page<T> {
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            is_truncated: self.is_truncated,
            marker: self.marker,
        }
    }
}

/// The page of `items` behind `marker`; they must ascend by `id`.
pub fn paged<T>(
    items: impl IntoIterator<Item = T>,
    marker: Option<&str>,
    max_items: Option<i32>,
    id: impl Fn(&T) -> String,
) -> Result<Page<T>, AwsError> {
    let paged = page(items, marker, SIZE.clamp(max_items), id).map_err(|_| error::marker())?;
    Ok(Page {
        items: paged.items,
        is_truncated: Some(paged.next_token.is_some()),
        marker: paged.next_token,
    })
}
