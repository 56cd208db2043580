//! The variables of a build and where their values come from.

use crate::buildspec::Buildspec;
use crate::model::Build;
use crate::plan::environment::{merged, secret};
use neargate_api_codebuild as api;
use neargate_api_secretsmanager as secretsmanager;
use neargate_api_ssm as ssm;
use neargate_service::{AwsError, Caller, House, Scope};
use std::sync::Arc;

/// Variables, and those values of them that a log may not show.
#[derive(Debug, Default)]
pub struct Variables {
    pub all: Vec<(String, String)>,
    pub secrets: Vec<String>,
    /// The names of those.
    pub secret_names: Vec<String>,
}

/// Why there are none: the code and the sentence of the phase's context, or what may pass.
#[derive(Debug)]
pub enum Unread {
    Never(&'static str, String),
    NotNow(AwsError),
}

/// What the buildspec sets, and over it the project and the start.
pub async fn resolve(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    spec: &Buildspec,
) -> Result<Variables, Unread> {
    let reader = Reader {
        house,
        scope,
        role: build.role(),
    };
    let mut found = Variables::default();
    let mut sets = vec![spec.variables.clone()];
    let mut of_spec = Vec::new();
    for (name, parameter) in &spec.parameters {
        let value = reader.parameter(parameter).await?;
        found.hide(name, &value);
        of_spec.push((name.clone(), value));
    }
    for (name, reference) in &spec.secrets {
        let value = reader.secret(reference).await?;
        found.hide(name, &value);
        of_spec.push((name.clone(), value));
    }
    sets.push(of_spec);
    let mut of_project = Vec::new();
    let environment = build.shown.environment.clone().unwrap_or_default();
    for variable in environment.environment_variables.unwrap_or_default() {
        let api::EnvironmentVariable {
            name,
            value,
            r#type,
        } = variable;
        let value = match r#type.as_deref() {
            Some("PARAMETER_STORE") => {
                let value = reader.parameter(&value).await?;
                found.hide(&name, &value);
                value
            }
            Some("SECRETS_MANAGER") => {
                let value = reader.secret(&value).await?;
                found.hide(&name, &value);
                value
            }
            _ => value,
        };
        of_project.push((name, value));
    }
    sets.push(of_project);
    found.all = merged(sets);
    Ok(found)
}

impl Variables {
    fn hide(&mut self, name: &str, value: &str) {
        self.secrets.push(value.to_owned());
        self.secret_names.push(name.to_owned());
    }
}

struct Reader<'a> {
    house: &'a Arc<House>,
    scope: &'a Scope,
    role: &'a str,
}

impl Reader<'_> {
    async fn parameter(&self, name: &str) -> Result<String, Unread> {
        let input = ssm::GetParameterInput {
            name: name.to_owned(),
            with_decryption: Some(true),
        };
        let got =
            Caller::call::<ssm::ops::GetParameter>(self.house, self.scope, self.role, &input).await;
        let got = got.map_err(|error| match error.status {
            500.. => Unread::NotNow(error),
            _ => Unread::Never(
                "CLIENT_ERROR",
                format!("Parameter store error: {name}: {error}"),
            ),
        })?;
        let parameter = got.parameter.unwrap_or_default();
        Ok(parameter.value.unwrap_or_default())
    }

    async fn secret(&self, reference: &str) -> Result<String, Unread> {
        let never = |why: String| {
            Unread::Never(
                "CLIENT_ERROR",
                format!("Secrets Manager Error Message: {why}"),
            )
        };
        let of = secret(reference);
        let input = secretsmanager::GetSecretValueInput {
            secret_id: of.id,
            version_id: of.version,
            version_stage: of.stage,
        };
        let got = Caller::call::<secretsmanager::ops::GetSecretValue>(
            self.house, self.scope, self.role, &input,
        );
        let got = got.await.map_err(|error| match error.status {
            500.. => Unread::NotNow(error),
            _ => never(format!("{reference}: {error}")),
        })?;
        let text = got.secret_string.unwrap_or_default();
        let Some(key) = of.json_key else {
            return Ok(text);
        };
        let json: serde_json::Value = serde_json::from_str(&text)
            .map_err(|_| never(format!("{reference}: the secret is no JSON")))?;
        match json.get(&key) {
            Some(serde_json::Value::String(value)) => Ok(value.clone()),
            Some(value) => Ok(value.to_string()),
            None => Err(never(format!("{reference}: the secret has no key {key}"))),
        }
    }
}
