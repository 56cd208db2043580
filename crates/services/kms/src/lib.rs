//! AWS KMS: keys whose material never leaves this installation unsealed, and what they encrypt,
//! sign and vouch for.
//!
//! Material is sealed under the installation's root key (`neargate_service::sealing`). Whoever
//! stores a secret for a caller asks KMS for a data key, as AWS's services do.

mod api;
mod asymmetric;
mod error;
mod granted;
mod keys;
mod model;
mod plan;
mod policy;
mod schedule;
mod spec;
mod symmetric;
#[cfg(test)]
mod tests;

use neargate_api_kms::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// KMS's handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct Kms;

impl Component for Kms {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.spawn("kms-schedule", schedule::run(house));
    }
}

const KEYS: &str = "multi-Region keys, custom key stores, SM2 and ML-DSA are refused";
const GRANTS: &str = "a grant holds at once, so that its token has nothing to add; whether its principals exist is not looked for";
const IMPORTS: &str = "into symmetric keys, one material each, wrapped by RSAES_OAEP";
const SIGNATURES: &str = "ED25519_PH_SHA_512 is refused, as are the keys that are not made";
const ENCLAVES: &str = "a Recipient (Nitro Enclaves) is refused";

/// Which operations are served, and how completely.
fn table(kms: Arc<Kms>) -> OperationTable<Kms> {
    use api::{
        aliases, crypto, data_key_pairs, data_keys, grants, import, keys, macs, policies, rotation,
        sign, tags,
    };
    OperationTable::new(&SERVICE, kms)
        .admitting(crypto::admit)
        .granting(granted::granted)
        .on(ops::CancelKeyDeletion, keys::cancel_key_deletion)
        .on(ops::CreateAlias, aliases::create_alias)
        .partly(ops::CreateGrant, grants::create_grant, GRANTS)
        .partly(ops::CreateKey, keys::create_key, KEYS)
        .partly(ops::Decrypt, crypto::decrypt, ENCLAVES)
        .on(ops::DeleteAlias, aliases::delete_alias)
        .on(
            ops::DeleteImportedKeyMaterial,
            import::delete_imported_key_material,
        )
        .partly(
            ops::DeriveSharedSecret,
            sign::derive_shared_secret,
            ENCLAVES,
        )
        .on(ops::DescribeKey, keys::describe_key)
        .on(ops::DisableKey, keys::disable_key)
        .on(ops::DisableKeyRotation, rotation::disable_key_rotation)
        .on(ops::EnableKey, keys::enable_key)
        .on(ops::EnableKeyRotation, rotation::enable_key_rotation)
        .on(ops::Encrypt, crypto::encrypt)
        .partly(ops::GenerateDataKey, data_keys::generate_data_key, ENCLAVES)
        .partly(
            ops::GenerateDataKeyPair,
            data_key_pairs::generate_data_key_pair,
            ENCLAVES,
        )
        .on(
            ops::GenerateDataKeyPairWithoutPlaintext,
            data_key_pairs::generate_data_key_pair_without_plaintext,
        )
        .on(
            ops::GenerateDataKeyWithoutPlaintext,
            data_keys::generate_data_key_without_plaintext,
        )
        .on(ops::GenerateMac, macs::generate_mac)
        .partly(ops::GenerateRandom, data_keys::generate_random, ENCLAVES)
        .on(ops::GetKeyPolicy, policies::get_key_policy)
        .on(ops::GetKeyRotationStatus, rotation::get_key_rotation_status)
        .partly(
            ops::GetParametersForImport,
            import::get_parameters_for_import,
            IMPORTS,
        )
        .on(ops::GetPublicKey, sign::get_public_key)
        .partly(ops::ImportKeyMaterial, import::import_key_material, IMPORTS)
        .on(ops::ListAliases, aliases::list_aliases)
        .on(ops::ListGrants, grants::list_grants)
        .on(ops::ListKeyPolicies, policies::list_key_policies)
        .on(ops::ListKeyRotations, rotation::list_key_rotations)
        .on(ops::ListKeys, keys::list_keys)
        .on(ops::ListResourceTags, tags::list_resource_tags)
        .on(ops::ListRetirableGrants, grants::list_retirable_grants)
        .on(ops::PutKeyPolicy, policies::put_key_policy)
        .on(ops::ReEncrypt, crypto::re_encrypt)
        .on(ops::RetireGrant, grants::retire_grant)
        .on(ops::RevokeGrant, grants::revoke_grant)
        .on(ops::RotateKeyOnDemand, rotation::rotate_key_on_demand)
        .on(ops::ScheduleKeyDeletion, keys::schedule_key_deletion)
        .partly(ops::Sign, sign::sign, SIGNATURES)
        .on(ops::TagResource, tags::tag_resource)
        .on(ops::UntagResource, tags::untag_resource)
        .on(ops::UpdateAlias, aliases::update_alias)
        .on(ops::UpdateKeyDescription, keys::update_key_description)
        .partly(ops::Verify, sign::verify, SIGNATURES)
        .on(ops::VerifyMac, macs::verify_mac)
}
