//! What batches of events are worth, as CloudWatch would take it.

use super::*;
use crate::model::filters::{self as stored, Transformation};

use neargate_service::metrics::Metrics;
use neargate_testkit::{Lab, START};

#[derive(Debug, Default)]
struct Taken(Mutex<Vec<Datum>>);

impl Metrics for Taken {
    fn put(&self, _: &Scope, datum: Datum) {
        if datum.name != "IncomingBytes" && datum.name != "IncomingLogEvents" {
            self.0.lock().push(datum);
        }
    }
}

struct World {
    lab: Lab,
    taken: Arc<Taken>,
    extraction: Extraction,
    group: Stored<Group>,
}

async fn world(filters: Vec<stored::MetricFilter>) -> World {
    let lab = Lab::seeded(1);
    let taken = Arc::new(Taken::default());
    lab.house.metrics.take(taken.clone());
    let group = crate::api::groups::new(&lab.house, "g", Default::default());
    let key = db::key::<Group>(&lab.scope, "g");
    let record = Filters {
        group_id: group.id.clone(),
        metric: filters,
    };
    let tx = lab.house.db.tx().put(key.clone(), &group);
    let tx = tx.put(db::key::<Filters>(&lab.scope, "g"), &record);
    let _ = tx.commit().await.expect("commits");
    let group = lab
        .house
        .db
        .get_key::<Group>(&key)
        .await
        .expect("answers")
        .expect("is there");
    World {
        lab,
        taken,
        extraction: Extraction::default(),
        group,
    }
}

impl World {
    async fn store(&self, events: &[(i64, &str)]) {
        let event = |(at, message): &(i64, &str)| Event {
            timestamp: START + Duration::from_millis(*at as u64),
            message: (*message).to_owned(),
        };
        let events: Vec<Event> = events.iter().map(event).collect();
        let (house, scope) = (&self.lab.house, &self.lab.scope);
        let extracted = self.extraction.of(house, scope, &self.group, &events).await;
        self.extraction
            .publish(house, scope, extracted.expect("extracts"));
    }

    /// Name, dimensions, sum and count of each datum, in order of their names.
    fn taken(&self) -> Vec<(String, String, f64, f64)> {
        let mut all: Vec<_> = self.taken.0.lock().drain(..).map(shown).collect();
        all.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        all
    }
}

fn shown(datum: Datum) -> (String, String, f64, f64) {
    let dimensions: Vec<String> = datum
        .dimensions
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    let (sum, count) = match datum.value {
        Observed::One(value) => (value, 1.0),
        Observed::Values(values) => (
            values.iter().map(|(v, n)| v * n).sum(),
            values.iter().map(|(_, n)| n).sum(),
        ),
        Observed::Many {
            sum, sample_count, ..
        } => (sum, sample_count),
    };
    (datum.name, dimensions.join(","), sum, count)
}

fn filter(name: &str, pattern: &str, value: &str) -> stored::MetricFilter {
    stored::MetricFilter {
        name: name.into(),
        pattern: pattern.into(),
        created: START,
        transformation: Transformation {
            name: name.into(),
            namespace: "App".into(),
            value: value.into(),
            default: None,
            dimensions: Default::default(),
            unit: None,
        },
        apply_on_transformed_logs: None,
        emit_system_fields: Vec::new(),
    }
}

fn by(mut filter: stored::MetricFilter, dimensions: &[(&str, &str)]) -> stored::MetricFilter {
    let own = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
    filter.transformation.dimensions = dimensions.iter().map(own).collect();
    filter
}

fn datum(name: &str, dimensions: &str, sum: f64, count: f64) -> (String, String, f64, f64) {
    (name.into(), dimensions.into(), sum, count)
}

#[tokio::test]
async fn filters_count_and_read_values() {
    let world = world(vec![
        filter("Errors", "ERROR", "1"),
        by(
            filter("Latency", "{ $.latency = * }", "$.latency"),
            &[("Path", "$.path")],
        ),
        filter("Size", "[ip, user, ..., size]", "$size"),
    ])
    .await;
    world
        .store(&[
            (0, "ERROR one"),
            (1, "an ERROR"),
            (2, r#"{"latency": 50, "path": "/a"}"#),
            (3, r#"{"latency": "20.5", "path": "/a"}"#),
            (4, r#"{"latency": "slow", "path": "/a"}"#),
            (5, r#"{"latency": 7}"#),
            (6, "127.0.0.1 frank GET 200 1534"),
        ])
        .await;
    let expected = [
        datum("Errors", "", 2.0, 2.0),
        datum("Latency", "Path=/a", 70.5, 2.0),
        datum("Size", "", 1534.0, 1.0),
    ];
    assert_eq!(world.taken(), expected);
}

#[tokio::test]
async fn a_change_of_filters_holds_for_the_next_batch() {
    let world = world(vec![filter("A", "x", "1")]).await;
    world.store(&[(0, "x")]).await;
    assert_eq!(world.taken(), [datum("A", "", 1.0, 1.0)]);
    let record = Filters {
        group_id: world.group.id.clone(),
        metric: vec![filter("B", "x", "2")],
    };
    let key = db::key::<Filters>(&world.lab.scope, "g");
    let _ = world
        .lab
        .house
        .db
        .tx()
        .put(key.clone(), &record)
        .commit()
        .await
        .expect("commits");
    world.store(&[(0, "x")]).await;
    assert_eq!(world.taken(), [datum("B", "", 2.0, 1.0)]);
    // A group made again under the name has none of them.
    let record = Filters {
        group_id: "another".into(),
        ..record
    };
    let _ = world
        .lab
        .house
        .db
        .tx()
        .put(key, &record)
        .commit()
        .await
        .expect("commits");
    world.store(&[(0, "x")]).await;
    assert_eq!(world.taken(), []);
}

#[tokio::test]
async fn a_default_value_stands_for_each_silent_minute() {
    let mut zero = filter("Errors", "ERROR", "1");
    zero.transformation.default = Some(0.0);
    let world = world(vec![zero]).await;
    world
        .store(&[(0, "fine"), (60_000, "fine"), (120_000, "fine")])
        .await;
    world.store(&[(60_000, "ERROR")]).await;
    assert_eq!(world.taken(), [datum("Errors", "", 1.0, 1.0)]);
    world.extraction.break_silence(&world.lab.house);
    assert_eq!(world.taken(), []);
    world.lab.clock.advance(Duration::from_secs(300));
    world.extraction.break_silence(&world.lab.house);
    let silent = datum("Errors", "", 0.0, 1.0);
    assert_eq!(world.taken(), [silent.clone(), silent]);
    world.extraction.break_silence(&world.lab.house);
    assert_eq!(world.taken(), []);
}

#[tokio::test]
async fn a_filter_takes_a_thousand_dimensions_an_hour() {
    let world = world(vec![by(
        filter("A", "{ $.id = * }", "1"),
        &[("Id", "$.id")],
    )])
    .await;
    let messages: Vec<String> = (0..1_100).map(|n| format!(r#"{{"id": {n}}}"#)).collect();
    let events: Vec<(i64, &str)> = messages.iter().map(|m| (0, m.as_str())).collect();
    world.store(&events).await;
    assert_eq!(world.taken().len(), 1_000);
    world.store(&events[..1]).await;
    assert_eq!(world.taken(), [datum("A", "Id=0", 1.0, 1.0)]);
}

#[test]
fn what_cannot_be_a_filter() {
    let refused =
        |filter: &stored::MetricFilter| MetricFilter::new(filter).expect_err("is refused");
    assert_eq!(
        refused(&filter("a", "ERROR", "$.x")),
        Unusable::Value("$.x".into())
    );
    assert_eq!(
        refused(&filter("a", "{ $.x = 1 }", "x")),
        Unusable::Value("x".into())
    );
    assert_eq!(
        refused(&filter("a", "[a, b]", "$c")),
        Unusable::Value("$c".into())
    );
    assert!(matches!(
        refused(&filter("a", "{ $.x", "1")),
        Unusable::Pattern(_)
    ));
    let terms = by(filter("a", "ERROR", "1"), &[("A", "$.a")]);
    assert_eq!(refused(&terms), Unusable::NoDimensions);
    let mut both = by(filter("a", "{ $.a = * }", "1"), &[("A", "$.a")]);
    both.transformation.default = Some(0.0);
    assert_eq!(refused(&both), Unusable::DimensionsAndDefault);
    let four = [("A", "$.a"), ("B", "$.b"), ("C", "$.c"), ("D", "$.d")];
    let four = by(filter("a", "{ $.a = * }", "1"), &four);
    assert_eq!(refused(&four), Unusable::TooManyDimensions);
}

fn document(directive: &str, members: &str) -> String {
    let at = START.as_millis();
    format!(r#"{{"_aws":{{"Timestamp":{at},"CloudWatchMetrics":[{directive}]}},{members}}}"#)
}

#[tokio::test]
async fn documents_in_the_embedded_metric_format_make_metrics() {
    let world = world(Vec::new()).await;
    let whole = document(
        r#"{"Namespace":"N","Dimensions":[["service"],["service","az"],[]],
            "Metrics":[{"Name":"time","Unit":"Milliseconds"},{"Name":"sizes","StorageResolution":1}]}"#,
        r#""service":"web","az":"a","time":12.5,"sizes":[1,2,3],"other":{"x":1}"#,
    );
    world.store(&[(0, &whole)]).await;
    let expected = [
        datum("sizes", "", 6.0, 3.0),
        datum("sizes", "service=web", 6.0, 3.0),
        datum("sizes", "service=web,az=a", 6.0, 3.0),
        datum("time", "", 12.5, 1.0),
        datum("time", "service=web", 12.5, 1.0),
        datum("time", "service=web,az=a", 12.5, 1.0),
    ];
    assert_eq!(world.taken(), expected);
}

#[tokio::test]
async fn what_breaks_the_embedded_metric_format_is_counted() {
    let directive = r#"{"Namespace":"N","Dimensions":[["s"]],"Metrics":[{"Name":"m"}]}"#;
    let one = |events: Vec<String>| async move {
        let world = world(Vec::new()).await;
        let events: Vec<(i64, &str)> = events.iter().map(|e| (0, e.as_str())).collect();
        world.store(&events).await;
        world.taken()
    };
    let group = "LogGroupName=g";
    let invalid = [datum("EMFValidationErrors", group, 1.0, 1.0)];
    // A metric that is no number, a dimension that is not there, no time, an unknown unit.
    assert_eq!(
        one(vec![document(directive, r#""s":"a","m":"x""#)]).await,
        invalid
    );
    assert_eq!(one(vec![document(directive, r#""m":1"#)]).await, invalid);
    let timeless = r#"{"_aws":{"CloudWatchMetrics":[]},"m":1}"#;
    assert_eq!(one(vec![timeless.into()]).await, invalid);
    let unit = r#"{"Namespace":"N","Dimensions":[[]],"Metrics":[{"Name":"m","Unit":"Parsecs"}]}"#;
    assert_eq!(one(vec![document(unit, r#""m":1"#)]).await, invalid);
    let cut = document(directive, r#""s":"a","m":1"#);
    let cut = cut[..cut.len() - 1].to_owned();
    assert_eq!(
        one(vec![cut]).await,
        [datum("EMFParsingErrors", group, 1.0, 1.0)]
    );
    // The words alone make no document.
    let quoted = r#"{"text": "\"_aws\" and \"CloudWatchMetrics\""}"#;
    assert_eq!(
        one(vec![quoted.into(), "_aws CloudWatchMetrics".into()]).await,
        []
    );
}
