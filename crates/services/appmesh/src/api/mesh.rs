//! Meshes.

use super::{ACTIVE, Asked, DELETED};
use crate::AppMesh;
use crate::model::{At, Mesh, Object};
use neargate_api_appmesh as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

fn shown(cx: &Ctx, mesh: Object<Mesh>, status: &str) -> Option<api::MeshData> {
    Some(api::MeshData {
        metadata: Some(super::metadata(cx, &mesh)),
        mesh_name: Some(mesh.name),
        spec: Some(mesh.spec.0),
        status: Some(api::MeshStatus {
            status: Some(status.into()),
        }),
    })
}

pub async fn create_mesh(
    _: Arc<AppMesh>,
    cx: Ctx,
    mut input: api::CreateMeshInput,
) -> Result<api::CreateMeshOutput, AwsError> {
    let mut client_token = input.client_token.take();
    let asked = Asked {
        at: At::mesh(&input.mesh_name),
        owner: None,
        token: super::token(&mut client_token, |_| input.clone()),
        tags: input.tags.unwrap_or_default(),
        spec: input.spec.unwrap_or_default(),
    };
    let made = super::create_mesh(&cx, asked).await?;
    Ok(api::CreateMeshOutput {
        mesh: shown(&cx, made, ACTIVE),
    })
}

pub async fn update_mesh(
    _: Arc<AppMesh>,
    cx: Ctx,
    mut input: api::UpdateMeshInput,
) -> Result<api::UpdateMeshOutput, AwsError> {
    let mut client_token = input.client_token.take();
    let asked = Asked {
        at: At::mesh(&input.mesh_name),
        owner: None,
        token: super::token(&mut client_token, |_| input.clone()),
        tags: Vec::new(),
        spec: input.spec.unwrap_or_default(),
    };
    let changed = super::update::<Mesh>(&cx, asked).await?;
    Ok(api::UpdateMeshOutput {
        mesh: shown(&cx, changed, ACTIVE),
    })
}

pub async fn describe_mesh(
    _: Arc<AppMesh>,
    cx: Ctx,
    input: api::DescribeMeshInput,
) -> Result<api::DescribeMeshOutput, AwsError> {
    let at = At::mesh(&input.mesh_name);
    let found = super::describe::<Mesh>(&cx, input.mesh_owner.as_deref(), &at).await?;
    Ok(api::DescribeMeshOutput {
        mesh: shown(&cx, found, ACTIVE),
    })
}

pub async fn delete_mesh(
    _: Arc<AppMesh>,
    cx: Ctx,
    input: api::DeleteMeshInput,
) -> Result<api::DeleteMeshOutput, AwsError> {
    let gone = super::delete::<Mesh>(&cx, None, &At::mesh(&input.mesh_name)).await?;
    Ok(api::DeleteMeshOutput {
        mesh: shown(&cx, gone, DELETED),
    })
}

pub async fn list_meshes(
    _: Arc<AppMesh>,
    cx: Ctx,
    input: api::ListMeshesInput,
) -> Result<api::ListMeshesOutput, AwsError> {
    let all = cx.db().list::<Object<Mesh>>(&cx.scope).await?;
    let all = all.into_iter().map(|stored| stored.value);
    let page = super::paged(all, input.limit, input.next_token.as_deref())?;
    let shown = |mesh: Object<Mesh>| {
        let about = super::metadata(&cx, &mesh);
        api::MeshRef {
            arn: about.arn,
            created_at: about.created_at,
            last_updated_at: about.last_updated_at,
            mesh_name: Some(mesh.name),
            mesh_owner: about.mesh_owner,
            resource_owner: about.resource_owner,
            version: about.version,
        }
    };
    Ok(api::ListMeshesOutput {
        next_token: page.next_token,
        meshes: Some(page.items.into_iter().map(shown).collect()),
    })
}
