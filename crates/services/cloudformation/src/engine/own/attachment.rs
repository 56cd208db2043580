//! `AWS::SecretsManager::SecretTargetAttachment`: where the database is that a secret opens, written into the
//! secret. Of databases there are instances of RDS here.

use crate::engine::provision::Provider;
use crate::engine::reason::Problem;
use crate::model::Made;
use crate::template::text_of;
use crate::types::expression::at;
use serde_json::{Map, Value, json};

/// The members that it writes.
const MEMBERS: [&str; 5] = ["engine", "host", "port", "dbname", "dbInstanceIdentifier"];

impl Provider<'_> {
    async fn value_of(&self, id: &str) -> Result<Map<String, Value>, Problem> {
        let found = self
            .call("secretsmanager", "GetSecretValue", json!({"SecretId": id}))
            .await;
        let found = found.map_err(|e| self.problem(&e))?;
        let text = at(&found, "SecretString")
            .map(|v| text_of(&v))
            .unwrap_or_default();
        serde_json::from_str(&text).map_err(|_| Problem::new("The secret is no JSON object"))
    }

    async fn put_secret(&self, id: &str, value: Map<String, Value>) -> Result<(), Problem> {
        let input = json!({
            "SecretId": id,
            "SecretString": Value::Object(value).to_string(),
            "ClientRequestToken": self.token,
        });
        let put = self.call("secretsmanager", "PutSecretValue", input).await;
        put.map(drop).map_err(|e| self.problem(&e))
    }

    pub(super) async fn attach(&self, made: &mut Made) -> Result<(), Problem> {
        let real = self.dynamic(made.properties.clone()).await?;
        let get = |name: &str| real.get(name).map(text_of).unwrap_or_default();
        let (secret, target, kind) = (get("SecretId"), get("TargetId"), get("TargetType"));
        if kind != "AWS::RDS::DBInstance" {
            return Err(Problem::new(format!(
                "Neargate cannot attach a secret to {kind} yet"
            )));
        }
        let input = json!({"DBInstanceIdentifier": target});
        let found = self.call("rds", "DescribeDBInstances", input).await;
        let found = found.map_err(|e| self.problem(&e))?;
        let database = at(&found, "DBInstances.0").unwrap_or_default();
        let mut value = self.value_of(&secret).await?;
        let said = [
            ("engine", at(&database, "Engine")),
            ("host", at(&database, "Endpoint.Address")),
            ("port", at(&database, "Endpoint.Port")),
            ("dbname", at(&database, "DBName")),
            ("dbInstanceIdentifier", Some(json!(target))),
        ];
        value.extend(
            said.into_iter()
                .filter_map(|(name, v)| Some((name.to_owned(), v?))),
        );
        self.put_secret(&secret, value).await?;
        made.physical_id = secret;
        Ok(())
    }

    pub(super) async fn detach(&self, made: &Made) -> Result<(), Problem> {
        let mut value = match self.value_of(&made.physical_id).await {
            Err(problem) if problem.is_missing => return Ok(()),
            other => other?,
        };
        value.retain(|name, _| !MEMBERS.contains(&name.as_str()));
        self.put_secret(&made.physical_id, value).await
    }
}
