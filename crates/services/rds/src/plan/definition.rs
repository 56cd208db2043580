//! The tasks of instances and snapshots: what ECS is asked to register and to run.
//!
//! A volume is a file system of its own on the host that has Fargate's tasks, named after the resource id.
//! Engines run in their official images, whose entrypoints make a database where there is none. What is done
//! around them stands in the scripts below: values reach them by variables and arguments, never as text of
//! the script.

use crate::model::{Asked, Instance, Password, Purpose};
use crate::plan::class::Class;
use crate::plan::engine::{self, Engine};
use crate::plan::parameters;
use neargate_api_ecs as ecs;
use neargate_service::{Scope, managed};
use std::collections::BTreeMap;

/// Where a volume is in the container, as on RDS's own hosts.
const VOLUME: &str = "/rdsdbdata";
const FROM: &str = "/from";
/// The container of every task.
pub const CONTAINER: &str = "engine";

/// A volume without the mark was never answered from: making the database did not come to its end, so it is
/// made anew. The health check sets the mark, and only a healthy engine is available.
const BEGIN: &str = r#"set -eu
if [ ! -e "$VOLUME/initialized" ]; then rm -rf "$VOLUME"/* "$VOLUME"/.[!.]* "$VOLUME"/..?*; fi
"#;

/// A new password is set before anybody can connect: in the single-user mode.
const POSTGRES: &str = r#"
if [ "${SET_PASSWORD:-}" = 1 ] && [ -s "$PGDATA/PG_VERSION" ]; then
  quoted=$(printf %s "$POSTGRES_PASSWORD" | sed "s/'/''/g")
  if command -v gosu >/dev/null; then as="gosu postgres"
  elif command -v su-exec >/dev/null; then as="su-exec postgres"
  else as="setpriv --reuid=postgres --regid=postgres --init-groups"; fi
  said=$(printf "ALTER ROLE \"%s\" WITH PASSWORD '%s'\n" "$POSTGRES_USER" "$quoted" |
    $as postgres --single -D "$PGDATA" postgres 2>&1)
  case "$said" in *ERROR:*|*FATAL:*|*PANIC:*) printf '%s\n' "$said" >&2; exit 1;; esac
fi
exec docker-entrypoint.sh postgres "$@"
"#;

/// The master user is made with the database, or gets a new password when the engine starts.
const MYSQL: &str = r#"
quoted=$(printf %s "${MASTER_PASSWORD:-}" | sed -e 's/\\/\\\\/g' -e "s/'/''/g")
if [ -e "$VOLUME/initialized" ]; then
  if [ "${SET_PASSWORD:-}" = 1 ]; then
    (umask 077; printf "ALTER USER '%s'@'%%' IDENTIFIED BY '%s';\n" "$MASTER_USER" "$quoted" >/tmp/master.sql)
    chown mysql /tmp/master.sql
    set -- "$@" --init-file=/tmp/master.sql
  fi
else
  mkdir -p /docker-entrypoint-initdb.d
  (umask 077; printf "CREATE USER '%s'@'%%' IDENTIFIED BY '%s';\nGRANT ALL PRIVILEGES ON *.* TO '%s'@'%%' WITH GRANT OPTION;\n" \
    "$MASTER_USER" "$quoted" "$MASTER_USER" >/docker-entrypoint-initdb.d/master.sql)
  chown mysql /docker-entrypoint-initdb.d/master.sql
fi
exec docker-entrypoint.sh "$SERVER" "$@"
"#;

const COPY: &str = r#"set -eu
rm -rf "$VOLUME"/* "$VOLUME"/.[!.]* "$VOLUME"/..?*
cp -a "$FROM/." "$VOLUME/"
sync
"#;

const ERASE: &str = r#"set -eu
rm -rf "$VOLUME"/* "$VOLUME"/.[!.]* "$VOLUME"/..?*
"#;

/// The mark is on the disk before anybody is told that the instance is available.
const MARK: &str =
    r#"{ [ -e "$VOLUME/initialized" ] || { touch "$VOLUME/initialized" && sync; }; }"#;

/// The family of an instance's task definitions.
pub fn family(identifier: &str) -> String {
    format!("{}-{identifier}", managed::cluster("rds"))
}

/// The family of those that copy and erase a snapshot. No identifier of an instance has an underscore.
pub fn snapshot_family(identifier: &str) -> String {
    format!("{}_snapshot-{identifier}", managed::cluster("rds"))
}

/// The file system of an instance or of a snapshot, by its resource id.
pub fn file_system(resource_id: &str) -> String {
    let name = resource_id.split_once('-').map_or(resource_id, |(_, n)| n);
    managed::file_system("rds", &name.to_ascii_lowercase())
}

/// As whom RDS calls.
pub fn role(scope: &Scope) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS",
        scope.account
    )
}

/// What a definition is made of beside the instance.
#[derive(Debug)]
pub struct Around<'a> {
    pub scope: &'a Scope,
    pub identifier: &'a str,
    pub image: String,
    /// Those of the parameter group that were set.
    pub parameters: &'a BTreeMap<String, String>,
    /// The file system of the snapshot that is made, where one is.
    pub snapshot: Option<&'a str>,
}

/// The definition of the task that an instance is to have next.
pub fn of_instance(
    instance: &Instance,
    purpose: &Purpose,
    around: &Around<'_>,
) -> ecs::RegisterTaskDefinitionInput {
    let own = file_system(&instance.resource_id);
    let family = family(around.identifier);
    match purpose {
        Purpose::Engine => engine(instance, around),
        Purpose::Restore(from) => job(family, around, COPY, &own, Some(from)),
        Purpose::Backup(_) => {
            let to = around.snapshot.unwrap_or_default();
            job(family, around, COPY, to, Some(&own))
        }
        Purpose::Erase => job(family, around, ERASE, &own, None),
    }
}

/// The definition of a task that copies into a snapshot's file system, or erases it.
pub fn of_snapshot(
    file_system: &str,
    from: Option<&str>,
    around: &Around<'_>,
) -> ecs::RegisterTaskDefinitionInput {
    let family = snapshot_family(around.identifier);
    let script = if from.is_some() { COPY } else { ERASE };
    job(family, around, script, file_system, from)
}

fn pair(name: &str, value: impl Into<String>) -> ecs::KeyValuePair {
    ecs::KeyValuePair {
        name: Some(name.into()),
        value: Some(value.into()),
    }
}

fn volume(name: &str, file_system: &str) -> ecs::Volume {
    ecs::Volume {
        name: Some(name.into()),
        efs_volume_configuration: Some(ecs::EFSVolumeConfiguration {
            file_system_id: file_system.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> ecs::MountPoint {
    ecs::MountPoint {
        source_volume: Some(name.into()),
        container_path: Some(path.into()),
        read_only: Some(read_only),
    }
}

fn task(
    family: String,
    scope: &Scope,
    (cpu, memory): (u32, u32),
    container: ecs::ContainerDefinition,
    volumes: Vec<ecs::Volume>,
) -> ecs::RegisterTaskDefinitionInput {
    ecs::RegisterTaskDefinitionInput {
        family,
        execution_role_arn: Some(role(scope)),
        network_mode: Some("awsvpc".into()),
        requires_compatibilities: Some(vec!["FARGATE".into()]),
        cpu: Some(cpu.to_string()),
        memory: Some(memory.to_string()),
        container_definitions: vec![container],
        volumes: Some(volumes),
        ..Default::default()
    }
}

fn job(
    family: String,
    around: &Around<'_>,
    script: &str,
    to: &str,
    from: Option<&str>,
) -> ecs::RegisterTaskDefinitionInput {
    let mut mounts = vec![mount("volume", VOLUME, false)];
    let mut volumes = vec![volume("volume", to)];
    if let Some(from) = from {
        mounts.push(mount("from", FROM, true));
        volumes.push(volume("from", from));
    }
    let container = ecs::ContainerDefinition {
        name: Some(CONTAINER.into()),
        image: Some(around.image.clone()),
        essential: Some(true),
        entry_point: Some(vec!["sh".into(), "-c".into(), script.into()]),
        user: Some("0".into()),
        environment: Some(vec![pair("VOLUME", VOLUME), pair("FROM", FROM)]),
        mount_points: Some(mounts),
        ..Default::default()
    };
    task(family, around.scope, (256, 512), container, volumes)
}

fn engine(instance: &Instance, around: &Around<'_>) -> ecs::RegisterTaskDefinitionInput {
    let asked = &instance.asked;
    let postgres = asked.engine == "postgres";
    let mut environment = vec![pair("VOLUME", VOLUME)];
    let data = format!("{VOLUME}/db");
    let port = asked.port.to_string();
    let (script, password, mut arguments, check) = if postgres {
        environment.push(pair("PGDATA", &data));
        environment.push(pair("PGPORT", &port));
        environment.push(pair("POSTGRES_USER", &asked.master_username));
        let db_name = asked.db_name.as_deref().unwrap_or("postgres");
        environment.push(pair("POSTGRES_DB", db_name));
        let arguments = vec![
            "-c".to_owned(),
            "listen_addresses=*".to_owned(),
            "-c".to_owned(),
            format!("port={port}"),
        ];
        let check = format!("pg_isready -q -h 127.0.0.1 -p {port} -d postgres");
        (POSTGRES, "POSTGRES_PASSWORD", arguments, check)
    } else {
        let (server, admin) = match asked.engine.as_str() {
            "mysql" => ("mysqld", "mysqladmin"),
            _ => ("mariadbd", "mariadb-admin"),
        };
        environment.push(pair("SERVER", server));
        environment.push(pair("MASTER_USER", &asked.master_username));
        environment.push(pair("MYSQL_RANDOM_ROOT_PASSWORD", "yes"));
        if let Some(name) = &asked.db_name {
            environment.push(pair("MYSQL_DATABASE", name));
        }
        let arguments = vec![format!("--datadir={data}"), format!("--port={port}")];
        let check = format!("{admin} ping --silent -h 127.0.0.1 -P {port}");
        (MYSQL, "MASTER_PASSWORD", arguments, check)
    };
    if instance.password_is_new {
        environment.push(pair("SET_PASSWORD", "1"));
    }
    if let Some(engine) = engine::find(&asked.engine) {
        arguments.extend(parameters::arguments(engine, around.parameters));
    }
    let secrets = value_from(&instance.password).map(|value_from| {
        vec![ecs::Secret {
            name: password.into(),
            value_from,
        }]
    });
    let script = format!("{BEGIN}{script}");
    let entry_point = ["sh", "-c", &script, "engine"].map(str::to_owned);
    let container = ecs::ContainerDefinition {
        name: Some(CONTAINER.into()),
        image: Some(around.image.clone()),
        essential: Some(true),
        entry_point: Some(entry_point.to_vec()),
        command: Some(arguments),
        user: Some("0".into()),
        environment: Some(environment),
        secrets,
        mount_points: Some(vec![mount("volume", VOLUME, false)]),
        port_mappings: Some(vec![ecs::PortMapping {
            container_port: Some(asked.port),
            protocol: Some("tcp".into()),
            ..Default::default()
        }]),
        stop_timeout: Some(120),
        health_check: Some(ecs::HealthCheck {
            command: vec!["CMD-SHELL".into(), format!("{check} && {MARK}")],
            interval: Some(5),
            timeout: Some(10),
            retries: Some(6),
            start_period: Some(300),
        }),
        log_configuration: logs(asked, around),
        ..Default::default()
    };
    let size = Class::of(&asked.class).map_or((512, 1_024), Class::task);
    let volumes = vec![volume("volume", &file_system(&instance.resource_id))];
    task(
        family(around.identifier),
        around.scope,
        size,
        container,
        volumes,
    )
}

/// What ECS is told of the password. Nothing, where the volume alone knows it: an engine that is there
/// already needs none to start.
fn value_from(password: &Password) -> Option<String> {
    match password {
        Password::Sealed(sealed) => Some(sealed.clone()),
        Password::Managed { secret_arn, .. } => Some(format!("{secret_arn}:password::")),
        Password::InTheData => None,
    }
}

/// `/aws/rds/instance/<identifier>/postgresql`, as RDS publishes logs.
fn logs(asked: &Asked, around: &Around<'_>) -> Option<ecs::LogConfiguration> {
    let kind = asked.log_exports.first()?;
    let options = [
        (
            "awslogs-group",
            format!("/aws/rds/instance/{}/{kind}", around.identifier),
        ),
        ("awslogs-region", around.scope.region.to_string()),
        ("awslogs-stream-prefix", around.identifier.to_owned()),
        ("awslogs-create-group", "true".to_owned()),
    ];
    Some(ecs::LogConfiguration {
        log_driver: "awslogs".into(),
        options: Some(options.map(|(name, value)| (name.to_owned(), value)).into()),
        secret_options: None,
    })
}

/// Is this log type one that the engine has?
pub fn has_log(engine: &Engine, kind: &str) -> bool {
    engine.log_type == kind
}
