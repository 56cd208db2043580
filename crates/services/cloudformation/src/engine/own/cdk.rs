//! What the CDK makes with functions of its own, made here without them: buckets and repositories that are emptied
//! before they are deleted. The functions themselves are names only.

use crate::engine::provision::Provider;
use crate::engine::reason::Problem;
use crate::model::Made;
use crate::template::text_of;
use crate::types::expression::at;
use serde_json::{Value, json};

/// Pages of a thousand; more than these nobody waits for in one round.
const ROUNDS: usize = 10_000;

impl Provider<'_> {
    pub(super) fn function(&self, made: &mut Made) {
        let named = made.properties.get("FunctionName").map(text_of);
        made.physical_id = named.unwrap_or_else(|| self.name(64, false, ""));
    }

    pub(super) fn function_attributes(&self, made: &Made) -> Value {
        json!({"Arn": self.scope.arn("lambda", format!("function:{}", made.physical_id))})
    }

    pub(super) fn emptied(&self, made: &mut Made) {
        let of = made
            .properties
            .get("BucketName")
            .or_else(|| made.properties.get("RepositoryName"));
        made.physical_id = of.map(text_of).unwrap_or_default();
    }

    /// Empties it. It is deleted by the resource that it is.
    pub(super) async fn empty(&self, made: &Made) -> Result<(), Problem> {
        let emptied = match made.kind.as_str() {
            "Custom::S3AutoDeleteObjects" => self.empty_bucket(&made.physical_id).await,
            _ => self.empty_repository(&made.physical_id).await,
        };
        match emptied {
            Err(problem) if !problem.is_missing => Err(problem),
            _ => Ok(()),
        }
    }

    async fn empty_bucket(&self, bucket: &str) -> Result<(), Problem> {
        // As the CDK's function has it: a bucket that lost its tag in an update is kept as it is.
        let tags = self
            .call("s3", "GetBucketTagging", json!({"Bucket": bucket}))
            .await;
        let tags = tags.map_err(|e| self.problem(&e))?;
        let tags = at(&tags, "TagSet").unwrap_or_default();
        let is_asked = tags
            .as_array()
            .into_iter()
            .flatten()
            .any(|tag| tag["Key"] == "aws-cdk:auto-delete-objects" && tag["Value"] == "true");
        if !is_asked {
            return Ok(());
        }
        for _ in 0..ROUNDS {
            let found = self
                .call("s3", "ListObjectVersions", json!({"Bucket": bucket}))
                .await;
            let found = found.map_err(|e| self.problem(&e))?;
            let all: Vec<Value> = ["Versions", "DeleteMarkers"]
                .iter()
                .filter_map(|list| found.get(list)?.as_array())
                .flatten()
                .map(
                    |object| match object.get("VersionId").filter(|v| !v.is_null()) {
                        Some(version) => json!({"Key": object["Key"], "VersionId": version}),
                        None => json!({"Key": object["Key"]}),
                    },
                )
                .collect();
            if all.is_empty() {
                return Ok(());
            }
            let input = json!({"Bucket": bucket, "Delete": {"Objects": all, "Quiet": true}});
            self.call("s3", "DeleteObjects", input)
                .await
                .map_err(|e| self.problem(&e))?;
        }
        Err(Problem::internal("the bucket does not get empty"))
    }

    async fn empty_repository(&self, repository: &str) -> Result<(), Problem> {
        for _ in 0..ROUNDS {
            let input = json!({"repositoryName": repository, "maxResults": 100});
            let found = self.call("ecr", "ListImages", input).await;
            let found = found.map_err(|e| self.problem(&e))?;
            let all = at(&found, "imageIds").unwrap_or_default();
            if all.as_array().is_none_or(Vec::is_empty) {
                return Ok(());
            }
            let input = json!({"repositoryName": repository, "imageIds": all});
            self.call("ecr", "BatchDeleteImage", input)
                .await
                .map_err(|e| self.problem(&e))?;
        }
        Err(Problem::internal("the repository does not get empty"))
    }
}
