//! Parameter Store's operations, called through the table as the gateway calls them, beside what
//! stands in for KMS and Secrets Manager.

use crate::model::Parameter;
use crate::{Ssm, expiration};
use neargate_api_kms as kms;
use neargate_api_secretsmanager as secrets;
use neargate_api_ssm::{self as api, ops};
use neargate_service::{AwsError, Component, Ctx, OperationTable, Service, golden};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;
use std::time::Duration;

mod events;

/// A KMS with one key, which turns texts around, and a Secrets Manager with one secret.
#[derive(Debug)]
struct StandIn;

impl StandIn {
    fn turned(text: &[u8]) -> Option<bytes::Bytes> {
        Some(text.iter().rev().copied().collect())
    }

    async fn encrypt(
        self: Arc<Self>,
        _: Ctx,
        input: kms::EncryptInput,
    ) -> Result<kms::EncryptOutput, AwsError> {
        if input.key_id != "alias/aws/ssm" {
            let message = format!("Alias {} is not found.", input.key_id);
            return Err(AwsError::client("NotFoundException", message));
        }
        assert!(input.encryption_context.is_some());
        Ok(kms::EncryptOutput {
            ciphertext_blob: StandIn::turned(&input.plaintext),
            ..Default::default()
        })
    }

    async fn decrypt(
        self: Arc<Self>,
        _: Ctx,
        input: kms::DecryptInput,
    ) -> Result<kms::DecryptOutput, AwsError> {
        Ok(kms::DecryptOutput {
            plaintext: StandIn::turned(&input.ciphertext_blob.unwrap_or_default()),
            ..Default::default()
        })
    }

    async fn secret(
        self: Arc<Self>,
        _: Ctx,
        input: secrets::GetSecretValueInput,
    ) -> Result<secrets::GetSecretValueOutput, AwsError> {
        let stage = input.version_stage.as_deref().unwrap_or("AWSCURRENT");
        if input.secret_id != "db" || input.version_id.is_some() || stage != "AWSCURRENT" {
            return Err(AwsError::client(
                "ResourceNotFoundException",
                "There is none.",
            ));
        }
        Ok(secrets::GetSecretValueOutput {
            secret_string: Some("s".into()),
            ..Default::default()
        })
    }

    fn tables() -> [Arc<dyn Service>; 2] {
        let kms = OperationTable::new(&kms::SERVICE, Arc::new(StandIn))
            .on(kms::ops::Encrypt, StandIn::encrypt)
            .on(kms::ops::Decrypt, StandIn::decrypt);
        let secrets = OperationTable::new(&secrets::SERVICE, Arc::new(StandIn))
            .on(secrets::ops::GetSecretValue, StandIn::secret);
        [Arc::new(kms), Arc::new(secrets)]
    }
}

struct Place {
    lab: Lab,
    table: Arc<dyn Service>,
}

fn place() -> Place {
    let lab = Lab::default();
    let table = Arc::<Ssm>::default().table();
    let all = [table.clone()].into_iter().chain(StandIn::tables());
    lab.house.caller.connect(all.collect());
    Place { lab, table }
}

fn parameter(name: &str, kind: &str, value: &str) -> api::PutParameterInput {
    api::PutParameterInput {
        name: name.into(),
        r#type: Some(kind.into()),
        value: value.into(),
        ..Default::default()
    }
}

impl Place {
    async fn ask<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        call(&*self.table, self.lab.cx(), op, input).await
    }

    async fn put(&self, input: api::PutParameterInput) -> Result<i64, AwsError> {
        let put = self.ask(ops::PutParameter, input).await?;
        Ok(put.version.unwrap())
    }

    async fn get(&self, name: &str, decrypt: bool) -> Result<api::Parameter, AwsError> {
        let input = api::GetParameterInput {
            name: name.into(),
            with_decryption: Some(decrypt),
        };
        let got = self.ask(ops::GetParameter, input).await?;
        Ok(got.parameter.unwrap())
    }

    async fn value(&self, name: &str) -> Result<String, AwsError> {
        Ok(self.get(name, true).await?.value.unwrap())
    }

    async fn by_path(&self, path: &str, recursive: bool) -> Vec<String> {
        let mut names = Vec::new();
        let mut next_token = None;
        loop {
            let input = api::GetParametersByPathInput {
                path: path.into(),
                recursive: Some(recursive),
                next_token,
                max_results: Some(2),
                ..Default::default()
            };
            let page = self.ask(ops::GetParametersByPath, input).await.unwrap();
            names.extend(
                page.parameters
                    .unwrap()
                    .into_iter()
                    .map(|p| p.name.unwrap()),
            );
            next_token = page.next_token;
            if next_token.is_none() {
                return names;
            }
        }
    }
}

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {}", error.code, error.message)
}

#[tokio::test]
async fn secure_strings_are_sealed() {
    let place = place();
    place
        .put(parameter("/app/db", "SecureString", "hunter2-is-secret"))
        .await
        .unwrap();
    assert_eq!(place.value("/app/db").await.unwrap(), "hunter2-is-secret");
    let sealed = place.get("/app/db", false).await.unwrap();
    assert_eq!(sealed.r#type.as_deref(), Some("SecureString"));
    assert!(!sealed.value.unwrap().contains("secret"));
    let all = place
        .lab
        .house
        .db
        .store()
        .range("", None, 1000, None)
        .await
        .unwrap();
    for entry in all.entries {
        let text = String::from_utf8_lossy(&entry.value).into_owned();
        assert!(!text.contains("is-secret"), "{}", entry.key);
    }
    let of_no_key = api::PutParameterInput {
        key_id: Some("alias/none".into()),
        ..parameter("/app/x", "SecureString", "s")
    };
    let refused = said(place.put(of_no_key).await);
    assert!(
        refused.starts_with("InvalidKeyId Alias alias/none is not found. (Service: AWSKMS;"),
        "{refused}"
    );
}

#[tokio::test]
async fn versions_are_selected_by_number_and_label() {
    let place = place();
    assert_eq!(place.put(parameter("/a", "String", "1")).await.unwrap(), 1);
    assert!(
        said(place.put(parameter("/a", "String", "2")).await).starts_with("ParameterAlreadyExists")
    );
    let overwrite = api::PutParameterInput {
        overwrite: Some(true),
        r#type: None,
        ..parameter("/a", "", "2")
    };
    assert_eq!(place.put(overwrite).await.unwrap(), 2);
    let label = |version, labels: &[&str]| api::LabelParameterVersionInput {
        name: "/a".into(),
        parameter_version: version,
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
    };
    let done = place
        .ask(
            ops::LabelParameterVersion,
            label(Some(1), &["prod", "aws-x", "1st"]),
        )
        .await
        .unwrap();
    assert_eq!(done.invalid_labels.unwrap(), ["aws-x", "1st"]);
    assert_eq!(place.value("/a").await.unwrap(), "2");
    assert_eq!(place.value("/a:1").await.unwrap(), "1");
    let labelled = place.get("/a:prod", true).await.unwrap();
    assert_eq!(
        (labelled.value.as_deref(), labelled.selector.as_deref()),
        (Some("1"), Some(":prod"))
    );
    place
        .ask(ops::LabelParameterVersion, label(None, &["prod"]))
        .await
        .unwrap();
    assert_eq!(place.value("/a:prod").await.unwrap(), "2");
    assert_eq!(
        place
            .value("arn:aws:ssm:us-east-1:000000000000:parameter/a:1")
            .await
            .unwrap(),
        "1"
    );
    assert!(said(place.value("/a:9").await).contains("could not find version 9 of /a"));
    assert!(said(place.value("/a:none").await).contains("could not find label none"));
    assert_eq!(said(place.value("/a:1:2").await), "ParameterNotFound ");
    assert_eq!(said(place.value("/b").await), "ParameterNotFound ");
    let unlabel = api::UnlabelParameterVersionInput {
        name: "/a".into(),
        parameter_version: 2,
        labels: vec!["prod".into(), "other".into()],
    };
    let done = place
        .ask(ops::UnlabelParameterVersion, unlabel)
        .await
        .unwrap();
    assert_eq!(
        (done.removed_labels.unwrap(), done.invalid_labels.unwrap()),
        (vec!["prod".to_owned()], vec!["other".to_owned()])
    );
    let input = api::GetParametersInput {
        names: vec!["/a:1".into(), "/a".into(), "/none".into()],
        ..Default::default()
    };
    let got = place.ask(ops::GetParameters, input).await.unwrap();
    assert_eq!(
        (
            got.parameters.unwrap().len(),
            got.invalid_parameters.unwrap()
        ),
        (2, vec!["/none".to_owned()])
    );
    let input = api::GetParameterHistoryInput {
        name: "/a".into(),
        ..Default::default()
    };
    let history = place.ask(ops::GetParameterHistory, input).await.unwrap();
    assert_eq!(history.parameters.unwrap().len(), 2);
}

#[tokio::test]
async fn paths_are_walked() {
    let place = place();
    for name in ["/app/a", "/app/b", "/app/deep/c", "/application/d", "flat"] {
        place.put(parameter(name, "String", "x")).await.unwrap();
    }
    assert_eq!(place.by_path("/app", false).await, ["/app/a", "/app/b"]);
    assert_eq!(
        place.by_path("/app/", true).await,
        ["/app/a", "/app/b", "/app/deep/c"]
    );
    assert_eq!(place.by_path("/", true).await.len(), 5);
    assert_eq!(place.by_path("/", false).await, ["flat"]);
}

#[tokio::test]
async fn names_and_values_are_checked() {
    let place = place();
    let deep = "/x".repeat(16);
    let long = "v".repeat(4097);
    let refused = [
        (
            parameter("aws-x", "String", "v"),
            "ValidationException Parameter name: can't be prefixed with \"aws\"",
        ),
        (
            parameter("/aws/x/y", "String", "v"),
            "AccessDeniedException No access to reserved parameter name: /aws/x/y.",
        ),
        (
            parameter("/ssm/x", "String", "v"),
            "ValidationException Parameter name: can't be prefixed with \"ssm\"",
        ),
        (
            parameter("a/b", "String", "v"),
            "ValidationException Parameter name must be a fully qualified name.",
        ),
        (
            parameter("/a b", "String", "v"),
            "ValidationException Parameter name: can't",
        ),
        (
            parameter(&deep, "String", "v"),
            "HierarchyLevelLimitExceededException",
        ),
        (
            parameter("/a", "String", &long),
            "ValidationException Standard tier parameters",
        ),
        (
            api::PutParameterInput {
                allowed_pattern: Some("\\d+".into()),
                ..parameter("/a", "String", "v1")
            },
            "ParameterPatternMismatchException Parameter value, cannot be validated against allowedPattern: \\d+",
        ),
        (
            api::PutParameterInput {
                allowed_pattern: Some("(".into()),
                ..parameter("/a", "String", "v")
            },
            "InvalidAllowedPatternException",
        ),
        (
            api::PutParameterInput {
                data_type: Some("number".into()),
                ..parameter("/a", "String", "v")
            },
            "ValidationException The following data type is not supported: number",
        ),
        (
            api::PutParameterInput {
                r#type: None,
                ..parameter("/a", "", "v")
            },
            "ValidationException A parameter type is required",
        ),
    ];
    for (input, wanted) in refused {
        let said = said(place.put(input).await);
        assert!(said.starts_with(wanted), "{said}");
    }
    let advanced = api::PutParameterInput {
        tier: Some("Intelligent-Tiering".into()),
        ..parameter("/a", "String", &long)
    };
    let put = place.ask(ops::PutParameter, advanced).await.unwrap();
    assert_eq!(put.tier.as_deref(), Some("Advanced"));
}

#[tokio::test]
async fn parameters_end_when_their_policy_says() {
    let place = place();
    let policy = |kind: &str| {
        format!(
            r#"[{{"Type":"{kind}","Version":"1.0","Attributes":{{"Timestamp":"2023-11-15T00:00:00.000Z"}}}}]"#
        )
    };
    let with = |kind: &str, tier: &str| api::PutParameterInput {
        policies: Some(policy(kind)),
        tier: Some(tier.into()),
        ..parameter("/a", "String", "v")
    };
    assert!(
        said(place.put(with("NoChangeNotification", "Advanced")).await)
            .starts_with("InvalidPolicyTypeException")
    );
    assert!(
        said(place.put(with("Expiration", "Standard")).await).starts_with("ValidationException")
    );
    place.put(with("Expiration", "Advanced")).await.unwrap();
    assert_eq!(place.value("/a").await.unwrap(), "v");
    place.lab.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(said(place.value("/a").await), "ParameterNotFound ");
    expiration::look(&place.lab.house).await.unwrap();
    assert_eq!(place.put(parameter("/a", "String", "w")).await.unwrap(), 1);
}

#[tokio::test]
async fn public_parameters_name_images() {
    let place = place();
    let name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id";
    let image = place.get(name, false).await.unwrap();
    assert!(image.value.unwrap().starts_with("ami-"));
    assert_eq!(
        image.arn.unwrap(),
        format!("arn:aws:ssm:us-east-1::parameter{name}")
    );
    let whole = place
        .value(name.strip_suffix("/image_id").unwrap())
        .await
        .unwrap();
    assert!(whole.contains("image_id"), "{whole}");
    assert!(
        !place
            .by_path("/aws/service/ecs/optimized-ami/amazon-linux-2023", true)
            .await
            .is_empty()
    );
    assert_eq!(
        said(place.value("/aws/service/none").await),
        "ParameterNotFound "
    );
}

#[tokio::test]
async fn secrets_are_read_as_parameters() {
    let place = place();
    let name = "/aws/reference/secretsmanager/db";
    assert_eq!(place.value(name).await.unwrap(), "s");
    let staged = format!("{name}:AWSCURRENT");
    assert_eq!(place.value(&staged).await.unwrap(), "s");
    assert_eq!(
        said(place.get(name, false).await),
        "ValidationException WithDecryption flag must be True for retrieving a Secret Manager secret."
    );
    let missing = said(place.value("/aws/reference/secretsmanager/none").await);
    assert!(missing.starts_with("ParameterNotFound"), "{missing}");
}

#[tokio::test]
async fn descriptions_are_filtered() {
    let place = place();
    for (name, kind) in [
        ("/app/a", "String"),
        ("/app/b/c", "SecureString"),
        ("flat", "StringList"),
    ] {
        let tags = vec![api::Tag {
            key: "kind".into(),
            value: kind.into(),
        }];
        let input = api::PutParameterInput {
            tags: Some(tags),
            ..parameter(name, kind, "x")
        };
        place.put(input).await.unwrap();
    }
    let find = async |key: &str, option: Option<&str>, value: &str| {
        let input = api::DescribeParametersInput {
            parameter_filters: Some(vec![api::ParameterStringFilter {
                key: key.into(),
                option: option.map(str::to_owned),
                values: Some(vec![value.into()]),
            }]),
            ..Default::default()
        };
        let found = place.ask(ops::DescribeParameters, input).await?;
        let names = found.parameters.unwrap().into_iter();
        Ok::<Vec<_>, AwsError>(names.map(|p| p.name.unwrap()).collect())
    };
    let cases: [(&str, Option<&str>, &str, &[&str]); 7] = [
        ("Name", None, "/app/a", &["/app/a"]),
        ("Name", Some("BeginsWith"), "app", &["/app/a", "/app/b/c"]),
        ("Name", Some("Contains"), "/fl", &["flat"]),
        ("Path", None, "/app", &["/app/a"]),
        ("Path", Some("Recursive"), "/app", &["/app/a", "/app/b/c"]),
        ("KeyId", None, "alias/aws/ssm", &["/app/b/c"]),
        ("tag:kind", None, "StringList", &["flat"]),
    ];
    for (key, option, value, wanted) in cases {
        assert_eq!(
            find(key, option, value).await.unwrap(),
            wanted,
            "{key} {value}"
        );
    }
    assert!(said(find("Label", None, "x").await).starts_with("InvalidFilterKey"));
    assert!(said(find("Path", Some("Equals"), "/x").await).starts_with("InvalidFilterOption"));
    assert!(said(find("Type", None, "Number").await).starts_with("InvalidFilterOption"));
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    golden::check::<Parameter>(dir);
}
