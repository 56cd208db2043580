//! People of an account, made by its operator: users of IAM, by IAM's own operations.

use crate::error::refused;
use crate::operator::Keys;
use neargate_base::AccountId;
use neargate_service::{AwsError, Ctx, House, Principal, Scope};
use neargate_wire::json::{self, Form};
use serde_json::{Value, json};
use std::sync::Arc;

const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// Makes a user with a key, which may do everything if `admin`, and nothing else yet otherwise.
pub(crate) async fn create_user(
    house: &Arc<House>,
    account: AccountId,
    name: &str,
    admin: bool,
) -> Result<Keys, AwsError> {
    let of = |scope: &Scope| Ctx {
        request_id: house.rng.uuid(),
        scope: scope.clone(),
        principal: Principal::root(&scope.account, ""),
        reached_at: None,
        house: house.clone(),
    };
    let scope = house.settings.default_scope.of_account(account.clone());
    let user = call(&of(&scope), "CreateUser", json!({ "UserName": name })).await?;
    if admin {
        let input = json!({ "UserName": name, "PolicyArn": ADMINISTRATOR });
        call(&of(&scope), "AttachUserPolicy", input).await?;
    }
    let key = call(&of(&scope), "CreateAccessKey", json!({ "UserName": name })).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    Ok(Keys {
        arn: text(&user["User"]["Arn"]),
        account,
        access_key: text(&key["AccessKey"]["AccessKeyId"]),
        secret_key: text(&key["AccessKey"]["SecretAccessKey"]),
    })
}

/// An operation of IAM. This crate knows no service's shapes but through their tables.
async fn call(cx: &Ctx, name: &str, input: Value) -> Result<Value, AwsError> {
    let not_built = || AwsError::not_implemented("iam", name);
    let iam = cx.house.caller.service("iam").ok_or_else(not_built)?;
    let operations = iam.schema().operations;
    let operation = operations.iter().find(|o| o.name == name);
    let operation = operation.ok_or_else(not_built)?;
    let (Some(shape), bytes) = (operation.input, input.to_string()) else {
        return Err(not_built());
    };
    let input = json::parse(shape.get(), bytes.as_bytes(), Form::WIRE);
    let input = input.map_err(|e| refused(e.to_string()))?;
    neargate_wire::validate::validate(&shape, &input).map_err(|why| iam.invalid(&why))?;
    let output = iam.call(cx.clone(), operation, input).await?;
    Ok(match operation.output {
        Some(shape) => json::write(shape.get(), &output, Form::WIRE),
        None => Value::Null,
    })
}
