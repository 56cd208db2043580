//! Metrics are put, listed, and asked for.

use super::*;
use neargate_api_cloudwatch::{self as api, ops};
use neargate_base::Timestamp;
use neargate_testkit::START;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn datum(name: &str, value: f64) -> api::MetricDatum {
    api::MetricDatum {
        metric_name: name.into(),
        value: Some(value),
        ..Default::default()
    }
}

async fn put(watch: &Watch, data: Vec<api::MetricDatum>) -> Result<(), AwsError> {
    let input = api::PutMetricDataInput {
        namespace: "shop".into(),
        metric_data: Some(data),
        ..Default::default()
    };
    watch.ask(ops::PutMetricData, input).await.map(drop)
}

fn stat(id: &str, name: &str, stat: &str, period: i32) -> api::MetricDataQuery {
    api::MetricDataQuery {
        id: id.into(),
        metric_stat: Some(api::MetricStat {
            metric: api::Metric {
                namespace: Some("shop".into()),
                metric_name: Some(name.into()),
                dimensions: None,
            },
            period,
            stat: stat.into(),
            unit: None,
        }),
        ..Default::default()
    }
}

fn expression(id: &str, text: &str) -> api::MetricDataQuery {
    api::MetricDataQuery {
        id: id.into(),
        expression: Some(text.into()),
        ..Default::default()
    }
}

async fn data(
    watch: &Watch,
    queries: Vec<api::MetricDataQuery>,
) -> Result<Vec<(String, Vec<f64>)>, AwsError> {
    let input = api::GetMetricDataInput {
        metric_data_queries: queries,
        start_time: START - MINUTE * 10,
        end_time: START + MINUTE * 10,
        scan_by: Some("TimestampAscending".into()),
        ..Default::default()
    };
    let found = watch.ask(ops::GetMetricData, input).await?;
    let results = found.metric_data_results.unwrap();
    let one = |r: api::MetricDataResult| (r.label.unwrap(), r.values.unwrap());
    Ok(results.into_iter().map(one).collect())
}

#[tokio::test]
async fn what_is_put_is_found() {
    let watch = Watch::new();
    let many = api::MetricDatum {
        values: Some(vec![1.0, 2.0, 10.0]),
        counts: Some(vec![2.0, 1.0, 1.0]),
        unit: Some("Count".into()),
        ..datum("many", 0.0)
    };
    put(
        &watch,
        vec![
            datum("one", 5.0),
            api::MetricDatum {
                value: None,
                ..many
            },
        ],
    )
    .await
    .unwrap();
    let found = data(
        &watch,
        vec![
            stat("a", "many", "Sum", 60),
            stat("b", "many", "p50", 60),
            stat("c", "many", "tm75", 60),
            stat("d", "one", "Average", 60),
            stat("n", "none", "Average", 60),
            expression("e", "a / d"),
            expression("s", "SEARCH('{shop} one', 'Maximum', 60)"),
        ],
    );
    let wanted = [
        ("many Sum", vec![14.0]),
        ("many p50", vec![1.0]),
        ("many tm75", vec![4.0 / 3.0]),
        ("one", vec![5.0]),
        ("none", vec![]),
        ("e", vec![2.8]),
        ("one", vec![5.0]),
    ];
    let wanted: Vec<(String, Vec<f64>)> = wanted.map(|(l, v)| (l.into(), v)).into();
    assert_eq!(found.await.unwrap(), wanted);
}

#[tokio::test]
async fn statistics_come_by_unit() {
    let watch = Watch::new();
    let seconds = api::MetricDatum {
        unit: Some("Seconds".into()),
        ..datum("m", 1.0)
    };
    put(&watch, vec![seconds, datum("m", 10.0)]).await.unwrap();
    let asked = |unit: Option<&str>, period| api::GetMetricStatisticsInput {
        namespace: "shop".into(),
        metric_name: "m".into(),
        start_time: START - MINUTE,
        end_time: START + MINUTE,
        period,
        statistics: Some(vec!["Average".into(), "SampleCount".into()]),
        unit: unit.map(Into::into),
        ..Default::default()
    };
    let found = watch
        .ask(ops::GetMetricStatistics, asked(None, 60))
        .await
        .unwrap();
    let found = found.datapoints.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].unit.as_deref(), found[0].average),
        (Some("Seconds"), Some(1.0))
    );
    assert_eq!(
        (found[1].unit.as_deref(), found[1].average),
        (Some("None"), Some(10.0))
    );
    assert_eq!((found[0].sample_count, found[0].sum), (Some(1.0), None));
    let one = watch
        .ask(ops::GetMetricStatistics, asked(Some("Seconds"), 60))
        .await
        .unwrap();
    assert_eq!(one.datapoints.unwrap().len(), 1);
    assert_eq!(
        said(watch.ask(ops::GetMetricStatistics, asked(None, 61)).await),
        "400 InvalidParameterValue The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60."
    );
    let long = api::GetMetricStatisticsInput {
        start_time: START - Duration::from_secs(86_400),
        end_time: START,
        ..asked(None, 1)
    };
    assert_eq!(
        said(watch.ask(ops::GetMetricStatistics, long).await),
        "400 InvalidParameterCombination You have requested up to 86400 datapoints, which exceeds the limit of \
         1440. You may reduce the datapoints requested by increasing Period, or decreasing the time range."
    );
}

#[tokio::test]
async fn bad_data_are_refused_in_awss_words() {
    let watch = Watch::new();
    let bad = |change: &dyn Fn(&mut api::MetricDatum)| {
        let mut one = datum("m", 1.0);
        change(&mut one);
        vec![one]
    };
    let cases: Vec<(Vec<api::MetricDatum>, &str)> = vec![
        (
            vec![],
            "400 MissingParameter At least one of the parameters must be specified.",
        ),
        (
            bad(&|d| d.value = Some(f64::NAN)),
            "400 InvalidParameterValue The value NaN for parameter MetricData.member.1.Value is invalid.",
        ),
        (
            bad(&|d| d.values = Some(vec![1.0])),
            "400 InvalidParameterCombination The parameters MetricData.member.1.Value and \
             MetricData.member.1.Values are mutually exclusive and you have specified both.",
        ),
        (
            bad(&|d| {
                d.value = None;
                d.values = Some(vec![1.0, 2.0]);
                d.counts = Some(vec![1.0]);
            }),
            "400 InvalidParameterValue The parameters MetricData.member.1.Values and \
             MetricData.member.1.Counts must be of the same size.",
        ),
        (
            bad(&|d| d.timestamp = Some(START + Duration::from_secs(3 * 3_600))),
            "400 InvalidParameterValue The parameter MetricData.member.1.Timestamp must specify a time no more \
             than two hours in the future.",
        ),
        (
            (0..1001).map(|_| datum("m", 1.0)).collect(),
            "400 InvalidParameterValue The collection MetricData must not have a size greater than 1000.",
        ),
    ];
    for (data, wanted) in cases {
        assert_eq!(said(put(&watch, data).await), wanted);
    }
    assert_eq!(watch.cloudwatch.engine.state().count(), 0);
}

#[tokio::test]
async fn bad_queries_are_refused() {
    let watch = Watch::new();
    let cases = [
        (
            expression("e", "a +"),
            "400 ValidationError Error in expression 'e' [Unexpected end of the expression]",
        ),
        (
            expression("e", "e"),
            "400 ValidationError Error in expression 'e' [Circular reference]",
        ),
        (
            expression("e", "x"),
            "400 ValidationError Error in expression 'e' [Unknown identifier 'x']",
        ),
        (
            expression("e", "SELECT AVG(a) FROM b"),
            "501 NotImplemented Neargate does not implement cloudwatch:Metrics Insights queries yet.",
        ),
        (
            api::MetricDataQuery {
                id: "e".into(),
                ..Default::default()
            },
            "400 ValidationError The parameter MetricDataQueries.member.1.MetricStat is required.\n",
        ),
    ];
    for (query, wanted) in cases {
        assert_eq!(said(data(&watch, vec![query]).await), wanted);
    }
}

#[tokio::test]
async fn data_come_in_pages() {
    let watch = Watch::new();
    for n in 0..5 {
        let at = |name: &str| api::MetricDatum {
            timestamp: Some(START + MINUTE * n),
            ..datum(name, f64::from(n))
        };
        put(&watch, vec![at("a"), at("b")]).await.unwrap();
    }
    let mut input = api::GetMetricDataInput {
        metric_data_queries: vec![stat("a", "a", "Sum", 60), stat("b", "b", "Sum", 60)],
        start_time: START - MINUTE,
        end_time: START + MINUTE * 10,
        max_datapoints: Some(3),
        ..Default::default()
    };
    let mut pages = Vec::new();
    loop {
        let page = watch.ask(ops::GetMetricData, input.clone()).await.unwrap();
        let results = page.metric_data_results.unwrap();
        pages.push(
            results
                .iter()
                .map(|r| r.values.clone().unwrap())
                .collect::<Vec<_>>(),
        );
        input.next_token = page.next_token;
        if input.next_token.is_none() {
            break;
        }
    }
    let wanted = vec![
        vec![vec![4.0, 3.0, 2.0]],
        vec![vec![1.0, 0.0], vec![4.0]],
        vec![vec![3.0, 2.0, 1.0]],
        vec![vec![0.0]],
    ];
    assert_eq!(pages, wanted);
}

#[tokio::test]
async fn metrics_are_listed() {
    let watch = Watch::new();
    let with = |n: usize| api::MetricDatum {
        dimensions: Some(vec![api::Dimension {
            name: "Shop".into(),
            value: format!("s{n:03}"),
        }]),
        ..datum("sales", 1.0)
    };
    put(
        &watch,
        (0..600).map(with).chain([datum("other", 1.0)]).collect(),
    )
    .await
    .unwrap();
    let ask = |input: api::ListMetricsInput| watch.ask(ops::ListMetrics, input);
    let first = ask(Default::default()).await.unwrap();
    assert_eq!(first.metrics.unwrap().len(), 500);
    let next_token = first.next_token;
    let second = ask(api::ListMetricsInput {
        next_token,
        ..Default::default()
    })
    .await
    .unwrap();
    assert_eq!(
        (second.metrics.unwrap().len(), second.next_token),
        (101, None)
    );
    let filter = |name: &str, value: Option<&str>| api::ListMetricsInput {
        dimensions: Some(vec![api::DimensionFilter {
            name: name.into(),
            value: value.map(Into::into),
        }]),
        ..Default::default()
    };
    assert_eq!(
        ask(filter("Shop", Some("s007")))
            .await
            .unwrap()
            .metrics
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        ask(filter("None", None))
            .await
            .unwrap()
            .metrics
            .unwrap()
            .len(),
        0
    );
    watch.lab.clock.advance(Duration::from_secs(4 * 3_600));
    put(&watch, vec![datum("other", 1.0)]).await.unwrap();
    let recently_active = Some("PT3H".into());
    let recent = ask(api::ListMetricsInput {
        recently_active,
        ..Default::default()
    })
    .await
    .unwrap();
    assert_eq!(recent.metrics.unwrap().len(), 1);
    watch.lab.clock.advance(Duration::from_secs(15 * 86_400));
    assert_eq!(
        ask(Default::default())
            .await
            .unwrap()
            .metrics
            .unwrap()
            .len(),
        0
    );
}

/// The platform's own come by the seat in the house.
#[tokio::test]
async fn what_the_platform_observes_is_kept() {
    use neargate_service::metrics::{Datum, Metrics};
    let watch = Watch::new();
    let observed =
        crate::publish::Observed::new(watch.cloudwatch.engine.clone(), watch.lab.clock.clone());
    let datum = |value| {
        Datum::new(
            "AWS/ECS",
            "CPUUtilization",
            &[("ClusterName", "c")],
            "Percent",
            value,
            START,
        )
    };
    for value in [10.0, 30.0, f64::NAN] {
        observed.put(&watch.lab.scope, datum(value));
    }
    // The writer takes in order.
    put(&watch, vec![super::metrics::datum("after", 1.0)])
        .await
        .unwrap();
    let input = api::GetMetricStatisticsInput {
        namespace: "AWS/ECS".into(),
        metric_name: "CPUUtilization".into(),
        dimensions: Some(vec![api::Dimension {
            name: "ClusterName".into(),
            value: "c".into(),
        }]),
        start_time: Timestamp::from_millis(START.as_millis() - 60_000),
        end_time: START + MINUTE,
        period: 60,
        statistics: Some(vec!["Average".into()]),
        ..Default::default()
    };
    let found = watch.ask(ops::GetMetricStatistics, input).await.unwrap();
    assert_eq!(found.datapoints.unwrap()[0].average, Some(20.0));
}
