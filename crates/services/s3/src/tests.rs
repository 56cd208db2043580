//! Operations through the table, and every stored form pinned.

use super::model::{Bucket, Object, Part, Upload};
use super::{S3, lifecycle, operations, sweep};
use bytes::Bytes;
use neargate_api_s3 as api;
use neargate_api_s3::ops;
use neargate_blob::Extents;
use neargate_service::golden::check;
use neargate_service::invocation::{Invocation, To};
use neargate_service::{AwsError, Scope};
use neargate_testkit::{Lab, call, cx};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn stored_forms() {
    const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Bucket>(DIR);
    check::<Object>(DIR);
    check::<Upload>(DIR);
    check::<Part>(DIR);
}

struct Store {
    lab: Lab,
    s3: Arc<S3>,
}

impl Store {
    async fn with_bucket() -> Store {
        let lab = Lab::default();
        let extents = Extents::open(&lab.path().join("objects")).unwrap();
        let store = Store {
            lab,
            s3: Arc::new(S3::new(extents)),
        };
        let input = api::CreateBucketInput {
            bucket: "box".into(),
            ..Default::default()
        };
        store.call(ops::CreateBucket, input).await.unwrap();
        store
    }

    async fn call<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        let table = operations::table(self.s3.clone());
        call(&table, self.lab.cx(), op, input).await
    }

    async fn put(&self, key: &str, body: &'static str) -> api::PutObjectOutput {
        let input = api::PutObjectInput {
            bucket: "box".into(),
            key: key.into(),
            body: Some(Bytes::from_static(body.as_bytes())),
            ..Default::default()
        };
        self.call(ops::PutObject, input).await.unwrap()
    }

    async fn get(&self, key: &str) -> Result<Bytes, AwsError> {
        let input = api::GetObjectInput {
            bucket: "box".into(),
            key: key.into(),
            ..Default::default()
        };
        let got = self.call(ops::GetObject, input).await?;
        Ok(got.body.unwrap_or_default())
    }

    async fn version(&self, status: &str) {
        let input = api::PutBucketVersioningInput {
            bucket: "box".into(),
            versioning_configuration: api::VersioningConfiguration {
                status: Some(status.into()),
                mfa_delete: None,
            },
            ..Default::default()
        };
        self.call(ops::PutBucketVersioning, input).await.unwrap();
    }

    async fn extents(&self) -> usize {
        self.s3.extents.list().await.unwrap().len()
    }
}

#[tokio::test]
async fn what_is_replaced_or_deleted_gives_its_bytes_back() {
    let store = Store::with_bucket().await;
    store.put("k", "one").await;
    store.put("k", "two").await;
    assert_eq!(store.get("k").await.unwrap(), "two");
    assert_eq!(store.extents().await, 1);
    let input = api::DeleteObjectInput {
        bucket: "box".into(),
        key: "k".into(),
        ..Default::default()
    };
    store.call(ops::DeleteObject, input).await.unwrap();
    assert_eq!(store.get("k").await.unwrap_err().code, "NoSuchKey");
    assert_eq!(store.extents().await, 0);
}

#[tokio::test]
async fn what_a_crash_left_is_swept_and_nothing_else() {
    let store = Store::with_bucket().await;
    store.put("k", "kept").await;
    let mut lost = store.s3.extents.create("00ff00ff").unwrap();
    lost.write(b"nobody's").unwrap();
    lost.finish().unwrap().keep();
    assert_eq!(store.extents().await, 2);
    assert_eq!(sweep::sweep(&store.s3, &store.lab.house).await.unwrap(), 1);
    assert_eq!(store.get("k").await.unwrap(), "kept");
}

#[tokio::test]
async fn a_copy_outlives_its_source() {
    let store = Store::with_bucket().await;
    store.put("a", "bytes").await;
    let input = api::CopyObjectInput {
        bucket: "box".into(),
        key: "b".into(),
        copy_source: "box/a".into(),
        ..Default::default()
    };
    store.call(ops::CopyObject, input).await.unwrap();
    let input = api::DeleteObjectInput {
        bucket: "box".into(),
        key: "a".into(),
        ..Default::default()
    };
    store.call(ops::DeleteObject, input).await.unwrap();
    assert_eq!(store.get("b").await.unwrap(), "bytes");
}

#[tokio::test]
async fn rules_take_away_what_is_old() {
    let store = Store::with_bucket().await;
    store.version("Enabled").await;
    store.put("tmp/a", "1").await;
    store.put("tmp/a", "2").await;
    store.put("kept", "3").await;
    let rule = api::LifecycleRule {
        filter: Some(api::LifecycleRuleFilter {
            prefix: Some("tmp/".into()),
            ..Default::default()
        }),
        status: "Enabled".into(),
        expiration: Some(api::LifecycleExpiration {
            days: Some(2),
            ..Default::default()
        }),
        noncurrent_version_expiration: Some(api::NoncurrentVersionExpiration {
            noncurrent_days: Some(1),
            newer_noncurrent_versions: None,
        }),
        ..Default::default()
    };
    let input = api::PutBucketLifecycleConfigurationInput {
        bucket: "box".into(),
        lifecycle_configuration: Some(api::BucketLifecycleConfiguration { rules: vec![rule] }),
        ..Default::default()
    };
    let put = store.call(ops::PutBucketLifecycleConfiguration, input);
    put.await.unwrap();
    for (after, extents, there) in [(0, 3, true), (2, 2, true), (1, 2, false), (2, 1, false)] {
        store.lab.clock.advance(DAY * after);
        lifecycle::apply(&store.s3, &store.lab.house).await.unwrap();
        assert_eq!(store.extents().await, extents, "after {after} more days");
        assert_eq!(store.get("tmp/a").await.is_ok(), there);
    }
    assert_eq!(store.get("kept").await.unwrap(), "3");
}

#[tokio::test]
async fn another_account_sees_what_a_policy_lets_it() {
    let store = Store::with_bucket().await;
    store.put("k", "mine").await;
    let other = Scope {
        account: "999999999999".parse().unwrap(),
        ..store.lab.scope.clone()
    };
    let get = async |key: &str| {
        let mut cx = cx(&store.lab.house, &other);
        cx.principal = neargate_service::Principal::root(&other.account, "");
        let table = operations::table(store.s3.clone());
        let input = api::GetObjectInput {
            bucket: "box".into(),
            key: key.into(),
            ..Default::default()
        };
        call(&table, cx, ops::GetObject, input).await
    };
    assert_eq!(get("k").await.unwrap_err().code, "AccessDenied");
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
        "Principal":{"AWS":"999999999999"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::box/*",
        "Condition":{"StringEquals":{"aws:ResourceAccount":"000000000000"}}}]}"#;
    let input = api::PutBucketPolicyInput {
        bucket: "box".into(),
        policy: policy.into(),
        ..Default::default()
    };
    store.call(ops::PutBucketPolicy, input).await.unwrap();
    assert_eq!(get("k").await.unwrap().body.unwrap(), "mine");
}

fn notified(key: Option<&str>) -> api::PutBucketNotificationConfigurationInput {
    let rule = |prefix: &str| api::FilterRule {
        name: Some("prefix".into()),
        value: Some(prefix.into()),
    };
    let filter = key.map(|prefix| api::NotificationConfigurationFilter {
        key: Some(api::S3KeyFilter {
            filter_rules: Some(vec![rule(prefix)]),
        }),
    });
    let queue = api::QueueConfiguration {
        queue_arn: "arn:aws:sqs:us-east-1:000000000000:told".into(),
        events: vec!["s3:ObjectCreated:*".into(), "s3:ObjectRemoved:*".into()],
        filter,
        ..Default::default()
    };
    api::PutBucketNotificationConfigurationInput {
        bucket: "box".into(),
        notification_configuration: api::NotificationConfiguration {
            queue_configurations: Some(vec![queue]),
            ..Default::default()
        },
        skip_destination_validation: Some(true),
        ..Default::default()
    }
}

#[tokio::test]
async fn changes_are_told_where_the_bucket_says() {
    let store = Store::with_bucket().await;
    store
        .call(
            ops::PutBucketNotificationConfiguration,
            notified(Some("in/")),
        )
        .await
        .unwrap();
    store.put("in/red flower.jpg", "a").await;
    store.put("out/b", "b").await;
    store.version("Enabled").await;
    let delete = api::DeleteObjectInput {
        bucket: "box".into(),
        key: "in/red flower.jpg".into(),
        ..Default::default()
    };
    store.call(ops::DeleteObject, delete).await.unwrap();
    let cx = store.lab.cx();
    let told = cx.db().list::<Invocation>(&cx.scope).await.unwrap();
    let mut records: Vec<serde_json::Value> = told
        .iter()
        .map(|told| {
            let To::Operation {
                operation, input, ..
            } = &told.to
            else {
                panic!("{told:?}");
            };
            assert_eq!(operation, "SendMessage");
            let body = input["MessageBody"].as_str().unwrap();
            let message: serde_json::Value = serde_json::from_str(body).unwrap();
            message["Records"][0].clone()
        })
        .collect();
    records.sort_by_key(|record| record["eventName"].to_string());
    let names: Vec<_> = records
        .iter()
        .map(|record| record["eventName"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated"]
    );
    let object = &records[0]["s3"]["object"];
    assert_eq!(
        (object["key"].as_str(), object["size"].as_u64()),
        (Some("in/red+flower.jpg"), Some(1))
    );
    assert!(object["sequencer"].as_str() < records[1]["s3"]["object"]["sequencer"].as_str());
    let get = api::GetBucketNotificationConfigurationInput {
        bucket: "box".into(),
        ..Default::default()
    };
    let kept = store
        .call(ops::GetBucketNotificationConfiguration, get)
        .await
        .unwrap();
    assert!(kept.queue_configurations.unwrap()[0].id.is_some());
}

#[tokio::test]
async fn configurations_of_notifications_that_cannot_be() {
    let store = Store::with_bucket().await;
    let refused = async |input| {
        let refused = store
            .call(ops::PutBucketNotificationConfiguration, input)
            .await
            .unwrap_err();
        assert_eq!(refused.code, "InvalidArgument");
        refused.message
    };
    let mut twice = notified(None);
    let queues = twice
        .notification_configuration
        .queue_configurations
        .as_mut()
        .unwrap();
    queues.push(queues[0].clone());
    assert!(
        refused(twice)
            .await
            .starts_with("Configuration is ambiguously defined.")
    );
    let mut elsewhere = notified(None);
    let queues = elsewhere
        .notification_configuration
        .queue_configurations
        .as_mut()
        .unwrap();
    queues[0].queue_arn = "arn:aws:sqs:eu-west-1:000000000000:told".into();
    assert!(
        refused(elsewhere)
            .await
            .starts_with("The notification destination service region")
    );
    let mut nowhere = notified(None);
    nowhere.skip_destination_validation = None;
    assert_eq!(
        refused(nowhere).await,
        "Unable to validate the following destination configurations"
    );
}
