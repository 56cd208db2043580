//! Sessions with containers of ECS tasks: begun, resumed, ended, listed
//! (<https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager.html>).

use crate::session::session_id;
use crate::{Ssm, error};
use neargate_api_ssm as api;
use neargate_base::Timestamp;
use neargate_service::page::{Size, page_descending};
use neargate_service::session::{Phase, Purpose, Session, Wanted, stream_url};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const SHELL: &str = "SSM-SessionManagerRunShell";
const FORWARD: &str = "AWS-StartPortForwardingSession";
const FORWARD_TO_HOST: &str = "AWS-StartPortForwardingSessionToRemoteHost";
const SIZE: Size = Size::up_to(200);
const COMMAND: &str = "AWS-StartInteractiveCommand";

/// Begins a session with a container that `ecs:CLUSTER_TASK_RUNTIMEID` names.
pub(crate) async fn start_session(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::StartSessionInput,
) -> Result<api::StartSessionOutput, AwsError> {
    let document = input.document_name.as_deref().unwrap_or(SHELL);
    let parameter = |name: &str| -> Option<String> {
        let values = input.parameters.as_ref()?.get(name)?;
        values.first().cloned()
    };
    let purpose = match document {
        SHELL => Purpose::Command {
            args: vec!["sh".to_owned()],
        },
        COMMAND => {
            let command =
                parameter("command").ok_or_else(|| error::missing_parameter("command"))?;
            let args = shlex::split(&command).filter(|args| !args.is_empty());
            let args = args.ok_or_else(|| error::invalid_session_parameter("command"))?;
            Purpose::Command { args }
        }
        FORWARD | FORWARD_TO_HOST => {
            let host = parameter("host").filter(|_| document == FORWARD_TO_HOST);
            if document == FORWARD_TO_HOST && host.is_none() {
                return Err(error::missing_parameter("host"));
            }
            // The documents' own default.
            let port = parameter("portNumber").unwrap_or_else(|| "80".to_owned());
            let port = port.parse().ok().filter(|port| *port != 0);
            Purpose::Port {
                host,
                port: port.ok_or_else(|| error::invalid_session_parameter("portNumber"))?,
                local_port: parameter("localPortNumber"),
            }
        }
        _ => return Err(error::no_such_document(document)),
    };
    let not_connected = || error::not_connected(&input.target);
    let containers = cx.house.sessions.containers().ok_or_else(not_connected)?;
    let place = containers.find(&cx.house, &cx.scope, &input.target).await;
    let place = place.ok_or_else(not_connected)?;
    containers
        .is_within_reach(&place.node)
        .map_err(error::out_of_reach)?;
    let wanted = Wanted {
        id: session_id(&cx.principal.arn, &cx.house.rng),
        scope: cx.scope.clone(),
        owner: cx.principal.arn.clone(),
        target: input.target.clone(),
        document: document.to_owned(),
        reason: input.reason,
        place,
        purpose,
        audit: None,
        encryption: None,
    };
    let begun = cx.house.sessions.begin(&cx.house, wanted);
    let begun = begun.ok_or_else(error::too_many_sessions)?;
    Ok(api::StartSessionOutput {
        session_id: Some(begun.session_id),
        stream_url: Some(begun.stream_url),
        token_value: Some(begun.token),
    })
}

/// The caller's session of that id.
fn named(cx: &Ctx, id: &str) -> Option<Arc<Session>> {
    let session = cx.house.sessions.get(id);
    session.filter(|session| session.wanted.scope == cx.scope)
}

/// A new token for a session whose client lost its connection. One that is over has none: the
/// plugin takes that for its end.
pub(crate) async fn resume_session(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::ResumeSessionInput,
) -> Result<api::ResumeSessionOutput, AwsError> {
    let session = named(&cx, &input.session_id);
    let session = session.ok_or_else(|| error::no_such_session(&input.session_id))?;
    Ok(api::ResumeSessionOutput {
        token_value: session.token(&cx.house),
        stream_url: Some(stream_url(&cx.house, &input.session_id)),
        session_id: Some(input.session_id),
    })
}

/// Ends a session; one that is over, or never was, is answered alike.
pub(crate) async fn terminate_session(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::TerminateSessionInput,
) -> Result<api::TerminateSessionOutput, AwsError> {
    if let Some(session) = named(&cx, &input.session_id) {
        session.terminate(cx.now());
    }
    Ok(api::TerminateSessionOutput {
        session_id: Some(input.session_id),
    })
}

/// The sessions that go on, or those that are over, newest first.
pub(crate) async fn describe_sessions(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::DescribeSessionsInput,
) -> Result<api::DescribeSessionsOutput, AwsError> {
    let over = input.state != "Active";
    let filters = input.filters.unwrap_or_default();
    let mut keep = Vec::new();
    for session in cx.house.sessions.of(&cx.house, &cx.scope) {
        if (session.phase() == Phase::Terminated) != over {
            continue;
        }
        let mut passes = true;
        for filter in &filters {
            passes &= matches(&session, &filter.key, &filter.value)?;
        }
        if passes {
            keep.push(session);
        }
    }
    let (size, token) = (SIZE.clamp(input.max_results), input.next_token.as_deref());
    let paged = page_descending(keep, token, size, |session| {
        format!(
            "{:020} {}",
            session.started_at.as_millis(),
            session.wanted.id
        )
    });
    let paged = paged.map_err(|_| error::invalid_session_token())?;
    Ok(api::DescribeSessionsOutput {
        sessions: Some(paged.items.iter().map(|session| shown(session)).collect()),
        next_token: paged.next_token,
    })
}

fn status(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "Connecting",
        Phase::Connected => "Connected",
        Phase::Disconnected => "Disconnected",
        Phase::Terminated => "Terminated",
    }
}

fn matches(session: &Session, key: &str, value: &str) -> Result<bool, AwsError> {
    let time = || -> Result<Timestamp, AwsError> {
        let time: jiff::Timestamp = value
            .parse()
            .map_err(|_| error::invalid_filter_value(value))?;
        Ok(Timestamp::from_millis(time.as_millisecond()))
    };
    Ok(match key {
        "InvokedAfter" => session.started_at >= time()?,
        "InvokedBefore" => session.started_at < time()?,
        "Target" => session.wanted.target == value,
        "Owner" => session.wanted.owner == value,
        "Status" => status(session.phase()) == value,
        "SessionId" => session.wanted.id == value,
        // There is no other kind.
        _ => value == "Standard",
    })
}

fn shown(session: &Session) -> api::Session {
    let wanted = &session.wanted;
    api::Session {
        session_id: Some(wanted.id.clone()),
        target: Some(wanted.target.clone()),
        status: Some(status(session.phase()).to_owned()),
        start_date: Some(session.started_at),
        end_date: session.ended_at(),
        document_name: Some(wanted.document.clone()),
        owner: Some(wanted.owner.clone()),
        reason: wanted.reason.clone(),
        access_type: Some("Standard".to_owned()),
        ..Default::default()
    }
}
