//! Which step of an Express service, or of a load balancer of Express services, comes next. A step that is made
//! twice, after a crash, makes nothing twice.

use crate::model::{ExpressLoadBalancer, ExpressService};
use neargate_base::Timestamp;
use std::time::Duration;

/// How long a deleted one is still described, as services are.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// Of an Express service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    LogGroup,
    /// Becomes a member of a load balancer.
    Join,
    SecurityGroup,
    /// Lets the load balancer to the port of the configuration.
    Port,
    TargetGroups,
    /// Its name leads to the load balancer.
    Name,
    Rule,
    Alarm,
    /// The ECS service is made, or updated.
    Service,
    Scaling,
    /// Its customer deleted the ECS service itself: nothing is left that the rest would be for.
    Abandon,

    StopScaling,
    DeleteService,
    DeleteAlarm,
    Unname,
    DeleteRule,
    DeleteTargetGroups,
    DeleteSecurityGroup,
    Leave,
    Forget,
}

/// What the service's controller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Do(Step),
    /// Something else must come first, whose change wakes the controller.
    Wait,
    At(Timestamp),
    Nothing,
}

/// The ECS service of an Express service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none, or it is over.
    Gone,
    Active,
    Draining,
}

/// What an Express service stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    /// Its load balancer takes traffic.
    pub ready: bool,
    pub service: Standing,
}

pub fn of_service(express: &ExpressService, around: Around, now: Timestamp) -> Next {
    let made = &express.made;
    if let Some(deleted_at) = express.deleted_at {
        return taking_down(express, around, deleted_at, now);
    }
    if made.service > 0 && around.service != Standing::Active {
        return Next::Do(Step::Abandon);
    }
    let Some(wanted) = express.wanted() else {
        return Next::Nothing;
    };
    let steps = [
        (made.log_group == wanted.number, Step::LogGroup),
        (made.load_balancer.is_some(), Step::Join),
    ];
    if let Some((_, step)) = steps.iter().find(|(done, _)| !done) {
        return Next::Do(*step);
    }
    if !around.ready {
        return Next::Wait;
    }
    let steps = [
        (made.security_group.is_some(), Step::SecurityGroup),
        (made.ports.contains(&wanted.container_port), Step::Port),
        (made.target_groups.len() == 2, Step::TargetGroups),
        (made.named, Step::Name),
        (made.rule.is_some(), Step::Rule),
        (made.alarm, Step::Alarm),
        (made.service == wanted.number, Step::Service),
        (made.scaling == wanted.number, Step::Scaling),
    ];
    match steps.iter().find(|(done, _)| !done) {
        Some((_, step)) => Next::Do(*step),
        None => Next::Nothing,
    }
}

/// In this order everything is taken down, whether it is known to have been made or not.
const DOWN: [Step; 8] = [
    Step::StopScaling,
    Step::DeleteService,
    Step::DeleteAlarm,
    Step::Unname,
    Step::DeleteRule,
    Step::DeleteTargetGroups,
    Step::DeleteSecurityGroup,
    Step::Leave,
];

/// Nothing is left of it.
pub fn is_down(express: &ExpressService) -> bool {
    express.made.down >= DOWN.len()
}

fn taking_down(
    express: &ExpressService,
    around: Around,
    deleted_at: Timestamp,
    now: Timestamp,
) -> Next {
    match DOWN.get(express.made.down) {
        Some(Step::DeleteAlarm) if around.service != Standing::Gone => Next::Wait,
        Some(step) => Next::Do(*step),
        None if deleted_at + REMEMBERED <= now => Next::Do(Step::Forget),
        None => Next::At(deleted_at + REMEMBERED),
    }
}

/// Of a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalancerStep {
    SecurityGroup,
    Certificate,
    Create,
    Listener,
    Redirect,

    Delete,
    DeleteCertificate,
    DeleteSecurityGroup,
    Forget,
}

/// `None`: all is as it should be.
pub fn of_balancer(balancer: &ExpressLoadBalancer) -> Option<BalancerStep> {
    const DOWN: [BalancerStep; 4] = [
        BalancerStep::Delete,
        BalancerStep::DeleteCertificate,
        BalancerStep::DeleteSecurityGroup,
        BalancerStep::Forget,
    ];
    if balancer.leaving {
        return DOWN.get(balancer.down).copied();
    }
    let steps = [
        (
            balancer.security_group.is_some(),
            BalancerStep::SecurityGroup,
        ),
        (balancer.certificate.is_some(), BalancerStep::Certificate),
        (balancer.arn.is_some(), BalancerStep::Create),
        (balancer.listener.is_some(), BalancerStep::Listener),
        (balancer.redirect.is_some(), BalancerStep::Redirect),
    ];
    let next = steps.iter().find(|(done, _)| !done);
    next.map(|(_, step)| *step)
}
