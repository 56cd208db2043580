//! Machine images: those that instances here can be started from
//! (`neargate_domain::machine_image`).

use super::instances::machine_image_of;
use super::text;
use crate::Ec2;
use crate::kind::{self, Kind};
use crate::query::{Describe, Query, none, one};
use neargate_api_ec2 as api;
use neargate_domain::machine_image::{self, CREATED, MachineImage};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn describe_images(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeImagesInput,
) -> Result<api::DescribeImagesOutput, AwsError> {
    let ids = input.image_ids.unwrap_or_default();
    for id in &ids {
        machine_image_of(&cx.scope.region, Some(id))?;
    }
    let query = Query::new(
        input.dry_run,
        Some(ids),
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let owners = input.owners.unwrap_or_default();
    let owned = |image: &MachineImage| {
        let is = |o: &String| o == image.owner || Some(o.as_str()) == image.owner_alias;
        owners.is_empty() || owners.iter().any(is)
    };
    let all = machine_image::all(&cx.scope.region)
        .into_iter()
        .filter(owned);
    let found = query.run(all.map(image).collect())?;
    Ok(api::DescribeImagesOutput {
        images: Some(found.items),
        next_token: found.next_token,
    })
}

fn image(image: MachineImage) -> api::Image {
    api::Image {
        image_location: Some(format!(
            "{}/{}",
            image.owner_alias.unwrap_or(image.owner),
            image.name
        )),
        image_id: Some(image.id),
        name: Some(image.name),
        description: text(image.description),
        architecture: text(image.architecture),
        owner_id: text(image.owner),
        image_owner_alias: image.owner_alias.map(str::to_owned),
        state: text("available"),
        creation_date: text(CREATED),
        public: Some(true),
        image_type: text("machine"),
        platform_details: text("Linux/UNIX"),
        usage_operation: text("RunInstances"),
        block_device_mappings: Some(vec![]),
        ena_support: Some(true),
        hypervisor: text("xen"),
        root_device_name: text(image.root_device),
        root_device_type: text("ebs"),
        sriov_net_support: text("simple"),
        virtualization_type: text("hvm"),
        public_ssm_parameter_name: Some(image.parameter),
        ..Default::default()
    }
}

impl Describe for api::Image {
    const KIND: Kind = kind::IMAGE;

    fn id(&self) -> &str {
        self.image_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        &[]
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "image-id" => one(&self.image_id),
            "name" => one(&self.name),
            "description" => one(&self.description),
            "architecture" => one(&self.architecture),
            "owner-id" => one(&self.owner_id),
            "owner-alias" => one(&self.image_owner_alias),
            "state" => one(&self.state),
            "creation-date" => one(&self.creation_date),
            "is-public" => one(&self.public),
            "image-type" => one(&self.image_type),
            "hypervisor" => one(&self.hypervisor),
            "ena-support" => one(&self.ena_support),
            "root-device-name" => one(&self.root_device_name),
            "root-device-type" => one(&self.root_device_type),
            "sriov-net-support" => one(&self.sriov_net_support),
            "virtualization-type" => one(&self.virtualization_type),
            "block-device-mapping.delete-on-termination"
            | "block-device-mapping.device-name"
            | "block-device-mapping.encrypted"
            | "block-device-mapping.snapshot-id"
            | "block-device-mapping.volume-size"
            | "block-device-mapping.volume-type"
            | "image-allowed"
            | "kernel-id"
            | "manifest-location"
            | "platform"
            | "product-code"
            | "product-code.type"
            | "ramdisk-id"
            | "source-image-id"
            | "source-image-region"
            | "source-instance-id"
            | "state-reason-code"
            | "state-reason-message" => none(),
            _ => None,
        }
    }
}
