//! Handlers, one file a resource.

pub(super) mod attributes;
pub(super) mod certificates;
pub(super) mod limits;
pub(super) mod listeners;
pub(super) mod load_balancers;
pub(super) mod networking;
mod nodes;
mod objects;
mod references;
pub(super) mod revocations;
pub(super) mod rules;
pub(super) mod ssl_policies;
pub(super) mod tags;
pub(super) mod target_groups;
pub(super) mod target_health;
pub(super) mod targets;
pub(super) mod trust_stores;

use crate::error;
use neargate_api_elbv2 as api;
use neargate_service::AwsError;
use neargate_service::page::{Paged, Size, page};
use neargate_service::tags::{self as rules_of_tags, Tags};

/// Pages of every Describe call.
const PAGE: Size = Size::up_to(400);

fn text(text: impl Into<String>) -> Option<String> {
    Some(text.into())
}

/// A page of items that ascend by `id`.
fn paged<T>(
    items: Vec<T>,
    marker: Option<&str>,
    size: Option<i32>,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    let marker = marker.filter(|m| !m.is_empty());
    page(items, marker, PAGE.clamp(size), id).map_err(|_| error::invalid_marker())
}

/// The tags of a call.
fn tags_of(given: Option<Vec<api::Tag>>) -> Result<Tags, AwsError> {
    let pairs = given.unwrap_or_default().into_iter();
    let pairs = pairs.map(|tag| (tag.key, tag.value.unwrap_or_default()));
    rules_of_tags::parse(pairs).map_err(error::tags)
}
