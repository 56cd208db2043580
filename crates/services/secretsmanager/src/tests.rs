//! Secrets Manager's operations, called through the table as the gateway calls them, beside a KMS that
//! stands in for the real one.

use crate::model::{Secret, Value};
use crate::{SecretsManager, deletion};
use neargate_api_kms as kms;
use neargate_api_secretsmanager::{self as api, ops};
use neargate_service::{AwsError, Component, Ctx, OperationTable, Scope, Service, golden};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Remembers each data key that it gives; a ciphertext is its number.
#[derive(Debug, Default)]
struct StandIn {
    is_disabled: AtomicBool,
    given: Mutex<Vec<kms::GenerateDataKeyInput>>,
}

impl StandIn {
    fn key(number: usize) -> Vec<u8> {
        vec![u8::try_from(number).expect("a test makes few"); 32]
    }

    fn check(&self) -> Result<(), AwsError> {
        if self.is_disabled.load(Ordering::SeqCst) {
            return Err(AwsError::client("DisabledException", "it is disabled."));
        }
        Ok(())
    }

    async fn generate(
        self: Arc<Self>,
        _: Ctx,
        input: kms::GenerateDataKeyInput,
    ) -> Result<kms::GenerateDataKeyOutput, AwsError> {
        self.check()?;
        let mut given = self.given.lock().expect("nobody panics");
        let number = given.len();
        let key_id = input.key_id.clone();
        given.push(input);
        Ok(kms::GenerateDataKeyOutput {
            ciphertext_blob: Some(number.to_string().into()),
            plaintext: Some(StandIn::key(number).into()),
            key_id: Some(format!("arn:{key_id}")),
            ..Default::default()
        })
    }

    async fn decrypt(
        self: Arc<Self>,
        _: Ctx,
        input: kms::DecryptInput,
    ) -> Result<kms::DecryptOutput, AwsError> {
        self.check()?;
        let blob = input.ciphertext_blob.expect("a ciphertext");
        let number: usize = str::from_utf8(&blob)
            .expect("text")
            .parse()
            .expect("a number");
        let given = self.given.lock().expect("nobody panics");
        assert_eq!(given[number].encryption_context, input.encryption_context);
        Ok(kms::DecryptOutput {
            plaintext: Some(StandIn::key(number).into()),
            ..Default::default()
        })
    }

    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        let table = OperationTable::new(&kms::SERVICE, self)
            .on(kms::ops::GenerateDataKey, StandIn::generate)
            .on(kms::ops::Decrypt, StandIn::decrypt);
        Arc::new(table)
    }
}

struct Place {
    lab: Lab,
    table: Arc<dyn Service>,
    kms: Arc<StandIn>,
}

fn place() -> Place {
    let lab = Lab::default();
    let table = Arc::new(SecretsManager).table();
    let kms = Arc::<StandIn>::default();
    let all = vec![table.clone(), kms.clone().table()];
    lab.house.caller.connect(all);
    Place { lab, table, kms }
}

impl Place {
    async fn ask<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        call(&*self.table, self.lab.cx(), op, input).await
    }

    async fn create(&self, name: &str, value: &str) -> api::CreateSecretOutput {
        let input = api::CreateSecretInput {
            name: name.into(),
            secret_string: Some(value.into()),
            ..Default::default()
        };
        self.ask(ops::CreateSecret, input).await.unwrap()
    }

    async fn put(&self, id: &str, value: &str) -> String {
        let input = api::PutSecretValueInput {
            secret_id: id.into(),
            secret_string: Some(value.into()),
            ..Default::default()
        };
        let put = self.ask(ops::PutSecretValue, input).await.unwrap();
        put.version_id.unwrap()
    }

    async fn get(
        &self,
        id: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<String, AwsError> {
        let input = api::GetSecretValueInput {
            secret_id: id.into(),
            version_id: version.map(str::to_owned),
            version_stage: stage.map(str::to_owned),
        };
        let got = self.ask(ops::GetSecretValue, input).await?;
        Ok(got.secret_string.unwrap())
    }

    async fn describe(&self, id: &str) -> Result<api::DescribeSecretOutput, AwsError> {
        let secret_id = id.into();
        let input = api::DescribeSecretInput { secret_id };
        self.ask(ops::DescribeSecret, input).await
    }

    async fn delete(
        &self,
        id: &str,
        days: Option<i64>,
        force: Option<bool>,
    ) -> Result<api::DeleteSecretOutput, AwsError> {
        let input = api::DeleteSecretInput {
            secret_id: id.into(),
            recovery_window_in_days: days,
            force_delete_without_recovery: force,
        };
        self.ask(ops::DeleteSecret, input).await
    }

    async fn list(&self, input: api::ListSecretsInput) -> Vec<String> {
        let listed = self.ask(ops::ListSecrets, input).await.unwrap();
        let names = listed.secret_list.unwrap().into_iter();
        names.map(|secret| secret.name.unwrap()).collect()
    }
}

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {}", error.code, error.message)
}

const MISSING: &str = "ResourceNotFoundException Secrets Manager can't find the specified secret.";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn secrets_are_named_by_name_and_arn() {
    let place = place();
    let made = place.create("app/db-main", "s").await;
    let arn = made.arn.unwrap();
    let start = "arn:aws:secretsmanager:us-east-1:000000000000:secret:app/db-main-";
    let suffix = arn.strip_prefix(start).unwrap();
    assert_eq!(suffix.len(), 6);
    for id in ["app/db-main", &arn, &start[..start.len() - 1]] {
        assert_eq!(place.get(id, None, None).await.unwrap(), "s", "{id}");
    }
    for id in [
        "app/db",
        "arn:aws:secretsmanager:us-east-1:000000000000:secret:app/db-main-AAAAAA",
    ] {
        assert_eq!(said(place.get(id, None, None).await), MISSING);
    }
    place.delete("app/db-main", None, Some(true)).await.unwrap();
    let again = place.create("app/db-main", "t").await;
    assert_ne!(again.arn.as_deref(), Some(arn.as_str()));
    assert_eq!(said(place.get(&arn, None, None).await), MISSING);
}

#[tokio::test]
async fn nothing_plain_is_stored() {
    let place = place();
    place.create("app", "hunter2-is-secret").await;
    place.put("app", "hunter3-is-secret").await;
    let all = place
        .lab
        .house
        .db
        .store()
        .range("", None, 1000, None)
        .await
        .unwrap();
    assert_eq!(all.entries.len(), 3);
    for entry in all.entries {
        let text = String::from_utf8_lossy(&entry.value).into_owned();
        assert!(!text.contains("is-secret"), "{}", entry.key);
    }
}

#[tokio::test]
async fn labels_move_with_values() {
    let place = place();
    let first = place.create("app", "1").await.version_id.unwrap();
    let second = place.put("app", "2").await;
    assert_eq!(place.get("app", None, None).await.unwrap(), "2");
    assert_eq!(
        place.get("app", None, Some("AWSPREVIOUS")).await.unwrap(),
        "1"
    );
    let input = api::PutSecretValueInput {
        secret_id: "app".into(),
        secret_string: Some("3".into()),
        version_stages: Some(vec!["AWSPENDING".into(), "mine".into()]),
        client_request_token: Some(TOKEN.into()),
        ..Default::default()
    };
    place.ask(ops::PutSecretValue, input).await.unwrap();
    assert_eq!(place.get("app", None, None).await.unwrap(), "2");
    assert_eq!(
        place.get("app", Some(TOKEN), Some("mine")).await.unwrap(),
        "3"
    );
    let stage = |from: Option<&str>, to: Option<&str>| api::UpdateSecretVersionStageInput {
        secret_id: "app".into(),
        version_stage: "AWSCURRENT".into(),
        remove_from_version_id: from.map(str::to_owned),
        move_to_version_id: to.map(str::to_owned),
    };
    let refused = place
        .ask(ops::UpdateSecretVersionStage, stage(None, Some(TOKEN)))
        .await;
    assert_eq!(
        said(refused),
        format!(
            "InvalidParameterException The parameter RemoveFromVersionId can't be empty. Staging \
             label AWSCURRENT is currently attached to version {second}, so you must explicitly \
             reference that version in RemoveFromVersionId."
        )
    );
    let moved = stage(Some(&second), Some(TOKEN));
    place
        .ask(ops::UpdateSecretVersionStage, moved)
        .await
        .unwrap();
    let stages = place
        .describe("app")
        .await
        .unwrap()
        .version_ids_to_stages
        .unwrap();
    let wanted = BTreeMap::from([
        (
            TOKEN.to_owned(),
            vec!["AWSCURRENT".into(), "AWSPENDING".into(), "mine".into()],
        ),
        (second.clone(), vec!["AWSPREVIOUS".to_owned()]),
    ]);
    assert_eq!(stages, wanted);
    assert_eq!(place.get("app", Some(&first), None).await.unwrap(), "1");
    let list = |deprecated| api::ListSecretVersionIdsInput {
        secret_id: "app".into(),
        include_deprecated: Some(deprecated),
        ..Default::default()
    };
    for (deprecated, wanted) in [(false, 2), (true, 3)] {
        let listed = place
            .ask(ops::ListSecretVersionIds, list(deprecated))
            .await
            .unwrap();
        assert_eq!(listed.versions.unwrap().len(), wanted);
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let place = place();
    let id = place.create("app", "1").await.version_id.unwrap();
    let refused = [
        (Some(TOKEN), None, format!("value for VersionId: {TOKEN}")),
        (
            None,
            Some("AWSPENDING"),
            "value for staging label: AWSPENDING".to_owned(),
        ),
        (
            Some(&*id),
            Some("AWSPENDING"),
            "is not associated to the provided VersionId.".to_owned(),
        ),
    ];
    for (version, stage, wanted) in refused {
        let said = said(place.get("app", version, stage).await);
        assert!(said.ends_with(&wanted), "{said}");
    }
    let input = api::CreateSecretInput {
        name: "empty".into(),
        ..Default::default()
    };
    place.ask(ops::CreateSecret, input).await.unwrap();
    assert!(said(place.get("empty", None, None).await).ends_with("staging label: AWSCURRENT"));
}

#[tokio::test]
async fn the_same_call_twice_is_one() {
    let place = place();
    let create = |value: &str, token: &str| api::CreateSecretInput {
        name: "app".into(),
        secret_string: Some(value.into()),
        client_request_token: Some(token.into()),
        ..Default::default()
    };
    let one = place
        .ask(ops::CreateSecret, create("1", TOKEN))
        .await
        .unwrap();
    let two = place
        .ask(ops::CreateSecret, create("1", TOKEN))
        .await
        .unwrap();
    assert_eq!(one, two);
    let other = TOKEN.replace('0', "1");
    let refused = said(place.ask(ops::CreateSecret, create("1", &other)).await);
    assert_eq!(
        refused,
        "ResourceExistsException The operation failed because the secret app already exists."
    );
    let refused = said(place.ask(ops::CreateSecret, create("2", TOKEN)).await);
    assert!(
        refused.contains("You can't use ClientRequestToken"),
        "{refused}"
    );
    let put = |value: &str| api::PutSecretValueInput {
        secret_id: "app".into(),
        secret_string: Some(value.into()),
        client_request_token: Some(other.clone()),
        ..Default::default()
    };
    place.ask(ops::PutSecretValue, put("2")).await.unwrap();
    place.ask(ops::PutSecretValue, put("2")).await.unwrap();
    assert!(said(place.ask(ops::PutSecretValue, put("3")).await).starts_with("ResourceExists"));
    assert_eq!(place.get("app", None, None).await.unwrap(), "2");
}

#[tokio::test]
async fn deletion_waits_and_is_undone() {
    let place = place();
    place.create("app", "1").await;
    for days in [6, 31] {
        let refused = said(place.delete("app", Some(days), None).await);
        assert_eq!(
            refused,
            "InvalidParameterException The RecoveryWindowInDays value must be between 7 and 30 \
             days (inclusive)."
        );
    }
    place.delete("app", Some(7), None).await.unwrap();
    assert!(said(place.get("app", None, None).await).contains("was marked for deletion."));
    assert!(
        said(place.delete("app", None, None).await).contains("already scheduled for deletion.")
    );
    let input = api::CreateSecretInput {
        name: "app".into(),
        ..Default::default()
    };
    assert!(
        said(place.ask(ops::CreateSecret, input).await).contains("already scheduled for deletion.")
    );
    assert!(place.describe("app").await.unwrap().deleted_date.is_some());
    assert_eq!(place.list(Default::default()).await, Vec::<String>::new());
    let restore = api::RestoreSecretInput {
        secret_id: "app".into(),
    };
    place.ask(ops::RestoreSecret, restore).await.unwrap();
    assert_eq!(place.get("app", None, None).await.unwrap(), "1");
    place.delete("app", Some(7), None).await.unwrap();
    place.lab.clock.advance(DAY * 8);
    assert_eq!(said(place.describe("app").await), MISSING);
    place.create("app", "2").await;
    place.delete("app", Some(7), None).await.unwrap();
    place.lab.clock.advance(DAY * 8);
    deletion::look(&place.lab.house).await.unwrap();
    let left = place
        .lab
        .house
        .db
        .store()
        .range("secretsmanager/", None, 10, None)
        .await;
    assert_eq!(left.unwrap().entries.len(), 0);
    place.delete("nothing", None, Some(true)).await.unwrap();
    assert_eq!(said(place.delete("nothing", None, None).await), MISSING);
}

#[tokio::test]
async fn a_key_of_the_callers_seals_and_opens() {
    let place = place();
    place.create("app", "1").await;
    let input = api::UpdateSecretInput {
        secret_id: "app".into(),
        kms_key_id: Some("alias/mine".into()),
        ..Default::default()
    };
    place.ask(ops::UpdateSecret, input).await.unwrap();
    assert_eq!(place.get("app", None, None).await.unwrap(), "1");
    let keys: Vec<_> = place
        .kms
        .given
        .lock()
        .unwrap()
        .iter()
        .map(|k| k.key_id.clone())
        .collect();
    assert_eq!(keys, ["alias/aws/secretsmanager", "alias/mine"]);
    place.kms.is_disabled.store(true, Ordering::SeqCst);
    let refused = said(place.get("app", None, None).await);
    assert!(refused.starts_with("DecryptionFailure"), "{refused}");
    let input = api::PutSecretValueInput {
        secret_id: "app".into(),
        secret_string: Some("2".into()),
        ..Default::default()
    };
    let refused = said(place.ask(ops::PutSecretValue, input).await);
    assert!(refused.starts_with("EncryptionFailure"), "{refused}");
}

#[tokio::test]
async fn lists_are_filtered_and_sorted() {
    let place = place();
    for (name, tag) in [("b/two", "web"), ("a/one", "db"), ("c/three", "web")] {
        let input = api::CreateSecretInput {
            name: name.into(),
            description: Some(format!("The {name} secret")),
            tags: Some(vec![api::Tag {
                key: Some("team".into()),
                value: Some(tag.into()),
            }]),
            ..Default::default()
        };
        place.ask(ops::CreateSecret, input).await.unwrap();
        place.lab.clock.advance(Duration::from_secs(1));
    }
    let all = place.list(Default::default()).await;
    assert_eq!(all, ["b/two", "a/one", "c/three"]);
    let sorted = api::ListSecretsInput {
        sort_by: Some("name".into()),
        sort_order: Some("desc".into()),
        ..Default::default()
    };
    assert_eq!(place.list(sorted).await, ["c/three", "b/two", "a/one"]);
    let filtered = |key: &str, value: &str| api::ListSecretsInput {
        filters: Some(vec![api::Filter {
            key: Some(key.into()),
            values: Some(vec![value.into()]),
        }]),
        ..Default::default()
    };
    let cases: [(&str, &str, &[&str]); 6] = [
        ("name", "a/", &["a/one"]),
        ("name", "!a/", &["b/two", "c/three"]),
        ("tag-value", "we", &["b/two", "c/three"]),
        ("tag-key", "Team", &[]),
        ("description", "secr TH", &["b/two", "a/one", "c/three"]),
        ("all", "thr", &["c/three"]),
    ];
    for (key, value, wanted) in cases {
        assert_eq!(
            place.list(filtered(key, value)).await,
            wanted,
            "{key} {value}"
        );
    }
    let batch = api::BatchGetSecretValueInput {
        secret_id_list: Some(vec!["a/one".into(), "none".into()]),
        ..Default::default()
    };
    let got = place.ask(ops::BatchGetSecretValue, batch).await.unwrap();
    assert_eq!(
        (got.secret_values.unwrap().len(), got.errors.unwrap().len()),
        (0, 2)
    );
}

#[tokio::test]
async fn passwords_have_what_is_asked() {
    let place = place();
    let password = async |input| {
        let made = place.ask(ops::GetRandomPassword, input).await?;
        Ok::<_, AwsError>(made.random_password.unwrap())
    };
    assert_eq!(password(Default::default()).await.unwrap().len(), 32);
    for _ in 0..50 {
        let input = api::GetRandomPasswordInput {
            password_length: Some(4),
            exclude_characters: Some("aeiou".into()),
            ..Default::default()
        };
        let made = password(input).await.unwrap();
        assert!(
            made.contains(|c: char| c.is_ascii_digit()) && !made.contains('a'),
            "{made}"
        );
        assert!(made.contains(|c: char| c.is_ascii_punctuation()), "{made}");
    }
    let short = api::GetRandomPasswordInput {
        password_length: Some(3),
        ..Default::default()
    };
    assert_eq!(
        said(password(short).await),
        "InvalidParameterException Password length is too short based on the required types."
    );
}

#[tokio::test]
async fn policies_are_kept_unless_they_are_public() {
    let place = place();
    place.create("app", "1").await;
    let put = |policy: &str, block| api::PutResourcePolicyInput {
        secret_id: "app".into(),
        resource_policy: policy.into(),
        block_public_policy: Some(block),
        ..Default::default()
    };
    let public = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}"#;
    assert!(
        said(place.ask(ops::PutResourcePolicy, put(public, true)).await)
            .starts_with("PublicPolicyException")
    );
    assert!(
        said(place.ask(ops::PutResourcePolicy, put("{", false)).await)
            .starts_with("MalformedPolicyDocument")
    );
    place
        .ask(ops::PutResourcePolicy, put(public, false))
        .await
        .unwrap();
    let get = api::GetResourcePolicyInput {
        secret_id: "app".into(),
        ..Default::default()
    };
    let got = place.ask(ops::GetResourcePolicy, get).await.unwrap();
    assert_eq!(got.resource_policy.as_deref(), Some(public));
}

#[tokio::test]
async fn replicas_are_as_their_secret() {
    let place = place();
    let input = api::CreateSecretInput {
        name: "app".into(),
        secret_string: Some("1".into()),
        add_replica_regions: Some(vec![region("eu-west-1")]),
        ..Default::default()
    };
    let made = place.ask(ops::CreateSecret, input).await.unwrap();
    let status = &made.replication_status.unwrap()[0];
    assert_eq!(status.status.as_deref(), Some("InSync"));
    let arn = made.arn.unwrap().replace("us-east-1", "eu-west-1");
    let there = Ctx {
        scope: Scope {
            region: "eu-west-1".parse().unwrap(),
            ..place.lab.scope.clone()
        },
        ..place.lab.cx()
    };
    let get = async |id: &str| {
        let input = api::GetSecretValueInput {
            secret_id: id.into(),
            ..Default::default()
        };
        let got = call(&*place.table, there.clone(), ops::GetSecretValue, input).await?;
        Ok::<_, AwsError>(got.secret_string.unwrap())
    };
    assert_eq!(get(&arn).await.unwrap(), "1");
    place.put("app", "2").await;
    assert_eq!(get("app").await.unwrap(), "2");
    let input = api::PutSecretValueInput {
        secret_id: "app".into(),
        secret_string: Some("3".into()),
        ..Default::default()
    };
    let refused = call(&*place.table, there.clone(), ops::PutSecretValue, input).await;
    assert!(said(refused).contains("Operation not permitted on a replica secret."));
    let refused = said(place.delete("app", None, None).await);
    assert!(
        refused.ends_with("that still has replica regions [eu-west-1]"),
        "{refused}"
    );
    let secret_id = "app".to_owned();
    let input = api::StopReplicationToReplicaInput { secret_id };
    let stop = ops::StopReplicationToReplica;
    call(&*place.table, there.clone(), stop, input)
        .await
        .unwrap();
    place.put("app", "4").await;
    assert_eq!(get("app").await.unwrap(), "2");
    let input = |overwrite| api::ReplicateSecretToRegionsInput {
        secret_id: "app".into(),
        add_replica_regions: vec![region("eu-west-1")],
        force_overwrite_replica_secret: Some(overwrite),
    };
    place.lab.clock.advance(Duration::from_secs(1));
    let done = place
        .ask(ops::ReplicateSecretToRegions, input(true))
        .await
        .unwrap();
    assert_eq!(
        done.replication_status.unwrap()[0].status.as_deref(),
        Some("InSync")
    );
    assert_eq!(get("app").await.unwrap(), "4");
    let remove = api::RemoveRegionsFromReplicationInput {
        secret_id: "app".into(),
        remove_replica_regions: vec!["eu-west-1".into()],
    };
    place
        .ask(ops::RemoveRegionsFromReplication, remove)
        .await
        .unwrap();
    assert_eq!(said(get("app").await), MISSING);
    let same = api::ReplicateSecretToRegionsInput {
        add_replica_regions: vec![region("us-east-1")],
        ..input(false)
    };
    let refused = said(place.ask(ops::ReplicateSecretToRegions, same).await);
    assert_eq!(refused, "InvalidParameterException Invalid replica region.");
}

fn region(name: &str) -> api::ReplicaRegionType {
    api::ReplicaRegionType {
        region: Some(name.into()),
        kms_key_id: None,
    }
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    golden::check::<Secret>(dir);
    golden::check::<Value>(dir);
}
