//! Key pairs
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-key-pairs.html>). The private key is in
//! the answer that tells of a new pair, and nowhere else.

use super::{tags, text};
use crate::change::{self, all, fresh, key, settle};
use crate::error::key as say;
use crate::kind::{self, Kind};
use crate::model::{KeyName, KeyPair, Place, shown};
use crate::plan::ssh_keys::{PublicKey, private_key};
use crate::query::{Describe, Query, dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::{Stored, Tx};
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Ctx};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use std::sync::Arc;

pub async fn create_key_pair(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateKeyPairInput,
) -> Result<api::CreateKeyPairOutput, AwsError> {
    dry_run(input.dry_run)?;
    match input.key_type.as_deref() {
        Some("ed25519") => {}
        None | Some("rsa") => return Err(say::not_made("KeyType rsa, which is the default,")),
        Some(other) => return Err(error::invalid_value("KeyType", other)),
    }
    match input.key_format.as_deref() {
        None | Some("pem") => {}
        Some("ppk") => return Err(say::not_made("KeyFormat ppk")),
        Some(other) => return Err(error::invalid_value("KeyFormat", other)),
    }
    let tags = tags::specified(input.tag_specifications, &kind::KEY_PAIR)?;
    let name = checked_name(&input.key_name)?;
    let (public, material) = ed25519(name)
        .map_err(|_| AwsError::server("InternalError", "The system gives no random numbers."))?;
    let (pair_id, pair) = stored(&cx, name, &public, &tags).await?;
    Ok(api::CreateKeyPairOutput {
        key_pair_id: Some(pair_id),
        key_name: text(name),
        key_fingerprint: Some(pair.fingerprint),
        key_material: Some(material),
        tags: Some(shown(&tags)),
    })
}

/// A new pair: the public key, and the private one as OpenSSH keeps it.
fn ed25519(name: &str) -> Result<(PublicKey, String), ring::error::Unspecified> {
    let random = SystemRandom::new();
    let (mut seed, mut check) = ([0; 32], [0; 4]);
    random.fill(&mut seed)?;
    random.fill(&mut check)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| ring::error::Unspecified)?;
    let point = pair.public_key().as_ref();
    let public = PublicKey::ed25519(point, name);
    let material = private_key(&public, &seed, point, u32::from_be_bytes(check));
    Ok((public, material))
}

pub async fn import_key_pair(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ImportKeyPairInput,
) -> Result<api::ImportKeyPairOutput, AwsError> {
    dry_run(input.dry_run)?;
    let tags = tags::specified(input.tag_specifications, &kind::KEY_PAIR)?;
    let name = checked_name(&input.key_name)?;
    let material = std::str::from_utf8(&input.public_key_material).map_err(|_| say::format())?;
    let public = PublicKey::parse(material).map_err(|_| say::format())?;
    let (pair_id, pair) = stored(&cx, name, &public, &tags).await?;
    Ok(api::ImportKeyPairOutput {
        key_pair_id: Some(pair_id),
        key_name: text(name),
        key_fingerprint: Some(pair.fingerprint),
        tags: Some(shown(&tags)),
    })
}

fn checked_name(name: &str) -> Result<&str, AwsError> {
    let printable = name.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    match (1..=255).contains(&name.len()) && printable && name.trim() == name {
        true => Ok(name),
        false => Err(say::name(name)),
    }
}

/// Keeps a pair under its name, which no other one has.
async fn stored(
    cx: &Ctx,
    name: &str,
    public: &PublicKey,
    tags: &Tags,
) -> Result<(String, KeyPair), AwsError> {
    let pair_id = fresh(cx, "key");
    let pair = KeyPair {
        name: name.to_owned(),
        key_type: public.key_type.to_owned(),
        public_key: public.line(),
        fingerprint: public.fingerprint(),
        created_at: cx.now(),
    };
    let taken = key::<KeyName>(cx, &hex_name(name));
    let add = async || -> Result<(Tx, ()), AwsError> {
        if cx.db().get_key::<KeyName>(&taken).await?.is_some() {
            return Err(say::duplicate());
        }
        let own = KeyName {
            key_pair_id: pair_id.clone(),
        };
        let tx = cx.db().tx().create(taken.clone(), &own);
        Ok((change::create(tx, cx, &pair_id, &pair, tags), ()))
    };
    settle(add).await?;
    Ok((pair_id, pair))
}

/// A name as a part of a key, which a slash would divide.
fn hex_name(name: &str) -> String {
    name.bytes().map(|b| format!("{b:02x}")).collect()
}

/// A pair that is not there is deleted already.
pub async fn delete_key_pair(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteKeyPairInput,
) -> Result<api::DeleteKeyPairOutput, AwsError> {
    dry_run(input.dry_run)?;
    let delete = async || -> Result<(Tx, Option<String>), AwsError> {
        let pairs = all::<KeyPair>(&cx).await?;
        let found = match (&input.key_pair_id, &input.key_name) {
            (Some(id), _) => {
                kind::KEY_PAIR.check(id)?;
                pairs.iter().find(|p| p.id() == id)
            }
            (None, Some(name)) => pairs.iter().find(|p| p.name == *name),
            (None, None) => return Err(error::missing_parameter("KeyName")),
        };
        let tx = cx.db().tx();
        Ok(match found {
            Some(pair) => {
                let tx = tx.delete_key(key::<KeyName>(&cx, &hex_name(&pair.name)));
                (change::delete(tx, &cx, pair), Some(pair.id().to_owned()))
            }
            None => (tx, None),
        })
    };
    let key_pair_id = settle(delete).await?;
    Ok(api::DeleteKeyPairOutput {
        r#return: Some(true),
        key_pair_id,
    })
}

pub async fn describe_key_pairs(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeKeyPairsInput,
) -> Result<api::DescribeKeyPairsOutput, AwsError> {
    let query = Query::new(input.dry_run, input.key_pair_ids, input.filters, None, None)?;
    let place = Place::read(&cx).await?;
    let mut pairs = all::<KeyPair>(&cx).await?;
    let names = input.key_names.unwrap_or_default();
    if let Some(unknown) = names.iter().find(|n| !pairs.iter().any(|p| p.name == **n)) {
        return Err(say::not_found(unknown));
    }
    pairs.retain(|p| names.is_empty() || names.contains(&p.name));
    let with_key = input.include_public_key == Some(true);
    let shown = pairs.iter().map(|p| pair(&place, p, with_key));
    let found = query.run(shown.collect())?;
    Ok(api::DescribeKeyPairsOutput {
        key_pairs: Some(found.items),
    })
}

fn pair(place: &Place, pair: &Stored<KeyPair>, with_key: bool) -> api::KeyPairInfo {
    api::KeyPairInfo {
        key_pair_id: text(pair.id()),
        key_name: text(&pair.name),
        key_type: text(&pair.key_type),
        key_fingerprint: text(&pair.fingerprint),
        public_key: with_key.then(|| pair.public_key.clone()),
        create_time: Some(pair.created_at),
        tags: place.tags_of(pair.id()),
    }
}

impl Describe for api::KeyPairInfo {
    const KIND: Kind = kind::KEY_PAIR;

    fn id(&self) -> &str {
        self.key_pair_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "key-pair-id" => one(&self.key_pair_id),
            "fingerprint" => one(&self.key_fingerprint),
            "key-name" => one(&self.key_name),
            _ => None,
        }
    }
}
