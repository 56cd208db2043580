//! Which keys there are, and what each can do
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html>).

use crate::error;
use neargate_service::AwsError;

pub(crate) const ENCRYPT_DECRYPT: &str = "ENCRYPT_DECRYPT";
pub(crate) const SIGN_VERIFY: &str = "SIGN_VERIFY";
pub(crate) const GENERATE_VERIFY_MAC: &str = "GENERATE_VERIFY_MAC";
pub(crate) const KEY_AGREEMENT: &str = "KEY_AGREEMENT";

/// The families of key specs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Symmetric,
    /// With the number of bytes of a key.
    Hmac(usize),
    /// With the number of bits.
    Rsa(usize),
    /// The curves of NIST, and Koblitz's.
    Ecc,
    Ed25519,
    /// Keys that Neargate does not make.
    Other,
}

pub(crate) fn family(spec: &str) -> Family {
    match spec {
        "SYMMETRIC_DEFAULT" => Family::Symmetric,
        "HMAC_224" => Family::Hmac(28),
        "HMAC_256" => Family::Hmac(32),
        "HMAC_384" => Family::Hmac(48),
        "HMAC_512" => Family::Hmac(64),
        "RSA_2048" => Family::Rsa(2048),
        "RSA_3072" => Family::Rsa(3072),
        "RSA_4096" => Family::Rsa(4096),
        "ECC_NIST_P256" | "ECC_NIST_P384" | "ECC_NIST_P521" | "ECC_SECG_P256K1" => Family::Ecc,
        "ECC_NIST_EDWARDS25519" => Family::Ed25519,
        _ => Family::Other,
    }
}

/// What a new key of this spec is for.
///
/// # Errors
/// The two do not fit, or none is given where there is a choice.
pub(crate) fn usage(spec: &str, asked: Option<String>) -> Result<String, AwsError> {
    let possible: &[&str] = match family(spec) {
        Family::Symmetric => &[ENCRYPT_DECRYPT],
        Family::Hmac(_) => &[GENERATE_VERIFY_MAC],
        Family::Rsa(_) => &[ENCRYPT_DECRYPT, SIGN_VERIFY],
        Family::Ecc if spec == "ECC_SECG_P256K1" => &[SIGN_VERIFY],
        Family::Ecc => &[SIGN_VERIFY, KEY_AGREEMENT],
        Family::Ed25519 => &[SIGN_VERIFY],
        Family::Other => return Err(error::unsupported(&format!("the key spec {spec}"))),
    };
    match asked {
        None if family(spec) == Family::Symmetric => Ok(ENCRYPT_DECRYPT.into()),
        None => Err(error::validation(
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption \
             keys.",
        )),
        Some(asked) if possible.contains(&asked.as_str()) => Ok(asked),
        Some(asked) => Err(error::validation(format!(
            "KeyUsage {asked} is not compatible with KeySpec {spec}"
        ))),
    }
}

fn owned(all: &[&str]) -> Vec<String> {
    all.iter().map(|&name| name.to_owned()).collect()
}

/// Of a key that encrypts.
pub(crate) fn encryption_algorithms(spec: &str) -> Vec<String> {
    match family(spec) {
        Family::Symmetric => owned(&["SYMMETRIC_DEFAULT"]),
        _ => owned(&["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]),
    }
}

/// Of a key that signs.
pub(crate) fn signing_algorithms(spec: &str) -> Vec<String> {
    match spec {
        "ECC_NIST_P256" | "ECC_SECG_P256K1" => owned(&["ECDSA_SHA_256"]),
        "ECC_NIST_P384" => owned(&["ECDSA_SHA_384"]),
        "ECC_NIST_P521" => owned(&["ECDSA_SHA_512"]),
        "ECC_NIST_EDWARDS25519" => owned(&["ED25519_SHA_512"]),
        _ => owned(&[
            "RSASSA_PKCS1_V1_5_SHA_256",
            "RSASSA_PKCS1_V1_5_SHA_384",
            "RSASSA_PKCS1_V1_5_SHA_512",
            "RSASSA_PSS_SHA_256",
            "RSASSA_PSS_SHA_384",
            "RSASSA_PSS_SHA_512",
        ]),
    }
}

/// `HMAC_SHA_256` of `HMAC_256`.
pub(crate) fn mac_algorithm(spec: &str) -> String {
    spec.replace("HMAC_", "HMAC_SHA_")
}
