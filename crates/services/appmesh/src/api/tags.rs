//! Tags, which every object has.

use crate::model::{
    At, GatewayRoute, Kind, Mesh, Object, Route, VirtualGateway, VirtualNode, VirtualRouter,
    VirtualService,
};
use crate::{AppMesh, error};
use neargate_api_appmesh as api;
use neargate_base::Arn;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, tags};
use std::sync::Arc;

const PAGE: Size = Size::up_to(50);

/// The tags that a caller sent.
pub fn parse(given: &[api::TagRef]) -> Result<tags::Tags, AwsError> {
    let pairs = given.iter().map(|t| (t.key.clone(), t.value.clone()));
    tags::parse(pairs).map_err(|why| error::invalid_tags(&why))
}

/// The tags of the object that an ARN names, after `change` had its way with them.
async fn of(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut tags::Tags) -> Result<bool, tags::InvalidTags>,
) -> Result<tags::Tags, AwsError> {
    let absent = || error::resource_not_found(arn);
    let parsed: Arn = arn.parse().map_err(|_| absent())?;
    if parsed.service != "appmesh" || !cx.scope.holds(&parsed) {
        return Err(absent());
    }
    let parts: Vec<&str> = parsed.resource.split('/').collect();
    let at = |mesh: &str, parent: Option<&str>, name: &str| At {
        mesh: mesh.to_owned(),
        parent: parent.map(str::to_owned),
        name: name.to_owned(),
    };
    let found = match parts.as_slice() {
        ["mesh", mesh] => of_kind::<Mesh>(cx, &At::mesh(mesh), change).await,
        ["mesh", mesh, kind, name] => {
            let at = at(mesh, None, name);
            match *kind {
                "virtualNode" => of_kind::<VirtualNode>(cx, &at, change).await,
                "virtualRouter" => of_kind::<VirtualRouter>(cx, &at, change).await,
                "virtualService" => of_kind::<VirtualService>(cx, &at, change).await,
                "virtualGateway" => of_kind::<VirtualGateway>(cx, &at, change).await,
                _ => Ok(None),
            }
        }
        ["mesh", mesh, "virtualRouter", router, "route", name] => {
            of_kind::<Route>(cx, &at(mesh, Some(router), name), change).await
        }
        [
            "mesh",
            mesh,
            "virtualGateway",
            gateway,
            "gatewayRoute",
            name,
        ] => of_kind::<GatewayRoute>(cx, &at(mesh, Some(gateway), name), change).await,
        _ => Ok(None),
    };
    found?.ok_or_else(absent)
}

async fn of_kind<K: Kind>(
    cx: &Ctx,
    at: &At,
    change: impl Fn(&mut tags::Tags) -> Result<bool, tags::InvalidTags>,
) -> Result<Option<tags::Tags>, AwsError> {
    let key = at.key::<K>(&cx.scope);
    let changed = cx.db().modify::<Object<K>, _>(&key, |object| {
        change(&mut object.tags).map_err(|why| error::invalid_tags(&why))
    });
    Ok(changed.await?.map(|object| object.value.tags))
}

pub async fn tag_resource(
    _: Arc<AppMesh>,
    cx: Ctx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, AwsError> {
    let given = parse(&input.tags)?;
    of(&cx, &input.resource_arn, |tags| {
        tags::merge(tags, &given).map(|()| true)
    })
    .await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    _: Arc<AppMesh>,
    cx: Ctx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, AwsError> {
    of(&cx, &input.resource_arn, |tags| {
        Ok(tags::remove(tags, &input.tag_keys))
    })
    .await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn list_tags_for_resource(
    _: Arc<AppMesh>,
    cx: Ctx,
    input: api::ListTagsForResourceInput,
) -> Result<api::ListTagsForResourceOutput, AwsError> {
    let found = of(&cx, &input.resource_arn, |_| Ok(false)).await?;
    let token = input.next_token.as_deref();
    let page = page(found, token, PAGE.clamp(input.limit), |(key, _)| {
        key.clone()
    });
    let page = page.map_err(|_| error::bad_request("The nextToken is invalid."))?;
    let tags = page.items.into_iter();
    let tags = tags.map(|(key, value)| api::TagRef { key, value });
    Ok(api::ListTagsForResourceOutput {
        next_token: page.next_token,
        tags: Some(tags.collect()),
    })
}
