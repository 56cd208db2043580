//! Why something happened, in Auto Scaling's sentences
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-verify-scaling-activity.html>).

use neargate_base::Timestamp;

/// `At 2026-11-30T03:00:00Z …`: with seconds, as AWS has it.
pub fn at(now: Timestamp, what: &str) -> String {
    let time = now.rfc3339();
    let seconds = time.split('.').next().unwrap_or(&time);
    format!("At {seconds}Z {what}")
}

/// Sentences are two spaces apart.
pub fn joined(sentences: &[String]) -> String {
    sentences.join("  ")
}

/// What changed the desired capacity.
pub fn resized(now: Timestamp, who: &str, from: u32, to: u32) -> String {
    at(
        now,
        &format!("{who} changing the desired capacity from {from} to {to}."),
    )
}

pub fn constraints(min: u32, max: u32, desired: u32) -> String {
    format!("update of AutoScalingGroup constraints to min: {min}, max: {max}, desired: {desired}")
}

pub fn started(now: Timestamp, from: u32, to: u32) -> String {
    at(
        now,
        &format!(
            "an instance was started in response to a difference between desired and actual \
             capacity, increasing the capacity from {from} to {to}."
        ),
    )
}

pub fn replaces(now: Timestamp) -> String {
    at(
        now,
        "an instance was launched in response to an unhealthy instance needing to be replaced.",
    )
}

pub fn out_of_service(now: Timestamp, why: &str) -> String {
    at(
        now,
        &format!("an instance was taken out of service in response to {why}"),
    )
}

pub fn shrunk(now: Timestamp, from: u32, to: u32) -> String {
    out_of_service(
        now,
        &format!(
            "a difference between desired and actual capacity, shrinking the capacity from {from} to {to}."
        ),
    )
}

pub fn selected(now: Timestamp, id: &str) -> String {
    at(now, &format!("instance {id} was selected for termination."))
}

/// What a user did to an instance, and what became of the desired capacity.
pub fn by_user(now: Timestamp, id: &str, what: &str, sizes: Option<(u32, u32)>) -> String {
    let and = match sizes {
        Some((from, to)) if to < from => format!(", shrinking the capacity from {from} to {to}"),
        Some((from, to)) => format!(", increasing the capacity from {from} to {to}"),
        None => String::new(),
    };
    at(
        now,
        &format!("instance {id} was {what} in response to a user request{and}."),
    )
}
