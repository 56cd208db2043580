//! AWS's public parameters: those that name the machine images which instances can be started from
//! here (`neargate_domain::machine_image`). They are in no store.

use neargate_api_ssm as api;
use neargate_base::arn::partition;
use neargate_base::{Region, Timestamp};
use neargate_domain::machine_image::{self, CREATED, MachineImage};

/// Where they are.
pub(crate) const PREFIX: &str = "/aws/service/";

/// All of the region, by name.
pub(crate) fn all(region: &Region) -> Vec<api::Parameter> {
    let images = machine_image::all(region);
    let mut all: Vec<_> = images.iter().flat_map(|image| of(region, image)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

pub(crate) fn find(region: &Region, name: &str) -> Option<api::Parameter> {
    let mut all = all(region).into_iter();
    all.find(|parameter| parameter.name.as_deref() == Some(name))
}

/// An image has its id; ECS's have their name, and all that is known of them in one.
fn of(region: &Region, image: &MachineImage) -> Vec<api::Parameter> {
    let mut all = vec![parameter(region, &image.parameter, image.id.clone())];
    let recommended = image.parameter.strip_suffix("/image_id");
    if let Some(recommended) = recommended.filter(|name| name.ends_with("/recommended")) {
        let whole = serde_json::json!({
            "schema_version": 1,
            "image_id": image.id,
            "image_name": image.name,
        });
        let name = format!("{recommended}/image_name");
        all.push(parameter(region, recommended, whole.to_string()));
        all.push(parameter(region, &name, image.name.clone()));
    }
    all
}

fn parameter(region: &Region, name: &str, value: String) -> api::Parameter {
    let made: Option<jiff::Timestamp> = CREATED.parse().ok();
    let made = made.map(|at| Timestamp::from_millis(at.as_millisecond()));
    api::Parameter {
        name: Some(name.to_owned()),
        r#type: Some("String".into()),
        value: Some(value),
        version: Some(1),
        last_modified_date: made,
        arn: Some(format!(
            "arn:{}:ssm:{region}::parameter{name}",
            partition(region)
        )),
        data_type: Some("text".into()),
        ..Default::default()
    }
}
