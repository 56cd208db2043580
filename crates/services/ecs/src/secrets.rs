//! What a task's containers are given as secrets: read when the task starts, as its execution role, by
//! calls of Secrets Manager and of the parameter store. Nothing of it is stored.

use crate::plan::secrets::{self, SecretPart, Source};
use neargate_api_secretsmanager as secretsmanager;
use neargate_api_ssm as ssm;
use neargate_base::{Region, Secret};
use neargate_domain::{Assignment, ContainerSecrets, SecretVariable, TaskSecrets};
use neargate_service::{AwsError, Caller, Fault, House, Scope};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// As many names as `GetParameters` takes.
const NAMES: usize = 10;

/// Why they are not read.
#[derive(Debug)]
pub enum Unread {
    /// The text after `ResourceInitializationError: `.
    Missing(String),
    /// It may come about later.
    Failed(AwsError),
}

/// All secrets of the task.
///
/// # Errors
/// The first that cannot be had.
pub async fn read(house: &Arc<House>, task: &Assignment) -> Result<TaskSecrets, Unread> {
    let reader = Reader {
        house,
        task,
        role: task.execution_role_arn.as_deref().unwrap_or_default(),
    };
    let mut sources: BTreeMap<&str, Source> = BTreeMap::new();
    for (_, value_from) in task.containers.iter().flat_map(|c| &c.secrets) {
        let source = Source::parse(value_from, &task.account, &task.region);
        let source = source.map_err(|why| Unread::Missing(secrets::of_secret(&why)))?;
        sources.insert(value_from, source);
    }
    let parameters = reader.parameters(sources.values()).await?;
    let mut texts = BTreeMap::new();
    let mut all = TaskSecrets::default();
    for container in &task.containers {
        let mut own = ContainerSecrets::default();
        for (name, value_from) in &container.secrets {
            let value = match &sources[value_from.as_str()] {
                Source::Parameter { region, name } => {
                    parameters[&(region.clone(), name.clone())].clone()
                }
                Source::Secret(part) => {
                    let text = reader.secret(part, &mut texts).await?;
                    let value = secrets::part(text.expose(), part.json_key.as_deref());
                    let value = value.map_err(|why| Unread::Missing(secrets::of_secret(&why)))?;
                    Secret::new(value)
                }
            };
            let name = name.clone();
            own.environment.push(SecretVariable { name, value });
        }
        if let Some(of) = &container.repository_credentials {
            let part = reader.login_part(of)?;
            let text = reader.secret(&part, &mut texts).await?;
            let login = secrets::login(text.expose());
            own.registry = Some(login.map_err(|why| Unread::Missing(secrets::of_secret(&why)))?);
        }
        if own != ContainerSecrets::default() {
            all.0.insert(container.name.clone(), own);
        }
    }
    Ok(all)
}

/// The texts of secrets that were read, whole.
type Texts = BTreeMap<SecretPart, Secret<String>>;

struct Reader<'a> {
    house: &'a Arc<House>,
    task: &'a Assignment,
    role: &'a str,
}

impl Reader<'_> {
    fn scope(&self, region: &Region) -> Scope {
        Scope {
            account: self.task.account.clone(),
            region: region.clone(),
        }
    }

    async fn parameters(
        &self,
        sources: impl Iterator<Item = &Source>,
    ) -> Result<BTreeMap<(Region, String), Secret<String>>, Unread> {
        let mut wanted: BTreeMap<&Region, BTreeSet<&String>> = BTreeMap::new();
        for source in sources {
            if let Source::Parameter { region, name } = source {
                wanted.entry(region).or_default().insert(name);
            }
        }
        let mut found = BTreeMap::new();
        for (region, names) in wanted {
            let names: Vec<String> = names.into_iter().cloned().collect();
            for names in names.chunks(NAMES) {
                let input = ssm::GetParametersInput {
                    names: names.to_vec(),
                    with_decryption: Some(true),
                };
                let scope = self.scope(region);
                let call =
                    Caller::call::<ssm::ops::GetParameters>(self.house, &scope, self.role, &input);
                let output = call.await.map_err(|error| {
                    missing(error, |error| secrets::of_parameters(&error.to_string()))
                })?;
                for parameter in output.parameters.into_iter().flatten() {
                    let value = Secret::new(parameter.value.unwrap_or_default());
                    for known_by in [parameter.name, parameter.arn].into_iter().flatten() {
                        found.insert((region.clone(), known_by), value.clone());
                    }
                }
                let has = |name: &&String| found.contains_key(&(region.clone(), (*name).clone()));
                let lacking: Vec<String> = names.iter().filter(|n| !has(n)).cloned().collect();
                if !lacking.is_empty() {
                    return Err(Unread::Missing(secrets::invalid_parameters(&lacking)));
                }
            }
        }
        Ok(found)
    }

    /// Its text, asked for once.
    async fn secret(&self, part: &SecretPart, texts: &mut Texts) -> Result<Secret<String>, Unread> {
        let whole = SecretPart {
            json_key: None,
            ..part.clone()
        };
        if let Some(known) = texts.get(&whole) {
            return Ok(known.clone());
        }
        let input = secretsmanager::GetSecretValueInput {
            secret_id: part.arn.clone(),
            version_id: part.version_id.clone(),
            version_stage: part.version_stage.clone(),
        };
        let scope = self.scope(&part.region);
        let call = Caller::call::<secretsmanager::ops::GetSecretValue>(
            self.house, &scope, self.role, &input,
        );
        let output = call.await.map_err(|error| {
            missing(error, |error| {
                secrets::of_secrets_manager(&part.arn, &error.to_string())
            })
        })?;
        let text = Secret::new(output.secret_string.unwrap_or_default());
        texts.insert(whole, text.clone());
        Ok(text)
    }

    /// A registry's secret is named by its ARN or, unlike others, by its name.
    fn login_part(&self, of: &str) -> Result<SecretPart, Unread> {
        let source = Source::parse(of, &self.task.account, &self.task.region);
        match source.map_err(|why| Unread::Missing(secrets::of_secret(&why)))? {
            Source::Secret(part) => Ok(part),
            Source::Parameter { region, name } => Ok(SecretPart {
                region,
                arn: name,
                json_key: None,
                version_stage: None,
                version_id: None,
            }),
        }
    }
}

/// A refusal ends the task, anything else may pass.
fn missing(error: AwsError, words: impl FnOnce(&AwsError) -> String) -> Unread {
    match error.fault {
        Fault::Client => Unread::Missing(words(&error)),
        Fault::Server => Unread::Failed(error),
    }
}
