//! `CreateDBInstance`: checks, then writes what is asked for. The [controller](crate::controller) does the rest.

use super::{new_resource_id, refuse, shown, tags};
use crate::model::{Asked, Instance, ParameterGroup, Password, Status, SubnetGroup, Wanted};
use crate::plan::class::Class;
use crate::plan::engine::{self, Engine};
use crate::plan::{checks, definition, window};
use crate::{Rds, credentials, error};
use neargate_api_rds as api;
use neargate_service::vpc::{SecurityGroup, Subnet, Vpc, ensure_default};
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use std::sync::Arc;

/// The windows that RDS would choose by chance.
pub const BACKUP_WINDOW: &str = "03:00-03:30";
pub const MAINTENANCE_WINDOW: &str = "sun:04:00-sun:04:30";

pub async fn create_db_instance(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::CreateDBInstanceInput,
) -> Result<api::CreateDBInstanceOutput, AwsError> {
    let given = input.db_instance_identifier.as_str();
    let identifier = checks::identifier("DBInstanceIdentifier", given, 63)?;
    refused(&input)?;
    let engine = engine::find(&input.engine)
        .ok_or_else(|| error::value(format!("Invalid DB engine: {}", input.engine)))?;
    let version = version(engine, input.engine_version.as_deref())?;
    class(&input.db_instance_class)?;
    let storage_type = input.storage_type.clone().unwrap_or_else(|| "gp2".into());
    let storage = input
        .allocated_storage
        .ok_or_else(|| error::combination("The parameter AllocatedStorage must be provided."))?;
    checks::storage(engine, &storage_type, storage)?;
    let username = input.master_username.clone().ok_or_else(|| {
        error::value("The parameter MasterUsername must be provided and must not be blank.")
    })?;
    checks::username(engine, &username)?;
    let db_name = input.db_name.clone().filter(|name| !name.is_empty());
    if let Some(name) = &db_name {
        checks::db_name(engine, name)?;
    }
    let port = input.port.unwrap_or(engine.port);
    checks::port(port)?;
    let retention = input.backup_retention_period.unwrap_or(1);
    checks::retention(retention)?;
    let group = parameter_group(
        &cx,
        engine,
        version.family,
        input.db_parameter_group_name.as_deref(),
    );
    let parameter_group = group.await?;
    let network = network(
        &cx,
        input.db_subnet_group_name.as_deref(),
        input.vpc_security_group_ids.clone(),
    )
    .await?;
    let asked = Asked {
        engine: engine.name.into(),
        engine_version: version.name.into(),
        class: input.db_instance_class.clone(),
        allocated_storage_gib: storage,
        storage_type,
        master_username: username.clone(),
        db_name,
        port,
        subnet_group: network.subnet_group,
        security_groups: network.security_groups,
        publicly_accessible: input.publicly_accessible.unwrap_or(false),
        parameter_group,
        backup_retention_days: retention,
        backup_window: window::daily(
            input
                .preferred_backup_window
                .as_deref()
                .unwrap_or(BACKUP_WINDOW),
        )?,
        maintenance_window: window::weekly(
            input
                .preferred_maintenance_window
                .as_deref()
                .unwrap_or(MAINTENANCE_WINDOW),
        )?,
        auto_minor_version_upgrade: input.auto_minor_version_upgrade.unwrap_or(true),
        copy_tags_to_snapshot: input.copy_tags_to_snapshot.unwrap_or(false),
        deletion_protection: input.deletion_protection.unwrap_or(false),
        max_allocated_storage_gib: None,
        log_exports: log_exports(engine, input.enable_cloudwatch_logs_exports.as_ref())?,
    };
    let tags = tags::parse(input.tags.clone())?;
    let key = db::key::<Instance>(&cx.scope, &identifier);
    if cx.db().get_key::<Instance>(&key).await?.is_some() {
        return Err(error::instance_exists());
    }
    let managed = input.manage_master_user_password == Some(true);
    let password = match (&input.master_user_password, managed) {
        (Some(_), true) => {
            return Err(error::combination(
                "You can't specify MasterUserPassword when ManageMasterUserPassword is enabled.",
            ));
        }
        (None, true) => {
            let of = (identifier.as_str(), username.as_str());
            let key = input.master_user_secret_kms_key_id.clone();
            credentials::manage(&cx.house, &cx.scope, of, key).await?
        }
        (Some(plain), false) => {
            checks::password(engine, plain)?;
            credentials::sealed(&cx.house, &cx.scope, &identifier, plain)
        }
        (None, false) => {
            return Err(error::value(
                "The parameter MasterUserPassword must be provided and must not be blank.",
            ));
        }
    };
    let instance = Instance {
        tags,
        ..new(&cx, asked, password, network.vpc_id, network.subnets)
    };
    let stored = write(&cx, key, instance).await?;
    Ok(api::CreateDBInstanceOutput {
        db_instance: Some(shown::instance(&cx, &stored).await?),
    })
}

/// An instance that is to run.
pub fn new(
    cx: &Ctx,
    asked: Asked,
    password: Password,
    vpc_id: String,
    subnets: Vec<String>,
) -> Instance {
    Instance {
        resource_id: new_resource_id(cx),
        status: Status::Creating,
        wanted: Wanted::Running,
        asked,
        password,
        vpc_id,
        subnets,
        pending: None,
        restart: false,
        password_is_new: false,
        parameters_are_new: false,
        restore_from: None,
        backups: Vec::new(),
        touched: false,
        task: None,
        generation: 0,
        place: None,
        failures: 0,
        retry_at: None,
        created_at: cx.now(),
        tags: Default::default(),
    }
}

/// Writes a new instance; the secret that was made for it goes when another was faster.
pub async fn write(
    cx: &Ctx,
    key: String,
    instance: Instance,
) -> Result<Stored<Instance>, AwsError> {
    let tx = cx.db().tx().create(key.clone(), &instance);
    match tx.commit().await {
        Ok(Committed::At(revision)) => Ok(Stored {
            key,
            revision,
            value: instance,
        }),
        other => {
            credentials::forget(&cx.house, &cx.scope, &instance.password).await?;
            Err(other.err().unwrap_or_else(error::instance_exists))
        }
    }
}

/// What is not built, by its name.
fn refused(input: &api::CreateDBInstanceInput) -> Result<(), AwsError> {
    let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    refuse([
        (
            input.db_cluster_identifier.is_some(),
            "DBClusterIdentifier: there are no DB clusters",
        ),
        (
            input.engine.starts_with("aurora"),
            "Aurora: there are no DB clusters",
        ),
        (input.multi_az == Some(true), "MultiAZ"),
        (input.storage_encrypted == Some(true), "StorageEncrypted"),
        (input.kms_key_id.is_some(), "KmsKeyId"),
        (given(&input.db_security_groups), "DBSecurityGroups"),
        (input.iops.is_some(), "Iops"),
        (input.storage_throughput.is_some(), "StorageThroughput"),
        (input.max_allocated_storage.is_some(), "MaxAllocatedStorage"),
        (input.option_group_name.is_some(), "OptionGroupName"),
        (input.character_set_name.is_some(), "CharacterSetName"),
        (input.timezone.is_some(), "Timezone"),
        (
            input.domain.is_some() || input.domain_fqdn.is_some(),
            "Domain",
        ),
        (
            input.monitoring_interval.is_some_and(|n| n > 0),
            "MonitoringInterval",
        ),
        (
            input.enable_performance_insights == Some(true),
            "EnablePerformanceInsights",
        ),
        (
            input.database_insights_mode.as_deref() == Some("advanced"),
            "DatabaseInsightsMode advanced",
        ),
        (
            input.enable_iam_database_authentication == Some(true),
            "EnableIAMDatabaseAuthentication",
        ),
        (
            input.master_user_authentication_type.as_deref() == Some("iam-db-auth"),
            "MasterUserAuthenticationType iam-db-auth",
        ),
        (
            input
                .network_type
                .as_deref()
                .is_some_and(|kind| kind != "IPV4"),
            "this NetworkType",
        ),
        (
            input
                .processor_features
                .as_ref()
                .is_some_and(|f| !f.is_empty()),
            "ProcessorFeatures",
        ),
        (
            input
                .additional_storage_volumes
                .as_ref()
                .is_some_and(|v| !v.is_empty()),
            "AdditionalStorageVolumes",
        ),
        (
            input.dedicated_log_volume == Some(true),
            "DedicatedLogVolume",
        ),
        (
            input
                .tag_specifications
                .as_ref()
                .is_some_and(|t| !t.is_empty()),
            "TagSpecifications",
        ),
    ])
}

pub fn version(engine: &Engine, asked: Option<&str>) -> Result<&'static engine::Version, AwsError> {
    engine.version(asked).ok_or_else(|| {
        error::combination(format!(
            "Cannot find version {} for {}",
            asked.unwrap_or_default(),
            engine.name
        ))
    })
}

pub fn class(name: &str) -> Result<(), AwsError> {
    match Class::of(name) {
        Some(_) => Ok(()),
        None => Err(error::value(format!("Invalid DB Instance class: {name}"))),
    }
}

/// # Errors
/// A log that the engine has not, or whose lines are not told apart from its others here.
pub fn log_exports(engine: &Engine, given: Option<&Vec<String>>) -> Result<Vec<String>, AwsError> {
    let given = given.cloned().unwrap_or_default();
    match given.iter().find(|kind| !definition::has_log(engine, kind)) {
        Some(kind) => Err(error::combination(format!(
            "You cannot use the log type '{kind}' with engine version {}. For supported log types, see the \
             documentation.",
            engine.name
        ))),
        None => Ok(given),
    }
}

/// The name of the group: the family's default one, or one of the same family.
pub async fn parameter_group(
    cx: &Ctx,
    engine: &Engine,
    family: &str,
    named: Option<&str>,
) -> Result<String, AwsError> {
    let default = format!("default.{family}");
    let Some(named) = named.filter(|named| !named.eq_ignore_ascii_case(&default)) else {
        return Ok(default);
    };
    let named = named.to_ascii_lowercase();
    let found = cx.db().get::<ParameterGroup>(&cx.scope, &named).await?;
    let group = found.ok_or_else(|| error::parameter_group_not_found(&named))?;
    if group.family != family {
        return Err(error::combination(format!(
            "The parameter group {named} with DBParameterGroupFamily {} can't be used for this instance. \
             Use a parameter group with DBParameterGroupFamily {family}. ({})",
            group.family, engine.name
        )));
    }
    Ok(named)
}

/// Where an instance is to be.
pub struct Network {
    pub subnet_group: Option<String>,
    pub vpc_id: String,
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
}

/// The subnets of the group, or of the default VPC; the security groups, or the VPC's own.
pub async fn network(
    cx: &Ctx,
    group: Option<&str>,
    security_groups: Option<Vec<String>>,
) -> Result<Network, AwsError> {
    ensure_default(&cx.house, &cx.scope).await?;
    let named = group.filter(|group| !group.is_empty() && *group != "default");
    let (subnet_group, vpc_id, subnets) = match named {
        Some(name) => {
            let name = name.to_ascii_lowercase();
            let found = cx.db().get::<SubnetGroup>(&cx.scope, &name).await?;
            let group = found.ok_or_else(|| error::subnet_group_not_found(&name))?;
            let subnets = group.subnets.keys().cloned().collect();
            (Some(name), group.vpc_id.clone(), subnets)
        }
        None => {
            let vpcs = cx.db().list::<Vpc>(&cx.scope).await?;
            let vpc = vpcs.into_iter().find(|vpc| vpc.is_default);
            let vpc = vpc.ok_or_else(error::no_default_vpc)?;
            let all = cx.db().list::<Subnet>(&cx.scope).await?;
            let its = all.iter().filter(|subnet| subnet.vpc_id == vpc.id());
            let subnets: Vec<String> = its
                .filter(|subnet| subnet.default_for_az)
                .map(|subnet| subnet.id().to_owned())
                .collect();
            (None, vpc.id().to_owned(), subnets)
        }
    };
    if subnets.is_empty() {
        return Err(error::no_default_vpc());
    }
    let security_groups = self::security_groups(cx, &vpc_id, security_groups).await?;
    Ok(Network {
        subnet_group,
        vpc_id,
        subnets,
        security_groups,
    })
}

/// Groups of the VPC: those that are named, or its default one.
pub async fn security_groups(
    cx: &Ctx,
    vpc_id: &str,
    named: Option<Vec<String>>,
) -> Result<Vec<String>, AwsError> {
    let named = named.unwrap_or_default();
    if named.is_empty() {
        let vpc = cx.db().get::<Vpc>(&cx.scope, vpc_id).await?;
        let vpc = vpc.ok_or_else(|| error::invalid_subnet(format!("There is no VPC {vpc_id}.")))?;
        return Ok(vec![vpc.default_group_id.clone()]);
    }
    for id in &named {
        let group = match super::is_key(id) {
            true => cx.db().get::<SecurityGroup>(&cx.scope, id).await?,
            false => None,
        };
        let Some(group) = group else {
            return Err(error::value(format!(
                "Invalid security group , groupId= {id}, groupName="
            )));
        };
        if group.vpc_id != vpc_id {
            return Err(error::combination(
                "The DB instance and EC2 security group are in different VPCs. The DB instance is in \
                 {vpc_id} and the EC2 security group is in another."
                    .replace("{vpc_id}", vpc_id),
            ));
        }
    }
    Ok(named)
}
