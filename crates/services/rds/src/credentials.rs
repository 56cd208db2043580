//! The master user's password: sealed, or in a secret that RDS keeps in Secrets Manager
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html>).

use crate::model::Password;
use crate::plan::definition;
use neargate_api_secretsmanager::{self as secretsmanager, ops};
use neargate_service::sealing;
use neargate_service::{AwsError, Caller, House, Scope, managed};
use serde_json::json;
use std::sync::Arc;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const CHARS: usize = 28;

/// A password by the kernel's randomness, as RDS's are long.
fn random() -> String {
    let mut bytes = [0; CHARS];
    sealing::fill(&mut bytes);
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte & 63)]);
    bytes.iter().map(letter).collect()
}

/// A password that was given, as the record of the instance has it.
pub fn sealed(house: &House, scope: &Scope, identifier: &str, plain: &str) -> Password {
    let family = definition::family(identifier);
    Password::Sealed(managed::seal(house, scope, &family, plain))
}

/// The password of one instance, sealed for another. What cannot be opened stays where it is: in the data.
pub fn sealed_for(
    house: &House,
    scope: &Scope,
    password: &Password,
    from: &str,
    to: &str,
) -> Password {
    let Password::Sealed(text) = password else {
        return Password::InTheData;
    };
    match managed::open(house, scope, &definition::family(from), text) {
        Some(plain) => sealed(house, scope, to, plain.expose()),
        None => Password::InTheData,
    }
}

/// Makes the secret of an instance.
pub async fn manage(
    house: &Arc<House>,
    scope: &Scope,
    (identifier, username): (&str, &str),
    kms_key_id: Option<String>,
) -> Result<Password, AwsError> {
    let text = json!({"username": username, "password": random()}).to_string();
    let arn = scope.arn("rds", format!("db:{identifier}"));
    let input = secretsmanager::CreateSecretInput {
        name: format!("rds!db-{}", house.rng.uuid()),
        description: Some(format!(
            "The secret associated with the primary RDS DB instance: {arn}"
        )),
        client_request_token: Some(house.rng.uuid()),
        kms_key_id: kms_key_id.clone(),
        secret_string: Some(text),
        ..Default::default()
    };
    let role = definition::role(scope);
    let made = Caller::call::<ops::CreateSecret>(house, scope, &role, &input).await?;
    Ok(Password::Managed {
        secret_arn: made.arn.unwrap_or_default(),
        kms_key_id,
    })
}

/// Puts another password into the secret.
pub async fn rotate(
    house: &Arc<House>,
    scope: &Scope,
    secret_arn: &str,
    username: &str,
) -> Result<(), AwsError> {
    let input = secretsmanager::PutSecretValueInput {
        secret_id: secret_arn.to_owned(),
        client_request_token: Some(house.rng.uuid()),
        secret_string: Some(json!({"username": username, "password": random()}).to_string()),
        ..Default::default()
    };
    let role = definition::role(scope);
    Caller::call::<ops::PutSecretValue>(house, scope, &role, &input)
        .await
        .map(drop)
}

/// Deletes the secret at once, as RDS does with its instance. One that somebody deleted is gone.
pub async fn forget(
    house: &Arc<House>,
    scope: &Scope,
    password: &Password,
) -> Result<(), AwsError> {
    let Password::Managed { secret_arn, .. } = password else {
        return Ok(());
    };
    let input = secretsmanager::DeleteSecretInput {
        secret_id: secret_arn.clone(),
        force_delete_without_recovery: Some(true),
        ..Default::default()
    };
    let role = definition::role(scope);
    match Caller::call::<ops::DeleteSecret>(house, scope, &role, &input).await {
        Ok(_) => Ok(()),
        Err(error) if error.is("ResourceNotFoundException") => Ok(()),
        Err(error) => Err(error),
    }
}
