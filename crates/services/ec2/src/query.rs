//! What every Describe call does: pick by id, filter, page.

use super::error;
use super::filter::Filter;
use super::kind::Kind;
use neargate_api_ec2 as api;
use neargate_service::AwsError;
use neargate_service::page::{Paged, Size, page};

/// A resource as Describe calls select it.
pub(super) trait Describe: Default {
    const KIND: Kind;

    fn id(&self) -> &str;

    fn tags(&self) -> &[api::Tag];

    /// What the resource has under a filter's name; `None` when EC2 knows no such filter for this
    /// kind. A known one that does not apply to the resource has no values.
    fn values(&self, filter: &str) -> Option<Vec<String>>;
}

/// A Describe call's parameters.
#[derive(Debug)]
pub(super) struct Query {
    ids: Vec<String>,
    filters: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<i32>,
}

impl Query {
    pub(super) fn new(
        dry: Option<bool>,
        ids: Option<Vec<String>>,
        filters: Option<Vec<api::Filter>>,
        next_token: Option<String>,
        max_results: Option<i32>,
    ) -> Result<Query, AwsError> {
        dry_run(dry)?;
        let filters = Filter::parse(filters)?;
        Ok(Query {
            ids: ids.unwrap_or_default(),
            filters,
            next_token,
            max_results,
        })
    }

    /// Those of `all` the call asks for, in the order of their ids.
    pub(super) fn run<T: Describe>(&self, mut all: Vec<T>) -> Result<Paged<T>, AwsError> {
        for id in &self.ids {
            T::KIND.check(id)?;
            if !all.iter().any(|item| item.id() == id) {
                return Err(error::not_found(&T::KIND, id));
            }
        }
        for filter in &self.filters {
            if lookup(&T::default(), &filter.name).is_none() {
                return Err(error::invalid_filter(&filter.name));
            }
        }
        let wanted = |item: &T| {
            let named = self.ids.is_empty() || self.ids.iter().any(|id| id == item.id());
            let fits = |f: &Filter| f.accepts(&lookup(item, &f.name).unwrap_or_default());
            named && self.filters.iter().all(fits)
        };
        all.retain(wanted);
        all.sort_by(|a, b| a.id().cmp(b.id()));
        let limit = Size::ANY.clamp(self.max_results);
        page(all, self.next_token.as_deref(), limit, |item| {
            item.id().to_owned()
        })
        .map_err(|_| error::invalid_next_token())
    }
}

/// The filters every taggable resource has, then its own.
fn lookup<T: Describe>(item: &T, filter: &str) -> Option<Vec<String>> {
    if filter == "tag-key" {
        return Some(item.tags().iter().filter_map(|t| t.key.clone()).collect());
    }
    match filter.strip_prefix("tag:") {
        Some(key) => {
            let tagged = item.tags().iter().filter(|t| t.key.as_deref() == Some(key));
            Some(tagged.filter_map(|t| t.value.clone()).collect())
        }
        None => item.values(filter),
    }
}

/// Every handler's first step.
pub(super) fn dry_run(flag: Option<bool>) -> Result<(), AwsError> {
    if flag == Some(true) {
        Err(error::dry_run())
    } else {
        Ok(())
    }
}

/// A filter's values from a member that is there or not.
pub(super) fn one<T: ToString>(value: &Option<T>) -> Option<Vec<String>> {
    Some(value.iter().map(ToString::to_string).collect())
}

/// A filter's values from the members of a list.
pub(super) fn each<T, U: ToString>(
    list: &Option<Vec<T>>,
    member: impl Fn(&T) -> Option<U>,
) -> Option<Vec<String>> {
    Some(
        list.iter()
            .flatten()
            .filter_map(|item| member(item).map(|v| v.to_string()))
            .collect(),
    )
}

/// A filter EC2 knows, for something no resource here ever has.
pub(super) fn none() -> Option<Vec<String>> {
    Some(Vec::new())
}
