//! Instances
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Instances.html>): asked for here, run by the
//! host that keeps their records (`neargate_service::instance`).

mod attributes;
mod power;
mod run;
mod show;

pub use attributes::{describe_instance_attribute, modify_instance_attribute};
pub use power::{reboot_instances, start_instances, stop_instances, terminate_instances};
pub(super) use run::image as machine_image_of;
pub use run::run_instances;
pub use show::{describe_instance_status, describe_instances};

use crate::change::all;
use crate::error::instance as say;
use crate::kind;
use neargate_service::instance::Instance;
use neargate_service::{AwsError, Ctx, Stored};

/// The instances of these ids, in their order.
///
/// # Errors
/// `InvalidInstanceID.Malformed`, or `InvalidInstanceID.NotFound` with all that do not exist.
async fn named(cx: &Ctx, ids: &[String]) -> Result<Vec<Stored<Instance>>, AwsError> {
    let known = all::<Instance>(cx).await?;
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for id in ids {
        kind::INSTANCE.check(id)?;
        match known.iter().find(|i| i.id() == id) {
            Some(instance) => found.push(instance.clone()),
            None => unknown.push(id.clone()),
        }
    }
    match unknown.is_empty() {
        true => Ok(found),
        false => Err(say::not_found(&unknown)),
    }
}
