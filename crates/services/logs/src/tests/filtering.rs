//! Metric filters through the table.

use super::*;
use neargate_testkit::call;

async fn put(
    world: &World,
    name: &str,
    change: impl FnOnce(&mut api::PutMetricFilterInput),
) -> Result<(), AwsError> {
    let mut input = api::PutMetricFilterInput {
        log_group_name: "g".into(),
        filter_name: name.into(),
        filter_pattern: "ERROR".into(),
        metric_transformations: vec![api::MetricTransformation {
            metric_name: "Errors".into(),
            metric_namespace: "App".into(),
            metric_value: "1".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    change(&mut input);
    let table = table(world.logs.clone());
    call(&table, world.cx(), api::PutMetricFilter, input).await?;
    Ok(())
}

async fn described(world: &World, input: api::DescribeMetricFiltersInput) -> Vec<(String, String)> {
    let table = table(world.logs.clone());
    let output = call(&table, world.cx(), api::DescribeMetricFilters, input)
        .await
        .expect("describes");
    let named = |f: api::MetricFilter| Some((f.log_group_name?, f.filter_name?));
    output
        .metric_filters
        .into_iter()
        .flatten()
        .filter_map(named)
        .collect()
}

async fn count(world: &World) -> i32 {
    let groups = world.describe(|_| {}).await.expect("describes").log_groups;
    groups
        .into_iter()
        .flatten()
        .filter_map(|g| g.metric_filter_count)
        .sum()
}

#[tokio::test]
async fn metric_filters_are_kept_with_their_group() {
    let world = world();
    world.group("g").await;
    world.group("h").await;
    put(&world, "b", |_| {}).await.expect("puts");
    put(&world, "a", |_| {}).await.expect("puts");
    put(&world, "a", |i| i.filter_pattern = "FATAL".into())
        .await
        .expect("replaces");
    put(&world, "c", |i| i.log_group_name = "h".into())
        .await
        .expect("puts");
    let all = described(&world, Default::default()).await;
    let named = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter()
            .map(|(g, f)| ((*g).into(), (*f).into()))
            .collect()
    };
    assert_eq!(all, named(&[("g", "a"), ("g", "b"), ("h", "c")]));
    let of_group = api::DescribeMetricFiltersInput {
        log_group_name: Some("g".into()),
        filter_name_prefix: Some("b".into()),
        ..Default::default()
    };
    assert_eq!(described(&world, of_group).await, named(&[("g", "b")]));
    let of_metric = api::DescribeMetricFiltersInput {
        metric_name: Some("Other".into()),
        metric_namespace: Some("App".into()),
        ..Default::default()
    };
    assert_eq!(described(&world, of_metric).await, []);
    assert_eq!(count(&world).await, 3);
    let table = table(world.logs.clone());
    let delete = |name: &str| api::DeleteMetricFilterInput {
        log_group_name: "g".into(),
        filter_name: name.into(),
    };
    call(&table, world.cx(), api::DeleteMetricFilter, delete("a"))
        .await
        .expect("deletes");
    let again = call(&table, world.cx(), api::DeleteMetricFilter, delete("a")).await;
    refused(
        again,
        "ResourceNotFoundException",
        "The specified metric filter does not exist.",
    );
    let input = api::DeleteLogGroupInput {
        log_group_name: "g".into(),
    };
    call(&table, world.cx(), api::DeleteLogGroup, input)
        .await
        .expect("deletes");
    world.group("g").await;
    assert_eq!(
        described(&world, Default::default()).await,
        named(&[("h", "c")])
    );
}

#[tokio::test]
async fn what_is_no_metric_filter_is_refused() {
    const CODE: &str = "InvalidParameterException";
    let world = world();
    world.group("g").await;
    let missing = put(&world, "a", |i| i.log_group_name = "none".into()).await;
    refused(
        missing,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    );
    let both = put(&world, "a", |i| {
        i.filter_pattern = "{ $.a = * }".into();
        i.metric_transformations[0].default_value = Some(0.0);
        i.metric_transformations[0].dimensions = Some([("A".to_owned(), "$.a".to_owned())].into());
    });
    let message = "Invalid metric transformation: dimensions and default value are mutually exclusive properties.";
    refused(both.await, CODE, message);
    let terms = put(&world, "a", |i| {
        i.metric_transformations[0].dimensions = Some([("A".to_owned(), "$.a".to_owned())].into());
    });
    refused(
        terms.await,
        CODE,
        "The specified filter pattern does not support dimensions",
    );
    let regex = |n: u32| format!("%a{n}% %b{n}%");
    for n in 0..2 {
        put(&world, &format!("f{n}"), |i| i.filter_pattern = regex(n))
            .await
            .expect("puts");
    }
    let fifth = put(&world, "f2", |i| i.filter_pattern = regex(2)).await;
    refused(fifth, "LimitExceededException", "Resource limit exceeded.");
    put(&world, "f0", |i| i.filter_pattern = regex(3))
        .await
        .expect("replaces");
    let half = api::DescribeMetricFiltersInput {
        metric_name: Some("Errors".into()),
        ..Default::default()
    };
    let table = table(world.logs.clone());
    let half = call(&table, world.cx(), api::DescribeMetricFilters, half).await;
    refused(
        half,
        CODE,
        "metricName and metricNamespace must be specified together.",
    );
}
