//! Names of images as `neargate build` takes them: bare ones, and AWS's, are of our own registry.

use crate::client::{Client, ClientError, Code};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_ecr as ecr;
use neargate_base::{AccountId, Region, Secret};
use neargate_domain::RegistryLogin;
use neargate_ecr::{OwnImage, own_image};
use neargate_node::build::Registries;
use neargate_service::{Scope, Settings};

/// Our own registry, asked as whoever builds.
#[derive(Debug)]
pub struct Own {
    client: Client,
    settings: Settings,
}

impl Own {
    /// # Errors
    /// Neargate does not answer.
    pub async fn find(client: Client) -> Result<Own> {
        let input = ecr::DescribeRegistryInput::default();
        let answer = client.call(ecr::ops::DescribeRegistry, &input).await?;
        let account: AccountId = answer.registry_id.unwrap_or_default().parse()?;
        let region: Region = client.region().parse()?;
        let scope = Scope { account, region };
        let settings = Settings::new(client.authority(), scope);
        Ok(Own { client, settings })
    }

    /// Where it is reached: `host:port`.
    pub fn endpoint(&self) -> String {
        self.client.authority().to_owned()
    }

    /// The whole name of an image to be pushed: AWS's form of it.
    pub fn name(&self, tag: &str) -> Result<String> {
        let scope = &self.settings.default_scope;
        let host = format!("{}.dkr.ecr.{}.amazonaws.com", scope.account, scope.region);
        let first = tag.split('/').next().unwrap_or_default();
        let has_host = tag.contains('/') && (first.contains(['.', ':']) || first == "localhost");
        let full = match has_host {
            true => tag.to_owned(),
            false => format!("{host}/{tag}"),
        };
        match own_image(&self.settings, &full) {
            Some(Ok(own)) if own.digest.is_none() => Ok(aws_name(&own)),
            Some(_) => bail!("{tag:?} is no name and tag of an image"),
            None => bail!(
                "{first} is another registry: neargate build pushes to this Neargate's own (skopeo copies from there)"
            ),
        }
    }

    /// The repository of such a name, made if it is not there.
    pub async fn make_repository(&self, name: &str) -> Result<()> {
        let own = own_image(&self.settings, name);
        let own = own
            .and_then(Result::ok)
            .context("no name of an image of ours")?;
        let client = self.client.in_region(own.place.scope.region.as_str());
        let input = ecr::CreateRepositoryInput {
            repository_name: own.place.repository,
            ..Default::default()
        };
        match client.call(ecr::ops::CreateRepository, &input).await {
            Ok(_) => Ok(()),
            Err(error) if error.is(Code::RepositoryAlreadyExists) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn login(&self, region: &str) -> Result<RegistryLogin, ClientError> {
        let input = ecr::GetAuthorizationTokenInput::default();
        let client = self.client.in_region(region);
        let answer = client.call(ecr::ops::GetAuthorizationToken, &input).await?;
        let data = answer.authorization_data.into_iter().flatten().next();
        let token = data
            .and_then(|data| data.authorization_token)
            .unwrap_or_default();
        let pair = STANDARD.decode(token).unwrap_or_default();
        let pair = String::from_utf8(pair).unwrap_or_default();
        let (username, password) = pair.split_once(':').unwrap_or(("AWS", ""));
        Ok(RegistryLogin {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        })
    }
}

fn aws_name(own: &OwnImage) -> String {
    let Scope { account, region } = &own.place.scope;
    let tag = own.tag.as_deref().unwrap_or("latest");
    format!(
        "{account}.dkr.ecr.{region}.amazonaws.com/{}:{tag}",
        own.place.repository
    )
}

#[async_trait]
impl Registries for Own {
    async fn reach(&self, name: &str) -> Result<(String, Option<RegistryLogin>), String> {
        let Some(own) = own_image(&self.settings, name) else {
            return Ok((name.to_owned(), None));
        };
        let own = own.map_err(|_| format!("{name}: invalid reference format"))?;
        let Scope { account, region } = &own.place.scope;
        let login = self
            .login(region.as_str())
            .await
            .map_err(|e| e.to_string())?;
        let mut reached = format!(
            "{}/{account}/{region}/{}",
            self.endpoint(),
            own.place.repository
        );
        if let Some(tag) = &own.tag {
            reached.push_str(&format!(":{tag}"));
        }
        if let Some(digest) = &own.digest {
            reached.push_str(&format!("@{digest}"));
        }
        Ok((reached, Some(login)))
    }
}
