//! Secrets of Secrets Manager, read as parameters
//! (<https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html>).

use crate::{error, name};
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
    let source = serde_json::json!({
        "ARN": got.arn,
        "name": got.name,
        "versionId": got.version_id,
        "versionStages": got.version_stages,
        "createdDate": got.created_date.map(|at| at.rfc3339()),
    });
    let binary = || {
        got.secret_binary
            .as_ref()
            .map(|b| String::from_utf8_lossy(b).into_owned())
    };
    Ok(api::Parameter {
        name: Some(full.to_owned()),
        r#type: Some("SecureString".into()),
        value: got.secret_string.clone().or_else(binary),
        version: Some(0),
        selector: selector.map(|selector| format!(":{selector}")),
        source_result: Some(source.to_string()),
        last_modified_date: got.created_date,
        arn: Some(name::arn(&cx.scope, full)),
        data_type: Some("text".into()),
    })
}
