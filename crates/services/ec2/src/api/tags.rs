//! Tags of any resource
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html>).

use crate::filter::Filter;
use crate::kind::{self, Kind};
use crate::model::{Place, Tagged};
use crate::query::{dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::{self, Committed};
use neargate_service::page::{Size, page};
use neargate_service::tags::{self, MAX_KEY_CHARS, MAX_VALUE_CHARS, Tags};
use neargate_service::vpc::{self, SecurityGroup};
use neargate_service::{AwsError, Ctx};
use neargate_store::Compare;
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// `MaxResults` of DescribeTags.
const PAGE: Size = Size {
    least: 5,
    most: 1_000,
    ..Size::ANY
};

pub async fn create_tags(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateTagsInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let new = parse(input.tags, cx.principal.is_service())?;
    if new.is_empty() {
        return Err(error::missing_parameter("TagSet"));
    }
    exist(&cx, &input.resources).await?;
    for id in &input.resources {
        change(&cx, id, |tags| {
            tags::merge(tags, &new).map_err(|_| error::tag_limit_exceeded())
        })
        .await?;
    }
    Ok(Unit)
}

/// Without tags all go; a tag with a value goes only if it has that value. What AWS has set stays,
/// unless AWS itself takes it away.
pub async fn delete_tags(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteTagsInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    exist(&cx, &input.resources).await?;
    for id in &input.resources {
        change(&cx, id, |tags| {
            let stays = |key: &str| tags::is_reserved(key) && !cx.principal.is_service();
            let Some(doomed) = &input.tags else {
                tags.retain(|key, _| stays(key));
                return Ok(());
            };
            tags.retain(|key, value| {
                if stays(key) {
                    return true;
                }
                let hit = |t: &api::Tag| {
                    t.key.as_ref() == Some(key) && t.value.as_ref().is_none_or(|v| v == value)
                };
                !doomed.iter().any(hit)
            });
            Ok(())
        })
        .await?;
    }
    Ok(Unit)
}

pub async fn describe_tags(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeTagsInput,
) -> Result<api::DescribeTagsOutput, AwsError> {
    dry_run(input.dry_run)?;
    let limit = PAGE.check(input.max_results);
    let limit = limit.map_err(|_| error::invalid_max_results(PAGE))?;
    let filters = Filter::parse(input.filters)?;
    if let Some(f) = filters
        .iter()
        .find(|f| values(&api::TagDescription::default(), &f.name).is_none())
    {
        return Err(error::invalid_filter(&f.name));
    }
    let place = Place::read(&cx).await?;
    let all = place.tags.iter().flat_map(|(id, tags)| {
        tags.iter().map(|(key, value)| api::TagDescription {
            key: Some(key.clone()),
            value: Some(value.clone()),
            resource_type: Kind::of(id).map(|k| k.resource_type.to_owned()),
            resource_id: Some(id.clone()),
        })
    });
    let fits = |t: &api::TagDescription| {
        filters
            .iter()
            .all(|f| f.accepts(&values(t, &f.name).unwrap_or_default()))
    };
    // A space cannot occur in an id, and sorts before whatever can.
    let position = |t: &api::TagDescription| {
        format!(
            "{} {}",
            t.resource_id.as_deref().unwrap_or_default(),
            t.key.as_deref().unwrap_or_default()
        )
    };
    let found = page(
        all.filter(fits),
        input.next_token.as_deref(),
        limit,
        position,
    )
    .map_err(|_| error::invalid_next_token())?;
    Ok(api::DescribeTagsOutput {
        tags: Some(found.items),
        next_token: found.next_token,
    })
}

fn values(tag: &api::TagDescription, filter: &str) -> Option<Vec<String>> {
    match filter {
        "key" => one(&tag.key),
        "value" => one(&tag.value),
        "resource-id" => one(&tag.resource_id),
        "resource-type" => one(&tag.resource_type),
        _ => {
            let key = filter.strip_prefix("tag:")?;
            let value = tag.value.iter().filter(|_| tag.key.as_deref() == Some(key));
            Some(value.cloned().collect())
        }
    }
}

/// EC2 allows any character in its tags, unlike other services
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions>).
fn parse(given: Vec<api::Tag>, by_aws: bool) -> Result<Tags, AwsError> {
    let mut parsed = Tags::new();
    for tag in given {
        let key = tag.key.ok_or_else(|| error::missing_parameter("Tag.Key"))?;
        let value = tag.value.unwrap_or_default();
        if tags::is_reserved(&key) && !by_aws {
            return Err(error::reserved_tag_key());
        }
        if !(1..=MAX_KEY_CHARS).contains(&key.chars().count()) {
            return Err(error::tag_key_length());
        }
        if value.chars().count() > MAX_VALUE_CHARS {
            return Err(error::tag_value_length());
        }
        if parsed.contains_key(&key) {
            return Err(error::duplicate_tag_key(&key));
        }
        parsed.insert(key, value);
    }
    Ok(parsed)
}

/// What `TagSpecifications` say of a resource that a call makes.
pub(super) fn specified(
    given: Option<Vec<api::TagSpecification>>,
    kind: &Kind,
) -> Result<Tags, AwsError> {
    specified_by(given, kind, false)
}

/// The same of a call that AWS itself may have made.
pub(super) fn specified_by(
    given: Option<Vec<api::TagSpecification>>,
    kind: &Kind,
    by_aws: bool,
) -> Result<Tags, AwsError> {
    let mut all = Vec::new();
    for specification in given.unwrap_or_default() {
        let resource_type = specification.resource_type.unwrap_or_default();
        if resource_type != kind.resource_type {
            return Err(error::not_taggable(&resource_type));
        }
        let tags = specification.tags.unwrap_or_default();
        if tags.is_empty() {
            return Err(error::no_tags_specified());
        }
        all.extend(tags);
    }
    let tags = parse(all, by_aws)?;
    let own = tags.keys().filter(|key| !tags::is_reserved(key));
    match own.count() > tags::MAX_TAGS {
        true => Err(error::tag_limit_exceeded()),
        false => Ok(tags),
    }
}

/// Refuses ids of what does not exist.
async fn exist(cx: &Ctx, ids: &[String]) -> Result<(), AwsError> {
    if ids.is_empty() {
        return Err(error::missing_parameter("ResourceIdSet"));
    }
    for id in ids {
        record(cx, id).await?;
    }
    Ok(())
}

/// That the record of a resource is as it is now: tags are not left behind by what is deleted in
/// the meantime. The record of a group's rule is its group's.
async fn record(cx: &Ctx, id: &str) -> Result<Compare, AwsError> {
    let kind = Kind::of(id).ok_or_else(|| error::invalid_id(id))?;
    kind.check(id)?;
    vpc::ensure_default(&cx.house, &cx.scope).await?;
    let not_found = || error::not_found(kind, id);
    let key = match kind::stored_as(kind) {
        Some(stored) => format!("{stored}/{}/{}/{id}", cx.scope.account, cx.scope.region),
        None if *kind == kind::SECURITY_GROUP_RULE => {
            let groups = cx.db().list::<SecurityGroup>(&cx.scope).await?;
            let group = groups.into_iter().find(|g| g.rules.contains_key(id));
            group.ok_or_else(not_found)?.key
        }
        None => return Err(not_found()),
    };
    let entry = cx.db().store().get(&key).await?.ok_or_else(not_found)?;
    Ok(Compare::ModRevision(key, entry.mod_revision))
}

/// Changes the tags of one resource until no one else interferes. One without tags has no record.
async fn change(
    cx: &Ctx,
    id: &str,
    change: impl Fn(&mut Tags) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    loop {
        let exists = record(cx, id).await?;
        let read = cx.db().get::<Tagged>(&cx.scope, id).await?;
        let mut new = read.as_ref().map(|r| r.value.clone()).unwrap_or_default();
        change(&mut new.tags)?;
        let tx = cx.db().tx().with(vec![exists], vec![]);
        let tx = match &read {
            Some(read) if read.value == new => return Ok(()),
            Some(read) if new.tags.is_empty() => tx.delete(read),
            Some(read) => tx.update(read, &new),
            None if new.tags.is_empty() => return Ok(()),
            None => tx.create(db::key::<Tagged>(&cx.scope, id), &new),
        };
        if let Committed::At(_) = tx.commit().await? {
            return Ok(());
        }
    }
}
