//! AWS Systems Manager: Parameter Store, and sessions with containers ([`session`]).
//!
//! A SecureString is kept as KMS encrypted it. AWS's public parameters are derived
//! ([`public`]), and secrets of Secrets Manager are read through it ([`reference`]).

mod api;
mod error;
mod event;
mod expiration;
mod filter;
mod model;
mod name;
mod public;
mod reference;
mod secure;
mod session;

/// The wire of data channels, for clients of our own.
pub mod data_channel {
    pub use crate::session::{
        ACKNOWLEDGE, Acknowledged, CHANNEL_CLOSED, Channel, ChannelEnd, Frame, Message, Outgoing,
        Payload, Side, read, write,
    };
}
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use neargate_api_ssm::{SERVICE, ops};
use neargate_service::door::HttpDoor;
use neargate_service::{
    AfterReset, AwsError, Background, Component, House, OperationTable, Service,
};
use neargate_wire::route::Door;
use session::{DataChannelDoor, DataChannels};
use std::sync::Arc;

/// SSM's handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct Ssm {
    channels: Arc<DataChannels>,
}

#[async_trait]
impl Component for Ssm {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.spawn("parameter-expiration", expiration::run(house));
    }

    async fn reset(self: Arc<Self>, house: &Arc<House>) -> Result<AfterReset, AwsError> {
        house.sessions.reset(house.now());
        Ok(AfterReset::nothing())
    }

    fn doors(self: Arc<Self>) -> Vec<(Door, Arc<dyn HttpDoor>)> {
        let channels = DataChannelDoor(self.channels.clone());
        vec![(Door::DataChannel, Arc::new(channels))]
    }
}

const PUT: &str = "policies of notification and the data type aws:ssm:integration are refused";
const TAGS: &str = "of parameters alone";
const SESSIONS: &str = "with containers of ECS tasks, not with instances; documents are AWS's own \
                        for shells, commands and ports; names of remote hosts are resolved as the \
                        control plane's host resolves them";
const REMEMBERED: &str = "sessions are remembered until this process ends, the last thousand";
const SHARED: &str = "no parameters are shared with other accounts";

/// Which operations are served, and how completely.
fn table(ssm: Arc<Ssm>) -> OperationTable<Ssm> {
    use api::{delete, describe, get, history, labels, put, sessions, tags};
    OperationTable::new(&SERVICE, ssm)
        .partly(ops::AddTagsToResource, tags::add_tags_to_resource, TAGS)
        .on(ops::DeleteParameter, delete::delete_parameter)
        .on(ops::DeleteParameters, delete::delete_parameters)
        .partly(
            ops::DescribeParameters,
            describe::describe_parameters,
            SHARED,
        )
        .partly(
            ops::DescribeSessions,
            sessions::describe_sessions,
            REMEMBERED,
        )
        .on(ops::ResumeSession, sessions::resume_session)
        .partly(ops::StartSession, sessions::start_session, SESSIONS)
        .on(ops::TerminateSession, sessions::terminate_session)
        .on(ops::GetParameter, get::get_parameter)
        .on(ops::GetParameterHistory, history::get_parameter_history)
        .on(ops::GetParameters, get::get_parameters)
        .on(ops::GetParametersByPath, get::get_parameters_by_path)
        .on(ops::LabelParameterVersion, labels::label_parameter_version)
        .partly(ops::ListTagsForResource, tags::list_tags_for_resource, TAGS)
        .partly(ops::PutParameter, put::put_parameter, PUT)
        .partly(
            ops::RemoveTagsFromResource,
            tags::remove_tags_from_resource,
            TAGS,
        )
        .on(
            ops::UnlabelParameterVersion,
            labels::unlabel_parameter_version,
        )
}
