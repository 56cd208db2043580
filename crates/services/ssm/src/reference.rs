//! Secrets of Secrets Manager, read as parameters
//! (<https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html>).

use crate::error;
use neargate_api_secretsmanager as secrets;
use neargate_api_ssm as api;
use neargate_service::{AwsError, Caller, Ctx};

/// Where they are.
pub(crate) const PREFIX: &str = "/aws/reference/secretsmanager/";

/// The secret of this name; `selector`: a version's id, or a label.
///
/// # Errors
/// The call does not ask for decryption, or Secrets Manager refuses.
pub(crate) async fn read(
    cx: &Ctx,
    full: &str,
    selector: Option<&str>,
    decrypt: bool,
) -> Result<api::Parameter, AwsError> {
    if !decrypt {
        return Err(error::validation(
            "WithDecryption flag must be True for retrieving a Secret Manager secret.",
        ));
    }
    let secret = full.strip_prefix(PREFIX).unwrap_or(full);
    let ask = |version: Option<&str>, stage: Option<&str>| secrets::GetSecretValueInput {
        secret_id: secret.to_owned(),
        version_id: version.map(str::to_owned),
        version_stage: stage.map(str::to_owned),
    };
    let get = async |input| {
        let role = &cx.principal.arn;
        Caller::call::<secrets::ops::GetSecretValue>(&cx.house, &cx.scope, role, &input).await
    };
    let missing = |e: &AwsError| e.is("ResourceNotFoundException");
    let got = match get(ask(selector, None)).await {
        Err(e) if missing(&e) && selector.is_some() => get(ask(None, selector)).await,
        got => got,
    };
    let got = got.map_err(|e| match missing(&e) {
        true => error::secret_not_found(full),
        false => e,
    })?;
    let binary = got.secret_binary.as_deref().map(String::from_utf8_lossy);
    let value = got.secret_string.or(binary.map(|text| text.into_owned()));
    let source = serde_json::json!({
        "ARN": got.arn,
        "Name": got.name,
        "VersionId": got.version_id,
        "SecretString": value,
        "VersionStages": got.version_stages,
        "CreatedDate": got.created_date.map(|at| at.as_secs_f64()),
    });
    Ok(api::Parameter {
        name: Some(full.to_owned()),
        r#type: Some("SecureString".into()),
        value,
        version: Some(0),
        selector: selector.map(|selector| format!(":{selector}")),
        source_result: Some(source.to_string()),
        last_modified_date: got.created_date,
        arn: got.arn,
        data_type: Some("text".into()),
    })
}
