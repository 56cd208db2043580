//! AWS RDS: database instances of PostgreSQL, MySQL and MariaDB, each a task of ECS with a volume of its own,
//! security groups and a name ([`endpoint`]). There are no DB clusters.
//!
//! A request writes what is wanted; the [controllers](controller) run tasks in RDS's own cluster
//! ([`neargate_service::managed`]), and write what is observed. An instance is `available` only while its
//! engine answers its health check.

mod api;
mod controller;
mod credentials;
mod endpoint;
mod error;
mod happening;
mod model;
mod plan;
mod tasks;
#[cfg(test)]
mod tests;

use neargate_api_rds::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct Rds;

impl Component for Rds {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{
            account, create, describe, events, modify, parameter_groups, power, restore, snapshots,
            subnet_groups, tags, versions,
        };
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .partly(ops::CreateDBInstance, create::create_db_instance, CREATE)
            .on(ops::DescribeDBInstances, describe::describe_db_instances)
            .partly(ops::ModifyDBInstance, modify::modify_db_instance, MODIFY)
            .on(ops::StartDBInstance, power::start_db_instance)
            .partly(ops::StopDBInstance, power::stop_db_instance, STOP)
            .on(ops::RebootDBInstance, power::reboot_db_instance)
            .partly(ops::DeleteDBInstance, power::delete_db_instance, BACKUPS)
            .on(
                ops::DescribeValidDBInstanceModifications,
                describe::describe_valid_db_instance_modifications,
            )
            .partly(
                ops::DescribeDBClusters,
                describe::describe_db_clusters,
                "There are no DB clusters: the list is always empty",
            )
            .partly(
                ops::CreateDBSnapshot,
                snapshots::create_db_snapshot,
                SNAPSHOT,
            )
            .on(ops::DescribeDBSnapshots, snapshots::describe_db_snapshots)
            .on(
                ops::DescribeDBSnapshotAttributes,
                snapshots::describe_db_snapshot_attributes,
            )
            .partly(ops::CopyDBSnapshot, snapshots::copy_db_snapshot, COPY)
            .on(ops::DeleteDBSnapshot, snapshots::delete_db_snapshot)
            .partly(
                ops::RestoreDBInstanceFromDBSnapshot,
                restore::restore_db_instance_from_db_snapshot,
                CREATE,
            )
            .on(
                ops::CreateDBSubnetGroup,
                subnet_groups::create_db_subnet_group,
            )
            .on(
                ops::ModifyDBSubnetGroup,
                subnet_groups::modify_db_subnet_group,
            )
            .on(
                ops::DescribeDBSubnetGroups,
                subnet_groups::describe_db_subnet_groups,
            )
            .on(
                ops::DeleteDBSubnetGroup,
                subnet_groups::delete_db_subnet_group,
            )
            .on(
                ops::CreateDBParameterGroup,
                parameter_groups::create_db_parameter_group,
            )
            .partly(
                ops::ModifyDBParameterGroup,
                parameter_groups::modify_db_parameter_group,
                PARAMETERS,
            )
            .partly(
                ops::ResetDBParameterGroup,
                parameter_groups::reset_db_parameter_group,
                PARAMETERS,
            )
            .on(
                ops::DescribeDBParameterGroups,
                parameter_groups::describe_db_parameter_groups,
            )
            .on(
                ops::DeleteDBParameterGroup,
                parameter_groups::delete_db_parameter_group,
            )
            .partly(
                ops::DescribeDBParameters,
                parameter_groups::describe_db_parameters,
                PARAMETERS,
            )
            .partly(
                ops::DescribeEngineDefaultParameters,
                parameter_groups::describe_engine_default_parameters,
                PARAMETERS,
            )
            .partly(
                ops::DescribeDBEngineVersions,
                versions::describe_db_engine_versions,
                VERSIONS,
            )
            .partly(
                ops::DescribeOrderableDBInstanceOptions,
                versions::describe_orderable_db_instance_options,
                VERSIONS,
            )
            .on(ops::DescribeEvents, events::describe_events)
            .on(
                ops::DescribeEventCategories,
                events::describe_event_categories,
            )
            .on(ops::AddTagsToResource, tags::add_tags_to_resource)
            .on(ops::RemoveTagsFromResource, tags::remove_tags_from_resource)
            .on(ops::ListTagsForResource, tags::list_tags_for_resource)
            .partly(
                ops::DescribeAccountAttributes,
                account::describe_account_attributes,
                "The limits are AWS's defaults, which nothing here enforces",
            )
            .on(
                ops::DescribePendingMaintenanceActions,
                account::describe_pending_maintenance_actions,
            )
            .partly(
                ops::DescribeOptionGroups,
                account::describe_option_groups,
                "The default groups alone, which have no options",
            );
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(controller::Instances::new(house.clone()));
        background.control(controller::Snapshots::new(house.clone()));
        background.spawn("rds-happenings", happening::forget(house));
    }
}

const CREATE: &str = "postgres, mysql and mariadb, without MultiAZ, encryption, IAM authentication, Iops, storage \
                      autoscaling, monitoring and domains, each of which is refused by its name. The host's disk \
                      alone bounds the storage; there are no automated backups; the master user has all that the \
                      engine grants anybody";
const MODIFY: &str = "A new password, security groups, public access and log exports start the engine anew. No new \
                      identifier, other subnet group or major version";
const STOP: &str = "It stays stopped until somebody starts it, not for seven days";
const BACKUPS: &str = "There are no automated backups to keep";
const SNAPSHOT: &str = "The engine is stopped while its volume is copied";
const COPY: &str = "Within one account and region; KmsKeyId and OptionGroupName are refused";
const PARAMETERS: &str =
    "Those that DescribeDBParameters lists; all of them are taken when the engine starts";
const VERSIONS: &str = "One version of each major one; the image decides which it is in truth";
