//! Filters of Describe calls
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>): all filters must
//! match, any value of one does; values are case-sensitive; `*` stands for any characters, `?`
//! for one, and a backslash takes either literally.

use super::error;
use neargate_api_ec2 as api;
use neargate_service::AwsError;
use neargate_service::wildcard::Wildcards;

/// The most values of all filters of a call together.
const MAX_VALUES: usize = 200;

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

impl Filter {
    pub(super) fn parse(filters: Option<Vec<api::Filter>>) -> Result<Vec<Filter>, AwsError> {
        let filters = filters.unwrap_or_default();
        let count: usize = filters
            .iter()
            .map(|f| f.values.as_ref().map_or(0, Vec::len))
            .sum();
        if count > MAX_VALUES {
            return Err(error::too_many_filter_values());
        }
        let parse = |f: api::Filter| {
            let name = f.name.filter(|n| !n.is_empty());
            let name = name.ok_or_else(|| error::missing_parameter("Filter.Name"))?;
            Ok(Filter {
                name,
                values: f.values.unwrap_or_default(),
            })
        };
        filters.into_iter().map(parse).collect()
    }

    /// Does one of the resource's values fit one of the filter's?
    pub(super) fn accepts(&self, values: &[String]) -> bool {
        let fits = |pattern: &String| {
            values
                .iter()
                .any(|v| Wildcards::Escaped.matches(pattern, v))
        };
        self.values.iter().any(fits)
    }
}
