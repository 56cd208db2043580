//! App Mesh's handlers. What all kinds of objects have in common is here: each is made, changed, described,
//! listed and deleted in the same way, and [`resource`] makes its five handlers out of these functions.

pub mod mesh;
pub mod resource;
pub mod tags;

use crate::error;
use crate::model::{At, Changes, Kind, Mesh, Object, Token};
use crate::plan::dependency::Needed;
use crate::plan::spec::Checked;
use crate::plan::world::{Objects, World};
use neargate_api_appmesh as api;
use neargate_service::db::settle;
use neargate_service::page::{Paged, Size, page};
use neargate_service::{AwsError, Ctx, Db, Scope, Stored, db, idempotency};
use neargate_wire::json::Json;
use neargate_wire::structure::Structure;

pub const ACTIVE: &str = "ACTIVE";
pub const DELETED: &str = "DELETED";
const PAGE: Size = Size::up_to(100);
const MESHES: usize = 150;

/// What a call asks an object to be.
#[derive(Debug)]
pub struct Asked<K: Kind> {
    pub at: At,
    pub owner: Option<String>,
    pub token: Option<Token>,
    pub tags: Vec<api::TagRef>,
    pub spec: K::Spec,
}

/// The token of a request, with the digest of all else that the request says.
pub fn token<T: Structure>(
    client_token: &mut Option<String>,
    request: impl FnOnce(Option<String>) -> T,
) -> Option<Token> {
    let client_token = client_token.take().filter(|token| !token.is_empty())?;
    let digest = idempotency::digest(&request(None));
    Some(Token {
        client_token,
        digest,
    })
}

/// Meshes are of the account that calls.
pub fn own(cx: &Ctx, owner: Option<&str>) -> Result<(), AwsError> {
    match owner {
        Some(owner) if owner != cx.scope.account.as_str() => Err(error::shared_mesh(owner)),
        _ => Ok(()),
    }
}

/// Names become parts of ARNs and of keys.
fn checked_name(noun: &str, name: &str) -> Result<(), AwsError> {
    let is_good = |c: char| c.is_alphanumeric() || "-_.:*".contains(c);
    match name.chars().all(is_good) && !matches!(name, "." | "..") {
        true => Ok(()),
        false => Err(error::bad_request(format!(
            "{noun} name {name} is invalid: names have letters, digits, hyphens, underscores and periods"
        ))),
    }
}

/// The mesh, and the record that is written with each change in it.
async fn mesh(cx: &Ctx, name: &str) -> Result<(Object<Mesh>, Stored<Changes>), AwsError> {
    // The changes first: whatever is read behind them, and is not as it was then, fails the transaction.
    let changes = cx.db().get::<Changes>(&cx.scope, name).await?;
    let mesh = cx.db().get::<Object<Mesh>>(&cx.scope, name).await?;
    match (changes, mesh) {
        (Some(changes), Some(mesh)) => Ok((mesh.value, changes)),
        _ => Err(error::mesh_not_found(name, cx.scope.account.as_str())),
    }
}

async fn objects<K: Kind>(db: &Db, scope: &Scope, mesh: &str) -> Result<Objects<K>, AwsError> {
    let prefix = db::key::<Object<K>>(scope, &format!("{mesh}/"));
    let all = db.list_prefix::<Object<K>>(&prefix).await?;
    let by_id = |stored: Stored<Object<K>>| {
        let id = stored.key.get(prefix.len()..).unwrap_or_default();
        (id.to_owned(), stored.value)
    };
    Ok(all.into_iter().map(by_id).collect())
}

/// Everything in a mesh.
pub async fn world(db: &Db, scope: &Scope, mesh: Object<Mesh>) -> Result<World, AwsError> {
    let name = mesh.name.clone();
    Ok(World {
        nodes: objects(db, scope, &name).await?,
        routers: objects(db, scope, &name).await?,
        routes: objects(db, scope, &name).await?,
        services: objects(db, scope, &name).await?,
        gateways: objects(db, scope, &name).await?,
        gateway_routes: objects(db, scope, &name).await?,
        mesh,
    })
}

fn one_more(changes: &Stored<Changes>) -> Changes {
    Changes {
        count: changes.count + 1,
    }
}

fn made<K: Kind>(cx: &Ctx, asked: &Asked<K>) -> Result<Object<K>, AwsError> {
    Ok(Object {
        mesh: asked.at.mesh.clone(),
        parent: asked.at.parent.clone(),
        name: asked.at.name.clone(),
        uid: cx.house.rng.uuid(),
        version: 1,
        created_at: cx.now(),
        updated_at: cx.now(),
        spec: Json(asked.spec.clone()),
        tags: tags::parse(&asked.tags)?,
        token: asked.token.clone(),
    })
}

/// What a call that comes again is told.
fn again<K: Kind>(there: &Object<K>, token: Option<&Token>) -> Option<Result<Object<K>, AwsError>> {
    let (was, is) = (there.token.as_ref()?, token?);
    if was.client_token != is.client_token {
        return None;
    }
    Some(match was.digest == is.digest {
        true => Ok(there.clone()),
        false => Err(error::token_of_another()),
    })
}

pub async fn create_mesh(cx: &Ctx, asked: Asked<Mesh>) -> Result<Object<Mesh>, AwsError> {
    checked_name(Mesh::NOUN, &asked.at.name)?;
    let new = made(cx, &asked)?;
    let key = asked.at.key::<Mesh>(&cx.scope);
    settle(|| async {
        if let Some(there) = cx.db().get_key::<Object<Mesh>>(&key).await? {
            let told = again(&there.value, asked.token.as_ref());
            let told = told.unwrap_or_else(|| Err(error::exists(Mesh::NOUN, &asked.at.name)))?;
            return Ok((cx.db().tx(), told));
        }
        if cx.db().list::<Object<Mesh>>(&cx.scope).await?.len() >= MESHES {
            return Err(error::limit("meshes per account", MESHES));
        }
        let changes = db::key::<Changes>(&cx.scope, &asked.at.name);
        let tx = cx.db().tx().create(key.clone(), &new);
        Ok((tx.create(changes, &Changes { count: 1 }), new.clone()))
    })
    .await
}

pub async fn create<K: Checked>(cx: &Ctx, asked: Asked<K>) -> Result<Object<K>, AwsError> {
    own(cx, asked.owner.as_deref())?;
    checked_name(K::NOUN, &asked.at.name)?;
    K::checked(&asked.spec)?;
    let new = made(cx, &asked)?;
    let key = asked.at.key::<K>(&cx.scope);
    settle(|| async {
        let (mesh, changes) = mesh(cx, &asked.at.mesh).await?;
        if let Some(there) = cx.db().get_key::<Object<K>>(&key).await? {
            let told = again(&there.value, asked.token.as_ref());
            let told = told.unwrap_or_else(|| Err(error::exists(K::NOUN, &asked.at.name)))?;
            return Ok((cx.db().tx(), told));
        }
        let world = world(cx.db(), &cx.scope, mesh).await?;
        K::has_room(&world, &asked.at, cx.scope.account.as_str())?;
        K::fits(&world, &asked.at, &asked.spec)?;
        let tx = cx.db().tx().create(key.clone(), &new);
        Ok((tx.update(&changes, &one_more(&changes)), new.clone()))
    })
    .await
}

pub async fn update<K: Checked>(cx: &Ctx, asked: Asked<K>) -> Result<Object<K>, AwsError> {
    own(cx, asked.owner.as_deref())?;
    K::checked(&asked.spec)?;
    settle(|| async {
        let (mesh, changes) = mesh(cx, &asked.at.mesh).await?;
        let there = object::<K>(cx, &asked.at).await?;
        if let Some(told) = again(&there.value, asked.token.as_ref()) {
            return Ok((cx.db().tx(), told?));
        }
        let world = world(cx.db(), &cx.scope, mesh).await?;
        K::fits(&world, &asked.at, &asked.spec)?;
        let new = Object {
            version: there.version + 1,
            updated_at: cx.now(),
            spec: Json(asked.spec.clone()),
            token: asked.token.clone(),
            ..there.value.clone()
        };
        let tx = cx.db().tx().update(&there, &new);
        Ok((tx.update(&changes, &one_more(&changes)), new))
    })
    .await
}

/// As it is stored, when its mesh is known to be there.
async fn object<K: Kind>(cx: &Ctx, at: &At) -> Result<Stored<Object<K>>, AwsError> {
    let found = cx
        .db()
        .get_key::<Object<K>>(&at.key::<K>(&cx.scope))
        .await?;
    let account = cx.scope.account.as_str();
    found.ok_or_else(|| match K::RECORD == Mesh::RECORD {
        true => error::mesh_not_found(&at.mesh, account),
        false => error::not_present(K::NOUN, &at.name, &at.mesh, account),
    })
}

pub async fn describe<K: Kind>(
    cx: &Ctx,
    owner: Option<&str>,
    at: &At,
) -> Result<Object<K>, AwsError> {
    own(cx, owner)?;
    mesh(cx, &at.mesh).await?;
    Ok(object::<K>(cx, at).await?.value)
}

pub async fn delete<K: Needed>(
    cx: &Ctx,
    owner: Option<&str>,
    at: &At,
) -> Result<Object<K>, AwsError> {
    own(cx, owner)?;
    settle(|| async {
        let (mesh, changes) = mesh(cx, &at.mesh).await?;
        let there = object::<K>(cx, at).await?;
        let world = world(cx.db(), &cx.scope, mesh).await?;
        K::is_free(&world, at, cx.scope.account.as_str())?;
        let tx = cx.db().tx().delete(&there);
        let tx = match K::RECORD == Mesh::RECORD {
            true => tx.delete(&changes),
            false => tx.update(&changes, &one_more(&changes)),
        };
        let gone = Object {
            updated_at: cx.now(),
            ..there.value
        };
        Ok((tx, gone))
    })
    .await
}

/// A page of a mesh's objects; of one router or gateway where their parent is named.
pub async fn list<K: Kind, P: Kind>(
    cx: &Ctx,
    owner: Option<&str>,
    (mesh_name, parent): (&str, Option<&str>),
    (limit, token): (Option<i32>, Option<&str>),
) -> Result<Paged<Object<K>>, AwsError> {
    own(cx, owner)?;
    mesh(cx, mesh_name).await?;
    let prefix = match parent {
        None => format!("{mesh_name}/"),
        Some(parent) => {
            let at = At {
                name: parent.to_owned(),
                ..At::mesh(mesh_name)
            };
            object::<P>(cx, &at).await?;
            format!("{mesh_name}/{parent}/")
        }
    };
    let prefix = db::key::<Object<K>>(&cx.scope, &prefix);
    let all = cx.db().list_prefix::<Object<K>>(&prefix).await?;
    paged(all.into_iter().map(|stored| stored.value), limit, token)
}

pub fn paged<K: Kind>(
    all: impl Iterator<Item = Object<K>>,
    limit: Option<i32>,
    token: Option<&str>,
) -> Result<Paged<Object<K>>, AwsError> {
    let found = page(all, token, PAGE.clamp(limit), |object| object.name.clone());
    found.map_err(|_| error::bad_request("The nextToken is invalid."))
}

pub fn metadata<K: Kind>(cx: &Ctx, object: &Object<K>) -> api::ResourceMetadata {
    let account = cx.scope.account.as_str().to_owned();
    api::ResourceMetadata {
        arn: Some(object.at().arn::<K>(&cx.scope)),
        created_at: Some(object.created_at),
        last_updated_at: Some(object.updated_at),
        mesh_owner: Some(account.clone()),
        resource_owner: Some(account),
        uid: Some(object.uid.clone()),
        version: Some(object.version),
    }
}
