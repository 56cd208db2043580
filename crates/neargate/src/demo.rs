//! The demo task: an image this binary carries, pushed to our own registry, run as a Fargate
//! task, its life shown as it happens. It calls the services as any client would.

use crate::client::Code;
use crate::config::Config;
use anyhow::{Context, Result};
use neargate_api_ecr as ecr;
use neargate_api_ecs as ecs;
use neargate_api_logs as logs;
use neargate_control::ControlPlane;
use neargate_domain::vpc::DefaultVpc;
use neargate_service::{AwsError, Caller, Scope};
use neargate_store::Event;
use neargate_wire::structure::OperationDef;
use std::io::Write;
use std::net::SocketAddr;

/// A line on standard output, whether or not somebody reads it: Neargate goes on.
macro_rules! show {
    ($($said:tt)*) => {{
        let _ = writeln!(std::io::stdout().lock(), $($said)*);
    }};
}

/// See demo/web.rs.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/demo-web"));
const REPOSITORY: &str = "neargate-demo";
const GROUP: &str = "/ecs/neargate-demo";

struct Demo<'a> {
    control_plane: &'a ControlPlane,
    scope: Scope,
    role: String,
}

/// Run the demo task, or find the one that still runs, and follow its log.
pub async fn run(control_plane: &ControlPlane, address: SocketAddr, config: &Config) -> Result<()> {
    let scope = Scope {
        account: config.account.clone(),
        region: config.region.clone(),
    };
    let role = format!("arn:aws:iam::{}:root", scope.account);
    let demo = Demo {
        control_plane,
        scope,
        role,
    };
    let image = demo.push().await.context("cannot push the demo image")?;
    let task = match demo.running().await? {
        Some(task) => {
            show!("the demo task of the last start still runs");
            task
        }
        None => demo
            .start(&image)
            .await
            .context("cannot run the demo task")?,
    };
    demo.follow(&task, address).await
}

impl Demo<'_> {
    async fn call<O: OperationDef>(&self, _: O, input: O::Input) -> Result<O::Output, AwsError> {
        Caller::call::<O>(&self.control_plane.house, &self.scope, &self.role, &input).await
    }

    /// The image in our own registry, by its AWS name.
    async fn push(&self) -> Result<String> {
        let create = ecr::CreateRepositoryInput {
            repository_name: REPOSITORY.into(),
            ..Default::default()
        };
        match self.call(ecr::ops::CreateRepository, create).await {
            Ok(_) => {}
            Err(e) if e.is(Code::RepositoryAlreadyExists.as_str()) => {}
            Err(e) => return Err(e.into()),
        }
        let layer = layer(PROGRAM)?;
        let layer_digest = self.upload(layer.clone()).await?;
        let image_config = serde_json::json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": { "Entrypoint": ["/demo-web"], "ExposedPorts": { "80/tcp": {} } },
            // The layer is not compressed: its digest is its diff id.
            "rootfs": { "type": "layers", "diff_ids": [layer_digest] },
        })
        .to_string();
        let config_digest = self.upload(image_config.clone().into()).await?;
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": config_digest, "size": image_config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer_digest, "size": layer.len(),
            }],
        });
        let put = ecr::PutImageInput {
            repository_name: REPOSITORY.into(),
            image_manifest: manifest.to_string(),
            image_tag: Some("latest".into()),
            ..Default::default()
        };
        match self.call(ecr::ops::PutImage, put).await {
            Ok(_) => {}
            Err(e) if e.is(Code::ImageAlreadyExists.as_str()) => {}
            Err(e) => return Err(e.into()),
        }
        let Scope { account, region } = &self.scope;
        Ok(format!(
            "{account}.dkr.ecr.{region}.amazonaws.com/{REPOSITORY}:latest"
        ))
    }

    /// One layer upload through the ECR API; answers the digest.
    async fn upload(&self, bytes: bytes::Bytes) -> Result<String> {
        let digest = neargate_blob::Digest::of(&bytes).to_string();
        let check = ecr::BatchCheckLayerAvailabilityInput {
            repository_name: REPOSITORY.into(),
            layer_digests: vec![digest.clone()],
            ..Default::default()
        };
        let there = self
            .call(ecr::ops::BatchCheckLayerAvailability, check)
            .await?;
        let available = |l: &ecr::Layer| l.layer_availability.as_deref() == Some("AVAILABLE");
        if there.layers.iter().flatten().any(available) {
            return Ok(digest);
        }
        let begin = ecr::InitiateLayerUploadInput {
            repository_name: REPOSITORY.into(),
            ..Default::default()
        };
        let upload_id = self
            .call(ecr::ops::InitiateLayerUpload, begin)
            .await?
            .upload_id;
        let upload_id = upload_id.context("an upload has an id")?;
        let part = ecr::UploadLayerPartInput {
            repository_name: REPOSITORY.into(),
            upload_id: upload_id.clone(),
            part_first_byte: 0,
            part_last_byte: i64::try_from(bytes.len())? - 1,
            layer_part_blob: bytes,
            ..Default::default()
        };
        self.call(ecr::ops::UploadLayerPart, part).await?;
        let complete = ecr::CompleteLayerUploadInput {
            repository_name: REPOSITORY.into(),
            upload_id,
            layer_digests: vec![digest.clone()],
            ..Default::default()
        };
        self.call(ecr::ops::CompleteLayerUpload, complete).await?;
        Ok(digest)
    }

    async fn running(&self) -> Result<Option<String>> {
        let list = ecs::ListTasksInput {
            family: Some(REPOSITORY.into()),
            ..Default::default()
        };
        match self.call(ecs::ops::ListTasks, list).await {
            Ok(listed) => Ok(listed.task_arns.and_then(|arns| arns.into_iter().next())),
            Err(e) if e.is(Code::ClusterNotFound.as_str()) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    async fn start(&self, image: &str) -> Result<String> {
        let log = [
            ("awslogs-group", GROUP),
            ("awslogs-region", self.scope.region.as_str()),
            ("awslogs-stream-prefix", "demo"),
            ("awslogs-create-group", "true"),
        ];
        let container = ecs::ContainerDefinition {
            name: Some("web".into()),
            image: Some(image.to_owned()),
            log_configuration: Some(ecs::LogConfiguration {
                log_driver: "awslogs".into(),
                options: Some(
                    log.iter()
                        .map(|(k, v)| ((*k).into(), (*v).into()))
                        .collect(),
                ),
                ..Default::default()
            }),
            port_mappings: Some(vec![ecs::PortMapping {
                container_port: Some(80),
                ..Default::default()
            }]),
            ..Default::default()
        };
        let register = ecs::RegisterTaskDefinitionInput {
            family: REPOSITORY.into(),
            container_definitions: vec![container],
            network_mode: Some("awsvpc".into()),
            requires_compatibilities: Some(vec!["FARGATE".into()]),
            cpu: Some("256".into()),
            memory: Some("512".into()),
            execution_role_arn: Some(format!(
                "arn:aws:iam::{}:role/ecsTaskExecutionRole",
                self.scope.account
            )),
            ..Default::default()
        };
        self.call(ecs::ops::RegisterTaskDefinition, register)
            .await?;
        let vpc = DefaultVpc::of(&self.scope.account, &self.scope.region);
        let run = ecs::RunTaskInput {
            task_definition: REPOSITORY.into(),
            launch_type: Some("FARGATE".into()),
            network_configuration: Some(ecs::NetworkConfiguration {
                awsvpc_configuration: Some(ecs::AwsVpcConfiguration {
                    subnets: vec![vpc.subnets[0].id.clone()],
                    ..Default::default()
                }),
            }),
            ..Default::default()
        };
        let tasks = self
            .call(ecs::ops::RunTask, run)
            .await?
            .tasks
            .unwrap_or_default();
        tasks
            .into_iter()
            .next()
            .and_then(|t| t.task_arn)
            .context("RunTask answers its task")
    }

    /// Print every state the task goes through, its address, then its log, until it stops.
    async fn follow(&self, arn: &str, address: SocketAddr) -> Result<()> {
        let id = arn.rsplit('/').next().unwrap_or_default().to_owned();
        show!("task {id}");
        let mut watch = self
            .control_plane
            .house
            .db
            .store()
            .watch("ecs/task/", None)
            .await?;
        let mut log = LogCursor::default();
        let (mut shown, mut told) = (String::new(), false);
        loop {
            let describe = ecs::DescribeTasksInput {
                tasks: vec![arn.to_owned()],
                ..Default::default()
            };
            let tasks = self.call(ecs::ops::DescribeTasks, describe).await?.tasks;
            let Some(task) = tasks.unwrap_or_default().into_iter().next() else {
                show!("the task is gone");
                return Ok(());
            };
            let status = task.last_status.clone().unwrap_or_default();
            if status != shown {
                show!("  {status}");
                shown = status;
            }
            if shown == "RUNNING" && !told {
                told = true;
                self.tell(&task, &id, address);
            }
            self.print_log(&id, &mut log).await?;
            if shown == "STOPPED" {
                show!("  {}", task.stopped_reason.unwrap_or_default());
                return Ok(());
            }
            // The task's next change, or time to look for log lines.
            let changed = async {
                loop {
                    let batch = watch.next().await?;
                    let of_task = |e: &Event| match e {
                        Event::Put(entry) => entry.key.ends_with(&id),
                        Event::Delete { key, .. } => key.ends_with(&id),
                    };
                    if batch.events.iter().any(of_task) {
                        return Ok::<_, neargate_store::StoreError>(());
                    }
                }
            };
            if let Ok(changed) =
                tokio::time::timeout(std::time::Duration::from_millis(500), changed).await
                && changed.is_err()
            {
                watch = self
                    .control_plane
                    .house
                    .db
                    .store()
                    .watch("ecs/task/", None)
                    .await?;
            }
        }
    }

    fn tell(&self, task: &ecs::Task, id: &str, address: SocketAddr) {
        let interfaces = task
            .containers
            .iter()
            .flatten()
            .flat_map(|c| c.network_interfaces.iter().flatten());
        let ip = interfaces
            .filter_map(|i| i.private_ipv4_address.clone())
            .next()
            .unwrap_or_default();
        let program = std::env::args().next().unwrap_or_else(|| "neargate".into());
        show!(
            "its address: {ip}\n\n\
             Try next, in another terminal:\n  \
             curl http://{ip}/\n  \
             {program} logs {id} --follow\n  \
             eval \"$({program} env --listen {address})\" && aws ecs stop-task --task {id}\n\n\
             Its log:"
        );
    }

    async fn print_log(&self, id: &str, cursor: &mut LogCursor) -> Result<()> {
        let get = logs::GetLogEventsInput {
            log_group_name: Some(GROUP.into()),
            log_stream_name: format!("demo/web/{id}"),
            start_from_head: Some(true),
            next_token: cursor.token.clone(),
            ..Default::default()
        };
        let page = match self.call(logs::ops::GetLogEvents, get).await {
            Ok(page) => page,
            Err(e) if e.is(Code::ResourceNotFound.as_str()) => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        for event in page.events.unwrap_or_default() {
            show!("  | {}", event.message.unwrap_or_default());
        }
        cursor.token = page.next_forward_token;
        Ok(())
    }
}

/// How far the log has been printed.
#[derive(Default)]
struct LogCursor {
    token: Option<String>,
}

/// A tar archive with the one program in it; the same bytes every time.
fn layer(program: &[u8]) -> Result<bytes::Bytes> {
    let mut header = tar::Header::new_ustar();
    header.set_path("demo-web")?;
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(program.len() as u64);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, program)?;
    Ok(archive.into_inner()?.into())
}
