//! Key pairs.

use super::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINbimLvq/fO4CrrbCq+J/Zz1f4Sb21F5Bd5ut6A11wUs test";

#[tokio::test]
async fn pairs_are_made_and_imported() {
    let p = place();
    let make = |key_type: Option<&str>| {
        let input = api::CreateKeyPairInput {
            key_name: "mine".into(),
            key_type: key_type.map(Into::into),
            ..Default::default()
        };
        p.call(ops::CreateKeyPair, input)
    };
    refused_as(make(None).await, "UnsupportedOperation");
    let made = make(Some("ed25519")).await.unwrap();
    assert!(
        made.key_material
            .unwrap()
            .starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    );
    refused(
        make(Some("ed25519")).await,
        "InvalidKeyPair.Duplicate",
        "The keypair already exists",
    );
    let import = |name: &str, key: &str| {
        let input = api::ImportKeyPairInput {
            key_name: name.into(),
            public_key_material: key.to_owned().into(),
            tag_specifications: specification("key-pair", &[("k", "v")]),
            ..Default::default()
        };
        p.call(ops::ImportKeyPair, input)
    };
    refused(
        import("other", "no key").await,
        "InvalidKey.Format",
        "Key is not in valid OpenSSH public key format",
    );
    import("a/b", KEY).await.unwrap();
    let describe = |name: &str| {
        let input = api::DescribeKeyPairsInput {
            key_names: ids(name),
            include_public_key: Some(true),
            ..Default::default()
        };
        p.call(ops::DescribeKeyPairs, input)
    };
    let shown = describe("a/b").await.unwrap().key_pairs.unwrap().remove(0);
    assert_eq!(shown.public_key.as_deref(), Some(KEY));
    assert_eq!(shown.tags, Some(pairs(&[("k", "v")])));
    refused(
        describe("nobodys").await,
        "InvalidKeyPair.NotFound",
        "The key pair 'nobodys' does not exist",
    );
    let delete = |name: &str| {
        let input = api::DeleteKeyPairInput {
            key_name: some(name),
            ..Default::default()
        };
        p.call(ops::DeleteKeyPair, input)
    };
    let deleted = delete("a/b").await.unwrap();
    assert_eq!(deleted.key_pair_id, shown.key_pair_id);
    assert_eq!(delete("a/b").await.unwrap().key_pair_id, None);
    import("a/b", KEY).await.unwrap();
}
