//! KMS's operations, called through the table as the gateway calls them.

use crate::model::{Alias, Grant, Key};
use crate::{Kms, asymmetric, schedule};
use neargate_api_kms::{self as api, ops};
use neargate_service::{AwsError, Component, Ctx, Service, golden};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Place {
    lab: Lab,
    table: Arc<dyn Service>,
}

fn place() -> Place {
    Place {
        lab: Lab::default(),
        table: Arc::new(Kms).table(),
    }
}

impl Place {
    async fn ask<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        call(&*self.table, self.lab.cx(), op, input).await
    }

    async fn create(&self, input: api::CreateKeyInput) -> api::KeyMetadata {
        let made = self.ask(ops::CreateKey, input).await.unwrap();
        made.key_metadata.unwrap()
    }

    /// The id of a new symmetric key.
    async fn key(&self) -> String {
        self.create(Default::default()).await.key_id.unwrap()
    }

    async fn describe(&self, key_id: &str) -> Result<api::KeyMetadata, AwsError> {
        let input = api::DescribeKeyInput {
            key_id: key_id.into(),
            ..Default::default()
        };
        let got = self.ask(ops::DescribeKey, input).await?;
        Ok(got.key_metadata.unwrap())
    }

    async fn encrypt(&self, key_id: &str, context: &[(&str, &str)]) -> Result<Vec<u8>, AwsError> {
        let input = api::EncryptInput {
            key_id: key_id.into(),
            plaintext: "plain".into(),
            encryption_context: Some(pairs(context)),
            ..Default::default()
        };
        let made = self.ask(ops::Encrypt, input).await?;
        Ok(made.ciphertext_blob.unwrap().to_vec())
    }

    async fn decrypt(&self, blob: &[u8], context: &[(&str, &str)]) -> Result<Vec<u8>, AwsError> {
        let input = api::DecryptInput {
            ciphertext_blob: Some(blob.to_vec().into()),
            encryption_context: Some(pairs(context)),
            ..Default::default()
        };
        let opened = self.ask(ops::Decrypt, input).await?;
        Ok(opened.plaintext.unwrap().to_vec())
    }

    async fn alias(&self, name: &str, key: &str) -> Result<(), AwsError> {
        let input = api::CreateAliasInput {
            alias_name: name.into(),
            target_key_id: key.into(),
        };
        self.ask(ops::CreateAlias, input).await.map(drop)
    }
}

fn pairs(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    of.iter().map(owned).collect()
}

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {}", error.code, error.message)
}

fn arn(id: &str) -> String {
    format!("arn:aws:kms:us-east-1:000000000000:key/{id}")
}

#[tokio::test]
async fn what_is_encrypted_opens_in_its_context_alone() {
    let place = place();
    let key = place.key().await;
    let blob = place
        .encrypt(&key, &[("a", "1"), ("b", "2")])
        .await
        .unwrap();
    let same = place.decrypt(&blob, &[("b", "2"), ("a", "1")]).await;
    assert_eq!(same.unwrap(), b"plain");
    for context in [&[][..], &[("a", "1")], &[("a", "1"), ("b", "3")]] {
        let refused = place.decrypt(&blob, context).await;
        assert_eq!(said(refused), "InvalidCiphertextException ");
    }
    let mut changed = blob.clone();
    *changed.last_mut().unwrap() ^= 1;
    for bad in [&changed[..], &blob[..40], b"x"] {
        let refused = place.decrypt(bad, &[("a", "1"), ("b", "2")]).await;
        assert_eq!(said(refused), "InvalidCiphertextException ");
    }
    let other = place.key().await;
    let input = api::DecryptInput {
        ciphertext_blob: Some(blob.into()),
        key_id: Some(other),
        ..Default::default()
    };
    let refused = said(place.ask(ops::Decrypt, input).await);
    assert!(refused.starts_with("IncorrectKeyException"), "{refused}");
}

#[tokio::test]
async fn a_key_of_another_account_is_named() {
    let place = place();
    let key = place.key().await;
    let blob = place.encrypt(&key, &[]).await.unwrap();
    let other = Ctx {
        scope: place.lab.scope.of_account("111111111111".parse().unwrap()),
        ..place.lab.cx()
    };
    let ask = |key_id: Option<String>| api::DecryptInput {
        ciphertext_blob: Some(blob.clone().into()),
        key_id,
        ..Default::default()
    };
    let unnamed = call(&*place.table, other.clone(), ops::Decrypt, ask(None)).await;
    assert!(said(unnamed).starts_with("AccessDeniedException The ciphertext"));
    let named = ask(Some(arn(&key)));
    let opened = call(&*place.table, other, ops::Decrypt, named)
        .await
        .unwrap();
    assert_eq!(opened.plaintext.unwrap(), "plain");
}

#[tokio::test]
async fn keys_are_named_in_four_ways() {
    let place = place();
    let key = place.key().await;
    place.alias("alias/app", &key).await.unwrap();
    let alias_arn = "arn:aws:kms:us-east-1:000000000000:alias/app";
    for named in [key.as_str(), &arn(&key), "alias/app", alias_arn] {
        let found = place.describe(named).await.unwrap();
        assert_eq!(found.key_id.as_deref(), Some(key.as_str()), "{named}");
    }
    let missing = "00000000-0000-4000-8000-000000000000";
    let refused = [
        (
            "alias/none",
            "NotFoundException Alias arn:aws:kms:us-east-1:000000000000:alias/none is not found."
                .to_owned(),
        ),
        (
            missing,
            format!("NotFoundException Key '{}' does not exist", arn(missing)),
        ),
        (
            "nothing",
            "NotFoundException Invalid keyId 'nothing'".to_owned(),
        ),
        (
            "arn:aws:kms:eu-west-1:000000000000:key/x",
            "NotFoundException Invalid arn eu-west-1".to_owned(),
        ),
    ];
    for (named, wanted) in refused {
        assert_eq!(said(place.describe(named).await), wanted);
    }
}

#[tokio::test]
async fn aliases_follow_aws() {
    let place = place();
    let (key, other) = (place.key().await, place.key().await);
    place.alias("alias/app", &key).await.unwrap();
    assert_eq!(
        said(place.alias("alias/app", &other).await),
        "AlreadyExistsException An alias with the name \
         arn:aws:kms:us-east-1:000000000000:alias/app already exists"
    );
    assert!(said(place.alias("app", &key).await).starts_with("ValidationException"));
    assert!(said(place.alias("alias/aws/mine", &key).await).starts_with("NotAuthorized"));
    let input = api::UpdateAliasInput {
        alias_name: "alias/app".into(),
        target_key_id: other.clone(),
    };
    place.ask(ops::UpdateAlias, input).await.unwrap();
    let found = place.describe("alias/app").await.unwrap();
    assert_eq!(found.key_id, Some(other.clone()));
    let of_key = api::ListAliasesInput {
        key_id: Some(other),
        ..Default::default()
    };
    let listed = place.ask(ops::ListAliases, of_key).await.unwrap();
    assert_eq!(listed.aliases.unwrap().len(), 1);
    let gone = || api::DeleteAliasInput {
        alias_name: "alias/app".into(),
    };
    place.ask(ops::DeleteAlias, gone()).await.unwrap();
    assert!(said(place.ask(ops::DeleteAlias, gone()).await).starts_with("NotFoundException"));
}

#[tokio::test]
async fn aws_manages_keys_of_its_own() {
    let place = place();
    let found = place.describe("alias/aws/secretsmanager").await.unwrap();
    assert_eq!(found.key_manager.as_deref(), Some("AWS"));
    let again = place.describe("alias/aws/secretsmanager").await.unwrap();
    assert_eq!(found.key_id, again.key_id);
    let key_id = found.key_id.unwrap();
    let input = api::ScheduleKeyDeletionInput {
        key_id,
        ..Default::default()
    };
    let refused = said(place.ask(ops::ScheduleKeyDeletion, input).await);
    assert!(refused.starts_with("AccessDeniedException"), "{refused}");
    let unknown = place.describe("alias/aws/nothing").await;
    assert!(said(unknown).contains("alias/aws/nothing is not found."));
}

#[tokio::test]
async fn a_rotated_key_opens_what_it_encrypted_before() {
    let place = place();
    let key = place.key().await;
    let first = place.encrypt(&key, &[]).await.unwrap();
    let input = api::RotateKeyOnDemandInput {
        key_id: key.clone(),
    };
    place.ask(ops::RotateKeyOnDemand, input).await.unwrap();
    let input = api::EnableKeyRotationInput {
        key_id: key.clone(),
        rotation_period_in_days: Some(90),
    };
    place.ask(ops::EnableKeyRotation, input).await.unwrap();
    let second = place.encrypt(&key, &[]).await.unwrap();
    place.lab.clock.advance(DAY * 91);
    schedule::look(&place.lab.house).await.unwrap();
    schedule::look(&place.lab.house).await.unwrap();
    let third = place.encrypt(&key, &[]).await.unwrap();
    for blob in [first, second, third] {
        assert_eq!(place.decrypt(&blob, &[]).await.unwrap(), b"plain");
    }
    let input = api::ListKeyRotationsInput {
        key_id: key.clone(),
        ..Default::default()
    };
    let rotations = place.ask(ops::ListKeyRotations, input).await.unwrap();
    let kinds: Vec<_> = rotations
        .rotations
        .unwrap()
        .into_iter()
        .map(|r| r.rotation_type.unwrap())
        .collect();
    assert_eq!(kinds, ["ON_DEMAND", "AUTOMATIC"]);
    let input = api::GetKeyRotationStatusInput { key_id: key };
    let status = place.ask(ops::GetKeyRotationStatus, input).await.unwrap();
    assert_eq!(status.rotation_period_in_days, Some(90));
}

#[tokio::test]
async fn keys_change_their_states_as_in_aws() {
    let place = place();
    let key = place.key().await;
    let blob = place.encrypt(&key, &[]).await.unwrap();
    let disable = api::DisableKeyInput {
        key_id: key.clone(),
    };
    place.ask(ops::DisableKey, disable).await.unwrap();
    let disabled = format!("DisabledException {} is disabled.", arn(&key));
    assert_eq!(said(place.encrypt(&key, &[]).await), disabled);
    assert_eq!(said(place.decrypt(&blob, &[]).await), disabled);
    let schedule_deletion = |days| api::ScheduleKeyDeletionInput {
        key_id: key.clone(),
        pending_window_in_days: Some(days),
    };
    assert!(
        said(
            place
                .ask(ops::ScheduleKeyDeletion, schedule_deletion(6))
                .await
        )
        .starts_with("ValidationException")
    );
    let pending = place
        .ask(ops::ScheduleKeyDeletion, schedule_deletion(7))
        .await
        .unwrap();
    assert_eq!(pending.key_state.as_deref(), Some("PendingDeletion"));
    let refused = format!(
        "KMSInvalidStateException {} is pending deletion.",
        arn(&key)
    );
    assert_eq!(said(place.encrypt(&key, &[]).await), refused);
    assert_eq!(
        said(
            place
                .ask(ops::ScheduleKeyDeletion, schedule_deletion(7))
                .await
        ),
        refused
    );
    let cancel = api::CancelKeyDeletionInput {
        key_id: key.clone(),
    };
    place.ask(ops::CancelKeyDeletion, cancel).await.unwrap();
    let state = place.describe(&key).await.unwrap().key_state;
    assert_eq!(state.as_deref(), Some("Disabled"));
    let enable = api::EnableKeyInput {
        key_id: key.clone(),
    };
    place.ask(ops::EnableKey, enable).await.unwrap();
    assert_eq!(place.decrypt(&blob, &[]).await.unwrap(), b"plain");
    place.alias("alias/app", &key).await.unwrap();
    place
        .ask(ops::ScheduleKeyDeletion, schedule_deletion(7))
        .await
        .unwrap();
    place.lab.clock.advance(DAY * 8);
    assert!(said(place.describe(&key).await).contains("does not exist"));
    schedule::look(&place.lab.house).await.unwrap();
    assert!(said(place.describe("alias/app").await).contains("alias/app is not found."));
    assert!(
        said(place.decrypt(&blob, &[]).await).starts_with("AccessDeniedException The ciphertext")
    );
}

#[tokio::test]
async fn data_keys_open_again() {
    let place = place();
    let key = place.key().await;
    let ask = |spec: Option<&str>, bytes| api::GenerateDataKeyInput {
        key_id: key.clone(),
        key_spec: spec.map(str::to_owned),
        number_of_bytes: bytes,
        ..Default::default()
    };
    for (spec, bytes, length) in [
        (Some("AES_256"), None, 32),
        (Some("AES_128"), None, 16),
        (None, Some(64), 64),
    ] {
        let made = place
            .ask(ops::GenerateDataKey, ask(spec, bytes))
            .await
            .unwrap();
        let plain = made.plaintext.unwrap();
        assert_eq!(plain.len(), length);
        let opened = place.decrypt(&made.ciphertext_blob.unwrap(), &[]).await;
        assert_eq!(opened.unwrap(), plain);
    }
    for (spec, bytes) in [(None, None), (Some("AES_256"), Some(32))] {
        assert_eq!(
            said(place.ask(ops::GenerateDataKey, ask(spec, bytes)).await),
            "ValidationException Please specify either number of bytes or key spec."
        );
    }
    let dry = api::GenerateDataKeyInput {
        dry_run: Some(true),
        ..ask(Some("AES_256"), None)
    };
    assert!(
        said(place.ask(ops::GenerateDataKey, dry).await).starts_with("DryRunOperationException")
    );
    let input = api::GenerateRandomInput {
        number_of_bytes: Some(24),
        ..Default::default()
    };
    let random = place.ask(ops::GenerateRandom, input).await.unwrap();
    assert_eq!(random.plaintext.unwrap().len(), 24);
}

#[tokio::test]
async fn what_is_encrypted_moves_to_another_key() {
    let place = place();
    let (from, to) = (place.key().await, place.key().await);
    let blob = place.encrypt(&from, &[("a", "1")]).await.unwrap();
    let input = api::ReEncryptInput {
        ciphertext_blob: Some(blob.into()),
        source_encryption_context: Some(pairs(&[("a", "1")])),
        destination_key_id: to.clone(),
        destination_encryption_context: Some(pairs(&[("b", "2")])),
        ..Default::default()
    };
    let moved = place.ask(ops::ReEncrypt, input).await.unwrap();
    assert_eq!(
        (moved.source_key_id, moved.key_id),
        (Some(arn(&from)), Some(arn(&to)))
    );
    let blob = moved.ciphertext_blob.unwrap();
    assert_eq!(place.decrypt(&blob, &[("b", "2")]).await.unwrap(), b"plain");
}

#[tokio::test]
async fn messages_are_vouched_for() {
    let place = place();
    for (spec, algorithm, length) in [
        ("HMAC_224", "HMAC_SHA_224", 28),
        ("HMAC_256", "HMAC_SHA_256", 32),
        ("HMAC_384", "HMAC_SHA_384", 48),
        ("HMAC_512", "HMAC_SHA_512", 64),
    ] {
        let made = place.create(api::CreateKeyInput {
            key_spec: Some(spec.into()),
            key_usage: Some("GENERATE_VERIFY_MAC".into()),
            ..Default::default()
        });
        let key_id = made.await.key_id.unwrap();
        let input = api::GenerateMacInput {
            key_id: key_id.clone(),
            message: "m".into(),
            mac_algorithm: algorithm.into(),
            ..Default::default()
        };
        let mac = place
            .ask(ops::GenerateMac, input)
            .await
            .unwrap()
            .mac
            .unwrap();
        assert_eq!(mac.len(), length);
        let verify = |message: &'static str| api::VerifyMacInput {
            key_id: key_id.clone(),
            message: message.into(),
            mac_algorithm: algorithm.into(),
            mac: mac.clone(),
            ..Default::default()
        };
        let valid = place.ask(ops::VerifyMac, verify("m")).await.unwrap();
        assert_eq!(valid.mac_valid, Some(true));
        let wrong = place.ask(ops::VerifyMac, verify("n")).await;
        assert_eq!(said(wrong), "KMSInvalidMacException ");
        let refused = place.encrypt(&key_id, &[]).await;
        assert_eq!(
            said(refused),
            format!(
                "InvalidKeyUsageException {} key usage is GENERATE_VERIFY_MAC which is not valid \
                 for Encrypt.",
                arn(&key_id)
            )
        );
    }
}

#[tokio::test]
async fn asymmetric_keys_sign() {
    let place = place();
    let cases = [
        ("ECC_NIST_P256", "ECDSA_SHA_256", true),
        ("ECC_NIST_P384", "ECDSA_SHA_384", true),
        ("ECC_NIST_P521", "ECDSA_SHA_512", true),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256", true),
        ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512", false),
        ("RSA_2048", "RSASSA_PSS_SHA_256", true),
        ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_512", true),
    ];
    for (spec, algorithm, takes_digests) in cases {
        let made = place.create(api::CreateKeyInput {
            key_spec: Some(spec.into()),
            key_usage: Some("SIGN_VERIFY".into()),
            ..Default::default()
        });
        let key_id = made.await.key_id.unwrap();
        let sign = |message: Vec<u8>, kind: &str| api::SignInput {
            key_id: key_id.clone(),
            message: message.into(),
            message_type: Some(kind.into()),
            signing_algorithm: algorithm.into(),
            ..Default::default()
        };
        let signed = place
            .ask(ops::Sign, sign(b"m".to_vec(), "RAW"))
            .await
            .unwrap();
        let verify = |message: Vec<u8>, kind: &str| api::VerifyInput {
            key_id: key_id.clone(),
            message: message.into(),
            message_type: Some(kind.into()),
            signature: signed.signature.clone().unwrap(),
            signing_algorithm: algorithm.into(),
            ..Default::default()
        };
        let valid = place
            .ask(ops::Verify, verify(b"m".to_vec(), "RAW"))
            .await
            .unwrap();
        assert_eq!(valid.signature_valid, Some(true), "{spec}");
        let wrong = place.ask(ops::Verify, verify(b"n".to_vec(), "RAW")).await;
        assert_eq!(said(wrong), "KMSInvalidSignatureException ");
        let digest = asymmetric::digest(algorithm, b"m");
        let by_digest = place.ask(ops::Verify, verify(digest, "DIGEST")).await;
        assert_eq!(by_digest.is_ok(), takes_digests, "{spec}");
        let short = place.ask(ops::Sign, sign(b"m".to_vec(), "DIGEST")).await;
        assert!(said(short).starts_with("ValidationException"));
        let input = api::GetPublicKeyInput {
            key_id,
            ..Default::default()
        };
        let public = place.ask(ops::GetPublicKey, input).await.unwrap();
        assert_eq!(public.key_spec.as_deref(), Some(spec));
        assert!(
            public
                .signing_algorithms
                .unwrap()
                .contains(&algorithm.to_owned())
        );
    }
}

#[tokio::test]
async fn asymmetric_keys_encrypt_and_agree() {
    let place = place();
    let create = async |spec: &str, usage: &str| {
        let input = api::CreateKeyInput {
            key_spec: Some(spec.into()),
            key_usage: Some(usage.into()),
            ..Default::default()
        };
        place.create(input).await.key_id.unwrap()
    };
    let key_id = create("RSA_2048", "ENCRYPT_DECRYPT").await;
    for algorithm in ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"] {
        let encrypt = |plain: Vec<u8>| api::EncryptInput {
            key_id: key_id.clone(),
            plaintext: plain.into(),
            encryption_algorithm: Some(algorithm.into()),
            ..Default::default()
        };
        let made = place
            .ask(ops::Encrypt, encrypt(b"plain".to_vec()))
            .await
            .unwrap();
        let input = api::DecryptInput {
            key_id: Some(key_id.clone()),
            ciphertext_blob: made.ciphertext_blob,
            encryption_algorithm: Some(algorithm.into()),
            ..Default::default()
        };
        let opened = place.ask(ops::Decrypt, input).await.unwrap();
        assert_eq!(opened.plaintext.unwrap(), "plain");
        let long = said(place.ask(ops::Encrypt, encrypt(vec![0; 250])).await);
        assert!(long.contains("cannot encrypt data larger than"), "{long}");
    }
    let refused = said(place.encrypt(&key_id, &[]).await);
    assert_eq!(
        refused,
        "InvalidKeyUsageException Algorithm SYMMETRIC_DEFAULT is incompatible with key spec \
         RSA_2048."
    );
    let (a, b) = (
        create("ECC_NIST_P384", "KEY_AGREEMENT").await,
        create("ECC_NIST_P384", "KEY_AGREEMENT").await,
    );
    let agree = async |mine: &str, other: &str| {
        let input = api::GetPublicKeyInput {
            key_id: other.into(),
            ..Default::default()
        };
        let other = place.ask(ops::GetPublicKey, input).await.unwrap();
        let input = api::DeriveSharedSecretInput {
            key_id: mine.into(),
            key_agreement_algorithm: "ECDH".into(),
            public_key: other.public_key.unwrap(),
            ..Default::default()
        };
        let agreed = place.ask(ops::DeriveSharedSecret, input).await.unwrap();
        agreed.shared_secret.unwrap()
    };
    assert_eq!(agree(&a, &b).await, agree(&b, &a).await);
    let symmetric = place.key().await;
    let input = api::GenerateDataKeyPairInput {
        key_id: symmetric,
        key_pair_spec: "ECC_NIST_P256".into(),
        ..Default::default()
    };
    let pair = place.ask(ops::GenerateDataKeyPair, input).await.unwrap();
    let opened = place
        .decrypt(&pair.private_key_ciphertext_blob.unwrap(), &[])
        .await;
    assert_eq!(opened.unwrap(), pair.private_key_plaintext.unwrap());
}

#[tokio::test]
async fn material_is_imported_and_deleted() {
    let place = place();
    let made = place.create(api::CreateKeyInput {
        origin: Some("EXTERNAL".into()),
        ..Default::default()
    });
    let key_id = made.await.key_id.unwrap();
    let pending = format!(
        "KMSInvalidStateException {} is pending import.",
        arn(&key_id)
    );
    assert_eq!(said(place.encrypt(&key_id, &[]).await), pending);
    let import = async |bytes: &[u8]| {
        let input = api::GetParametersForImportInput {
            key_id: key_id.clone(),
            wrapping_algorithm: "RSAES_OAEP_SHA_256".into(),
            wrapping_key_spec: "RSA_2048".into(),
        };
        let asked = place.ask(ops::GetParametersForImport, input).await.unwrap();
        let wrapped = asymmetric::encrypt(&asked.public_key.unwrap(), "RSAES_OAEP_SHA_256", bytes);
        let input = api::ImportKeyMaterialInput {
            key_id: key_id.clone(),
            import_token: asked.import_token.unwrap(),
            encrypted_key_material: wrapped.unwrap().into(),
            expiration_model: Some("KEY_MATERIAL_DOES_NOT_EXPIRE".into()),
            ..Default::default()
        };
        place.ask(ops::ImportKeyMaterial, input).await
    };
    assert!(said(import(&[1; 31]).await).starts_with("IncorrectKeyMaterialException"));
    import(&[1; 32]).await.unwrap();
    let blob = place.encrypt(&key_id, &[]).await.unwrap();
    let input = api::DeleteImportedKeyMaterialInput {
        key_id: key_id.clone(),
        ..Default::default()
    };
    place
        .ask(ops::DeleteImportedKeyMaterial, input)
        .await
        .unwrap();
    assert_eq!(said(place.decrypt(&blob, &[]).await), pending);
    assert!(said(import(&[2; 32]).await).starts_with("IncorrectKeyMaterialException"));
    import(&[1; 32]).await.unwrap();
    assert_eq!(place.decrypt(&blob, &[]).await.unwrap(), b"plain");
}

#[tokio::test]
async fn a_policy_does_not_lock_its_author_out() {
    let place = place();
    let policy = |account: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{account}:root"}},"Action":"kms:*","Resource":"*"}}]}}"#
        )
    };
    let create = |policy: String, bypass| api::CreateKeyInput {
        policy: Some(policy),
        bypass_policy_lockout_safety_check: Some(bypass),
        ..Default::default()
    };
    let refused = said(
        place
            .ask(ops::CreateKey, create(policy("111111111111"), false))
            .await,
    );
    assert_eq!(
        refused,
        "MalformedPolicyDocumentException The new key policy will not allow you to update the key \
         policy in the future."
    );
    let malformed = said(place.ask(ops::CreateKey, create("{".into(), true)).await);
    assert!(
        malformed.starts_with("MalformedPolicyDocumentException"),
        "{malformed}"
    );
    place.create(create(policy("111111111111"), true)).await;
    let key_id = place
        .create(create(policy("000000000000"), false))
        .await
        .key_id
        .unwrap();
    let put = api::PutKeyPolicyInput {
        key_id: key_id.clone(),
        policy: policy("222222222222"),
        ..Default::default()
    };
    assert_eq!(said(place.ask(ops::PutKeyPolicy, put).await), refused);
    let get = api::GetKeyPolicyInput {
        key_id,
        ..Default::default()
    };
    let got = place.ask(ops::GetKeyPolicy, get).await.unwrap();
    assert_eq!(got.policy, Some(policy("000000000000")));
}

#[tokio::test]
async fn grants_are_made_once_and_end() {
    let place = place();
    let key = place.key().await;
    let grant = |name: Option<&str>| api::CreateGrantInput {
        key_id: key.clone(),
        grantee_principal: Some("arn:aws:iam::000000000000:role/a".into()),
        retiring_principal: Some("arn:aws:iam::000000000000:role/b".into()),
        operations: vec!["Decrypt".into()],
        name: name.map(str::to_owned),
        ..Default::default()
    };
    let one = place.ask(ops::CreateGrant, grant(Some("g"))).await.unwrap();
    let same = place.ask(ops::CreateGrant, grant(Some("g"))).await.unwrap();
    assert_eq!(one.grant_id, same.grant_id);
    let two = place.ask(ops::CreateGrant, grant(None)).await.unwrap();
    let list = || api::ListGrantsInput {
        key_id: key.clone(),
        ..Default::default()
    };
    let count = async || {
        let listed = place.ask(ops::ListGrants, list()).await.unwrap();
        listed.grants.unwrap().len()
    };
    assert_eq!(count().await, 2);
    let revoke = api::RevokeGrantInput {
        key_id: key.clone(),
        grant_id: one.grant_id.unwrap(),
        dry_run: None,
    };
    place.ask(ops::RevokeGrant, revoke.clone()).await.unwrap();
    assert!(
        said(place.ask(ops::RevokeGrant, revoke).await).starts_with("NotFoundException Grant ID")
    );
    let retire = api::RetireGrantInput {
        grant_token: two.grant_token,
        ..Default::default()
    };
    place.ask(ops::RetireGrant, retire).await.unwrap();
    assert_eq!(count().await, 0);
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    golden::check::<Key>(dir);
    golden::check::<Alias>(dir);
    golden::check::<Grant>(dir);
}

#[tokio::test]
async fn grants_fit_what_a_key_can_do() {
    let place = place();
    let symmetric = place.key().await;
    let signs = api::CreateKeyInput {
        key_spec: Some("ECC_NIST_P256".into()),
        key_usage: Some("SIGN_VERIFY".into()),
        ..Default::default()
    };
    let signs = place.create(signs).await.key_id.unwrap();
    let grant = |key: &str, grantee: Option<&str>, operation: &str| api::CreateGrantInput {
        key_id: key.into(),
        grantee_principal: grantee.map(str::to_owned),
        operations: vec![operation.into()],
        ..Default::default()
    };
    let role = Some("arn:aws:iam::000000000000:role/a");
    let bound = |input: api::CreateGrantInput| api::CreateGrantInput {
        constraints: Some(api::GrantConstraints {
            encryption_context_subset: Some(pairs(&[("a", "b")])),
            ..Default::default()
        }),
        ..input
    };
    for (input, expected) in [
        (grant(&symmetric, None, "Decrypt"), "ValidationException"),
        (grant(&symmetric, role, "Sign"), "ValidationException"),
        (grant(&signs, role, "Decrypt"), "ValidationException"),
        (bound(grant(&signs, role, "Sign")), "ValidationException"),
        (
            grant(&symmetric, Some("nobody"), "Decrypt"),
            "InvalidArnException",
        ),
        (
            grant(&symmetric, Some("*"), "Decrypt"),
            "ValidationException",
        ),
    ] {
        let refused = place.ask(ops::CreateGrant, input).await.unwrap_err();
        assert_eq!(refused.code, expected, "{}", refused.message);
    }
    place
        .ask(ops::CreateGrant, grant(&signs, role, "Sign"))
        .await
        .unwrap();
}
