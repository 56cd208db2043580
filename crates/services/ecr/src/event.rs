//! "ECR Image Action" (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html>).

use crate::contents::Contents;
use neargate_blob::Digest;
use neargate_service::Tx;
use neargate_service::events::Event;
use serde_json::json;

const SOURCE: &str = "aws.ecr";
const DETAIL_TYPE: &str = "ECR Image Action";

/// What was done with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Push,
    Delete,
}

/// Tells that it was done, with the tag that it was done by.
pub fn posted(
    tx: Tx,
    contents: &Contents,
    action: Action,
    digest: &Digest,
    tag: Option<&str>,
) -> Tx {
    let house = &contents.house;
    house
        .events
        .post(tx, &contents.scope, SOURCE, DETAIL_TYPE, || {
            let mut detail = json!({
                "result": "SUCCESS",
                "repository-name": contents.name(),
                "image-digest": digest.to_string(),
                "action-type": match action {
                    Action::Push => "PUSH",
                    Action::Delete => "DELETE",
                },
            });
            if let Some(tag) = tag {
                detail["image-tag"] = tag.into();
            }
            Event::new(house, SOURCE, DETAIL_TYPE, Vec::new(), detail)
        })
}
