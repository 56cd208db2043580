//! Key pairs.

use super::invalid_parameter;
use neargate_service::AwsError;

pub fn not_found(name: &str) -> AwsError {
    AwsError::client(
        "InvalidKeyPair.NotFound",
        format!("The key pair '{name}' does not exist"),
    )
}

pub fn duplicate() -> AwsError {
    AwsError::client("InvalidKeyPair.Duplicate", "The keypair already exists")
}

pub fn format() -> AwsError {
    AwsError::client(
        "InvalidKey.Format",
        "Key is not in valid OpenSSH public key format",
    )
}

pub fn name(name: &str) -> AwsError {
    invalid_parameter(format!(
        "Value ({name}) for parameter KeyName is invalid. Key names are up to 255 ASCII characters without leading or trailing spaces."
    ))
}

/// Keys that Neargate cannot make yet can be imported.
pub fn not_made(what: &str) -> AwsError {
    AwsError::client(
        "UnsupportedOperation",
        format!(
            "Neargate does not make key pairs with {what} yet. Use KeyType ed25519 and KeyFormat pem, or ImportKeyPair."
        ),
    )
}
