//! Message authentication codes, by HMAC keys.

use super::unless_dry;
use crate::keys::{Found, find};
use crate::spec::{self, GENERATE_VERIFY_MAC};
use crate::{Kms, error, symmetric};
use hmac::{Hmac, KeyInit as _, Mac as _};
use neargate_api_kms as api;
use neargate_service::{AwsError, Ctx};
use sha2::{Sha224, Sha256, Sha384, Sha512};
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

async fn key(cx: &Ctx, named: &str, algorithm: &str, operation: &str) -> Result<Found, AwsError> {
    let found = find(cx, named).await?.enabled()?;
    let found = found.used_for(GENERATE_VERIFY_MAC, operation)?;
    if spec::mac_algorithm(&found.spec) != algorithm {
        return Err(error::incompatible(algorithm, &found.spec));
    }
    Ok(found)
}

fn mac(cx: &Ctx, key: &Found, message: &[u8]) -> Result<Vec<u8>, AwsError> {
    macro_rules! mac {
        ($hash:ty, $bytes:expr) => {{
            let mac = Hmac::<$hash>::new_from_slice($bytes);
            let mut mac = mac.expect("HMAC takes keys of any length");
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }};
    }
    let bytes = symmetric::opened(&cx.house, key, key.current()?)?;
    Ok(match key.spec.as_str() {
        "HMAC_224" => mac!(Sha224, &bytes),
        "HMAC_256" => mac!(Sha256, &bytes),
        "HMAC_384" => mac!(Sha384, &bytes),
        _ => mac!(Sha512, &bytes),
    })
}

pub async fn generate_mac(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::GenerateMacInput,
) -> Result<api::GenerateMacOutput, AwsError> {
    let key = key(&cx, &input.key_id, &input.mac_algorithm, "GenerateMac").await?;
    unless_dry(input.dry_run)?;
    Ok(api::GenerateMacOutput {
        mac: Some(mac(&cx, &key, &input.message)?.into()),
        mac_algorithm: Some(input.mac_algorithm),
        key_id: Some(key.arn()),
    })
}

pub async fn verify_mac(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::VerifyMacInput,
) -> Result<api::VerifyMacOutput, AwsError> {
    let key = key(&cx, &input.key_id, &input.mac_algorithm, "VerifyMac").await?;
    unless_dry(input.dry_run)?;
    let wanted = mac(&cx, &key, &input.message)?;
    if !bool::from(wanted.ct_eq(&input.mac)) {
        return Err(error::invalid_mac());
    }
    Ok(api::VerifyMacOutput {
        key_id: Some(key.arn()),
        mac_valid: Some(true),
        mac_algorithm: Some(input.mac_algorithm),
    })
}
