//! What a task's containers are given as secrets: read when the task starts, as its execution role, by
//! calls of Secrets Manager, of the parameter store, and of S3, for files of variables. Nothing of it
//! is stored.

use crate::plan::environment_files as files;
use crate::plan::secrets::{self, SecretPart, Source};
use neargate_api_s3 as s3;
use neargate_api_secretsmanager as secretsmanager;
use neargate_api_ssm as ssm;
use neargate_base::{Region, Secret};
use neargate_domain::{Assignment, ContainerSecrets, ContainerSpec, SecretVariable, TaskSecrets};
use neargate_service::{AwsError, Caller, Fault, House, Scope, managed};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// As many names as `GetParameters` takes.
const NAMES: usize = 10;

/// A log router's configuration is text that somebody has written.
const MAX_ROUTER_CONFIG_BYTES: usize = 1 << 20;

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
    let named = task.containers.iter().flat_map(named);
    for (_, value_from) in named.filter(|(_, from)| !managed::is_sealed(from)) {
        let source = Source::parse(value_from, &task.account, &task.region);
        let source = source.map_err(|why| Unread::Missing(secrets::of_secret(&why)))?;
        sources.insert(value_from, source);
    }
    let parameters = reader.parameters(sources.values()).await?;
    let mut texts = BTreeMap::new();
    let mut read = BTreeMap::new();
    let mut all = TaskSecrets::default();
    for container in &task.containers {
        let mut own = ContainerSecrets::default();
        for (name, value_from) in &container.secrets {
            if managed::is_sealed(value_from) {
                own.environment
                    .push(variable(name, reader.sealed(value_from)?));
                continue;
            }
            let value = reader.value(&sources[value_from.as_str()], &parameters, &mut texts);
            own.environment.push(variable(name, value.await?));
        }
        for (name, value_from) in &container.log_secrets {
            let Some(source) = sources.get(value_from.as_str()) else {
                let why = secrets::of_secret("a log option cannot be sealed");
                return Err(Unread::Missing(why));
            };
            let value = reader.value(source, &parameters, &mut texts);
            own.log_options.push(variable(name, value.await?));
        }
        if let Some(arn) = router_config(container) {
            own.router_config = Some(reader.object(arn).await?);
        }
        let mut given: BTreeSet<&str> = container.environment.keys().map(String::as_str).collect();
        given.extend(container.secrets.iter().map(|(name, _)| name.as_str()));
        let mut of_files = BTreeMap::new();
        for file in &container.environment_files {
            for (name, value) in reader.file(file, &mut read).await? {
                if !given.contains(name.as_str()) {
                    of_files.entry(name).or_insert(value);
                }
            }
        }
        let of_files = of_files.into_iter().map(|(name, value)| SecretVariable {
            name,
            value: Secret::new(value),
        });
        own.environment.extend(of_files);
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

type Variables = Vec<(String, String)>;
/// Variables of files that were read, by their ARNs.
type Files = BTreeMap<String, Variables>;
/// The texts of secrets that were read, whole.
type Texts = BTreeMap<SecretPart, Secret<String>>;
/// The values of parameters, by region and by name or ARN.
type Parameters = BTreeMap<(Region, String), Secret<String>>;

/// What a container's variables and log options are read from.
fn named(container: &ContainerSpec) -> impl Iterator<Item = &(String, String)> {
    container.secrets.iter().chain(&container.log_secrets)
}

fn variable(name: &str, value: Secret<String>) -> SecretVariable {
    let name = name.to_owned();
    SecretVariable { name, value }
}

/// The object that a log router's configuration includes
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/firelens-taskdef-customconfig.html>).
fn router_config(container: &ContainerSpec) -> Option<&str> {
    let options = &container.firelens.as_ref()?.options;
    let is_s3 = options.get("config-file-type").map(String::as_str) == Some("s3");
    let arn = options.get("config-file-value").filter(|_| is_s3)?;
    Some(arn)
}

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
    ) -> Result<Parameters, Unread> {
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

    /// What a service sealed for a task of its own.
    fn sealed(&self, value_from: &str) -> Result<Secret<String>, Unread> {
        let scope = self.scope(&self.task.region);
        let opened = managed::open(self.house, &scope, &self.task.family, value_from);
        opened.ok_or_else(|| Unread::Missing(secrets::of_secret("it was sealed for another task")))
    }

    /// What of the source is wanted.
    async fn value(
        &self,
        source: &Source,
        parameters: &Parameters,
        texts: &mut Texts,
    ) -> Result<Secret<String>, Unread> {
        match source {
            Source::Parameter { region, name } => {
                Ok(parameters[&(region.clone(), name.clone())].clone())
            }
            Source::Secret(part) => {
                let text = self.secret(part, texts).await?;
                let value = secrets::part(text.expose(), part.json_key.as_deref());
                let value = value.map_err(|why| Unread::Missing(secrets::of_secret(&why)))?;
                Ok(Secret::new(value))
            }
        }
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

    /// The variables of a file in S3, which is asked for once. Where its bucket is, is asked too, as
    /// AWS does: a role that may not is refused (`s3:GetBucketLocation`).
    async fn file(&self, value: &str, read: &mut Files) -> Result<Variables, Unread> {
        if let Some(known) = read.get(value) {
            return Ok(known.clone());
        }
        let on = self.task.launch_type;
        let unread = |why: &str| Unread::Missing(files::unread(on, value, why));
        let failed = |error| missing(error, |e| files::unread(on, value, &e.to_string()));
        let (bucket, key) = files::location(value).ok_or_else(|| unread("invalid ARN"))?;
        if self.role.is_empty() {
            return Err(unread("unable to find execution role credentials"));
        }
        let (house, scope) = (self.house, self.scope(&self.task.region));
        let input = s3::GetBucketLocationInput {
            bucket: bucket.clone(),
            ..Default::default()
        };
        let call = Caller::call::<s3::ops::GetBucketLocation>(house, &scope, self.role, &input);
        call.await.map_err(failed)?;
        let input = s3::HeadObjectInput {
            bucket: bucket.clone(),
            key: key.clone(),
            ..Default::default()
        };
        let call = Caller::call::<s3::ops::HeadObject>(house, &scope, self.role, &input);
        let head = call.await.map_err(failed)?;
        if head.content_length.and_then(|n| u64::try_from(n).ok()) > Some(files::MAX_BYTES) {
            let why = format!("the file is larger than {} bytes", files::MAX_BYTES);
            return Err(unread(&why));
        }
        let input = s3::GetObjectInput {
            bucket,
            key,
            if_match: head.e_tag,
            ..Default::default()
        };
        let call = Caller::call::<s3::ops::GetObject>(house, &scope, self.role, &input);
        let body = call.await.map_err(failed)?.body.unwrap_or_default();
        let text = std::str::from_utf8(&body).map_err(|_| unread("the file is not UTF-8"))?;
        let variables = files::variables(text, on);
        read.insert(value.to_owned(), variables.clone());
        Ok(variables)
    }

    /// The text of an object. The words are the ECS agent's.
    async fn object(&self, arn: &str) -> Result<String, Unread> {
        let missing_object = |why: &str| {
            Unread::Missing(format!("unable to download firelens s3 config file: {why}"))
        };
        let named = arn
            .split_once(":s3:::")
            .and_then(|(_, o)| o.split_once('/'));
        let Some((bucket, key)) = named else {
            return Err(missing_object(&format!(
                "unable to parse bucket and key from s3 arn: {arn}"
            )));
        };
        if self.role.is_empty() {
            return Err(missing_object("unable to get execution role credentials"));
        }
        let why = |error: &dyn std::fmt::Display| {
            format!("unable to download s3 config {key} from bucket {bucket}: {error}")
        };
        let input = s3::GetObjectInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            ..Default::default()
        };
        let scope = self.scope(&self.task.region);
        let call = Caller::call::<s3::ops::GetObject>(self.house, &scope, self.role, &input);
        let output = call.await.map_err(|error| match error.fault {
            Fault::Client => missing_object(&why(&error)),
            Fault::Server => Unread::Failed(error),
        })?;
        let body = output.body.unwrap_or_default();
        if body.len() > MAX_ROUTER_CONFIG_BYTES {
            return Err(missing_object(&why(&"it is larger than 1 MiB")));
        }
        match std::str::from_utf8(&body) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(missing_object(&why(&"it is no text"))),
        }
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
