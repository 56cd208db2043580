//! Metric filters.

use crate::extraction::MetricFilter as Ready;
use crate::model::Group;
use crate::model::filters::{
    Filters, MAX_METRIC_FILTERS, MAX_REGEXES, MetricFilter, Transformation,
};
use crate::pattern::Pattern;
use crate::{Logs, error, reference};
use neargate_api_logs as api;
use neargate_service::db::{self, Stored, Tx};
use neargate_service::{AwsError, Ctx, page};
use std::sync::Arc;

pub async fn put_metric_filter(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::PutMetricFilterInput,
) -> Result<api::PutMetricFilterOutput, AwsError> {
    if input
        .field_selection_criteria
        .is_some_and(|c| !c.is_empty())
    {
        return Err(error::not_supported("fieldSelectionCriteria"));
    }
    let [transformation] = <[_; 1]>::try_from(input.metric_transformations)
        .map_err(|_| error::one_transformation())?;
    let filter = MetricFilter {
        name: input.filter_name,
        pattern: input.filter_pattern,
        created: cx.now(),
        transformation: Transformation {
            name: transformation.metric_name,
            namespace: transformation.metric_namespace,
            value: transformation.metric_value,
            default: transformation.default_value,
            dimensions: transformation.dimensions.unwrap_or_default(),
            unit: transformation.unit,
        },
        apply_on_transformed_logs: input.apply_on_transformed_logs,
        emit_system_fields: input.emit_system_field_dimensions.unwrap_or_default(),
    };
    let regexes = Ready::new(&filter)
        .map_err(error::unusable_filter)?
        .regexes();
    db::settle(async || {
        let change = Change::of(&cx, &input.log_group_name).await?;
        // "Metric filters are supported only for log groups in the Standard log class."
        if change.group.class != "STANDARD" {
            return Err(error::not_for_class(&change.group.class));
        }
        let mut filters = change.filters();
        let place = filters
            .metric
            .binary_search_by(|f| f.name.cmp(&filter.name));
        match place {
            Ok(place) => {
                let created = filters.metric[place].created;
                filters.metric[place] = MetricFilter {
                    created,
                    ..filter.clone()
                };
            }
            Err(_) if filters.metric.len() == MAX_METRIC_FILTERS => {
                return Err(error::limit_exceeded());
            }
            Err(place) => filters.metric.insert(place, filter.clone()),
        }
        let others = filters.metric.iter().filter(|f| f.name != filter.name);
        let others = others.filter_map(|f| Pattern::parse(&f.pattern).ok());
        let others: usize = others.map(|p| p.regexes()).sum();
        if regexes > 0 && others + regexes > MAX_REGEXES {
            return Err(error::limit_exceeded());
        }
        Ok((change.write(&cx, &filters), ()))
    })
    .await?;
    Ok(api::PutMetricFilterOutput::default())
}

pub async fn delete_metric_filter(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DeleteMetricFilterInput,
) -> Result<api::DeleteMetricFilterOutput, AwsError> {
    db::settle(async || {
        let change = Change::of(&cx, &input.log_group_name).await?;
        let mut filters = change.filters();
        let before = filters.metric.len();
        filters.metric.retain(|f| f.name != input.filter_name);
        if filters.metric.len() == before {
            return Err(error::metric_filter_not_found());
        }
        Ok((change.write(&cx, &filters), ()))
    })
    .await?;
    Ok(api::DeleteMetricFilterOutput::default())
}

/// A group and its record of filters, which change together.
pub(super) struct Change {
    pub group: Stored<Group>,
    read: Option<Stored<Filters>>,
}

impl Change {
    pub(super) async fn of(cx: &Ctx, group: &str) -> Result<Change, AwsError> {
        let group = reference::group(cx.db(), &cx.scope, group).await?;
        let read = cx.db().get::<Filters>(&cx.scope, &group.name).await?;
        Ok(Change { group, read })
    }

    /// Those of this group; what another group of the name left is none.
    pub(super) fn filters(&self) -> Filters {
        let own = self.read.as_ref().filter(|f| f.group_id == self.group.id);
        own.map_or_else(
            || Filters {
                group_id: self.group.id.clone(),
                ..Filters::default()
            },
            |own| own.value.clone(),
        )
    }

    pub(super) fn write(&self, cx: &Ctx, filters: &Filters) -> Tx {
        let tx = cx.db().tx().unchanged(&self.group);
        let none = filters.metric.is_empty();
        match &self.read {
            Some(read) if none => tx.delete(read),
            Some(read) => tx.update(read, filters),
            None => tx.create(db::key::<Filters>(&cx.scope, &self.group.name), filters),
        }
    }
}

pub async fn describe_metric_filters(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DescribeMetricFiltersInput,
) -> Result<api::DescribeMetricFiltersOutput, AwsError> {
    let metric = match (input.metric_name, input.metric_namespace) {
        (Some(name), Some(namespace)) => Some((name, namespace)),
        (None, None) => None,
        _ => return Err(error::metric_half_named()),
    };
    let (records, prefix) = match &input.log_group_name {
        Some(name) => {
            let change = Change::of(&cx, name).await?;
            let own = vec![(name.clone(), change.filters())];
            // "CloudWatch Logs uses the value that you set here only if you also include the
            // logGroupName parameter in your request."
            (own, input.filter_name_prefix.unwrap_or_default())
        }
        None => (all(&cx).await?, String::new()),
    };
    let wanted = |filter: &MetricFilter| {
        let Transformation {
            name, namespace, ..
        } = &filter.transformation;
        let of_metric = |(n, s): &(String, String)| n == name && s == namespace;
        filter.name.starts_with(&prefix) && metric.as_ref().is_none_or(of_metric)
    };
    let mut found: Vec<(String, MetricFilter)> = Vec::new();
    for (group, filters) in records {
        let of_group = filters.metric.into_iter().filter(wanted);
        found.extend(of_group.map(|filter| (group.clone(), filter)));
    }
    // "The results are ASCII-sorted by filter name."
    let place = |(group, filter): &(String, MetricFilter)| format!("{}:{group}", filter.name);
    found.sort_by_key(place);
    let limit = crate::model::DESCRIBED.clamp(input.limit);
    let page = page::page(found, input.next_token.as_deref(), limit, place)
        .map_err(|_| error::invalid_token())?;
    Ok(api::DescribeMetricFiltersOutput {
        metric_filters: Some(page.items.into_iter().map(shape).collect()),
        next_token: page.next_token,
    })
}

/// Every group's filters, by the group's name.
async fn all(cx: &Ctx) -> Result<Vec<(String, Filters)>, AwsError> {
    let mut all = Vec::new();
    for record in cx.db().list::<Filters>(&cx.scope).await? {
        let name = record.key.strip_prefix(&db::prefix::<Filters>(&cx.scope));
        let name = name.unwrap_or_default().to_owned();
        let group = cx.db().get::<Group>(&cx.scope, &name).await?;
        if group.is_some_and(|g| g.id == record.group_id) {
            all.push((name, record.value));
        }
    }
    Ok(all)
}

/// How many metric filters a group has.
pub(super) async fn count(cx: &Ctx, group: &Group) -> Result<i32, AwsError> {
    let filters = cx.db().get::<Filters>(&cx.scope, &group.name).await?;
    let own = filters.filter(|f| f.group_id == group.id);
    let count = own.map_or(0, |f| f.metric.len());
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}

fn shape((group, filter): (String, MetricFilter)) -> api::MetricFilter {
    let Transformation {
        name,
        namespace,
        value,
        default,
        dimensions,
        unit,
    } = filter.transformation;
    let transformation = api::MetricTransformation {
        metric_name: name,
        metric_namespace: namespace,
        metric_value: value,
        default_value: default,
        dimensions: (!dimensions.is_empty()).then_some(dimensions),
        unit,
    };
    let system = filter.emit_system_fields;
    api::MetricFilter {
        filter_name: Some(filter.name),
        filter_pattern: Some(filter.pattern),
        metric_transformations: Some(vec![transformation]),
        creation_time: Some(filter.created.as_millis()),
        log_group_name: Some(group),
        apply_on_transformed_logs: Some(filter.apply_on_transformed_logs.unwrap_or(false)),
        field_selection_criteria: None,
        emit_system_field_dimensions: (!system.is_empty()).then_some(system),
    }
}

/// Events are numbered from 1.
pub async fn test_metric_filter(
    _: Arc<Logs>,
    _: Ctx,
    input: api::TestMetricFilterInput,
) -> Result<api::TestMetricFilterOutput, AwsError> {
    let pattern = Pattern::parse(&input.filter_pattern).map_err(error::invalid_pattern)?;
    let record = |(number, message): (i64, String)| {
        let extracted_values = Some(pattern.extract(&message)?);
        Some(api::MetricFilterMatchRecord {
            event_number: Some(number),
            event_message: Some(message),
            extracted_values,
        })
    };
    let matches = (1..)
        .zip(input.log_event_messages)
        .filter_map(record)
        .collect();
    Ok(api::TestMetricFilterOutput {
        matches: Some(matches),
    })
}
