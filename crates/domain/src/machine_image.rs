//! Machine images (AMIs) of EC2: those that instances here can be started from. An instance is a slice
//! of its host and boots nothing; what its image decides is whether an ECS agent is on it.
//!
//! Names are Amazon's; ids derive from region and name, and are the same after every start.

use crate::vpc::derived;
use neargate_base::Region;

/// An image in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineImage {
    /// `ami-` and 17 hexadecimal digits.
    pub id: String,
    pub name: String,
    pub description: &'static str,
    /// `x86_64` or `arm64`.
    pub architecture: &'static str,
    /// The ECS agent is on it, and joins a cluster.
    pub has_agent: bool,
    /// The public parameter of Systems Manager that names it.
    pub parameter: String,
    /// Amazon's account, or Canonical's.
    pub owner: &'static str,
    /// `amazon`, or nothing.
    pub owner_alias: Option<&'static str>,
    pub root_device: &'static str,
}

const AMAZON: &str = "137112412989";
const AMAZON_ECS: &str = "591542846629";
const CANONICAL: &str = "099720109477";
/// When these images are said to be made: they never change.
pub const CREATED: &str = "2026-11-01T00:00:00.000Z";
const DATE: &str = "20261101";

struct Family {
    /// With the date in place of `@`.
    name: &'static str,
    description: &'static str,
    architecture: &'static str,
    has_agent: bool,
    parameter: &'static str,
    owner: &'static str,
    root_device: &'static str,
}

const FAMILIES: [Family; 9] = [
    Family {
        name: "al2023-ami-ecs-hvm-2023.0.@-kernel-6.1-x86_64",
        description: "Amazon Linux AMI 2023.0.@ x86_64 ECS HVM EBS",
        architecture: "x86_64",
        has_agent: true,
        parameter: "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
        owner: AMAZON_ECS,
        root_device: "/dev/xvda",
    },
    Family {
        name: "al2023-ami-ecs-hvm-2023.0.@-kernel-6.1-arm64",
        description: "Amazon Linux AMI 2023.0.@ arm64 ECS HVM EBS",
        architecture: "arm64",
        has_agent: true,
        parameter: "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id",
        owner: AMAZON_ECS,
        root_device: "/dev/xvda",
    },
    Family {
        name: "amzn2-ami-ecs-hvm-2.0.@-x86_64-ebs",
        description: "Amazon Linux AMI 2.0.@ x86_64 ECS HVM GP2",
        architecture: "x86_64",
        has_agent: true,
        parameter: "/aws/service/ecs/optimized-ami/amazon-linux-2/recommended/image_id",
        owner: AMAZON_ECS,
        root_device: "/dev/xvda",
    },
    Family {
        name: "amzn2-ami-ecs-hvm-2.0.@-arm64-ebs",
        description: "Amazon Linux AMI 2.0.@ arm64 ECS HVM GP2",
        architecture: "arm64",
        has_agent: true,
        parameter: "/aws/service/ecs/optimized-ami/amazon-linux-2/arm64/recommended/image_id",
        owner: AMAZON_ECS,
        root_device: "/dev/xvda",
    },
    Family {
        name: "bottlerocket-aws-ecs-2-x86_64-v1.50.0-@",
        description: "bottlerocket-aws-ecs-2-x86_64-v1.50.0",
        architecture: "x86_64",
        has_agent: true,
        parameter: "/aws/service/bottlerocket/aws-ecs-2/x86_64/latest/image_id",
        owner: AMAZON,
        root_device: "/dev/xvda",
    },
    Family {
        name: "al2023-ami-2023.9.@.0-kernel-6.1-x86_64",
        description: "Amazon Linux 2023 AMI 2023.9.@.0 x86_64 HVM kernel-6.1",
        architecture: "x86_64",
        has_agent: false,
        parameter: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        owner: AMAZON,
        root_device: "/dev/xvda",
    },
    Family {
        name: "al2023-ami-2023.9.@.0-kernel-6.1-arm64",
        description: "Amazon Linux 2023 AMI 2023.9.@.0 arm64 HVM kernel-6.1",
        architecture: "arm64",
        has_agent: false,
        parameter: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
        owner: AMAZON,
        root_device: "/dev/xvda",
    },
    Family {
        name: "amzn2-ami-hvm-2.0.@.0-x86_64-gp2",
        description: "Amazon Linux 2 AMI 2.0.@.0 x86_64 HVM gp2",
        architecture: "x86_64",
        has_agent: false,
        parameter: "/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2",
        owner: AMAZON,
        root_device: "/dev/xvda",
    },
    Family {
        name: "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-@",
        description: "Canonical, Ubuntu, 24.04, amd64 noble image",
        architecture: "x86_64",
        has_agent: false,
        parameter: "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
        owner: CANONICAL,
        root_device: "/dev/sda1",
    },
];

/// Every image of the region.
pub fn all(region: &Region) -> Vec<MachineImage> {
    let image = |family: &Family| MachineImage {
        id: format!("ami-{}", derived(&[region.as_str(), family.name])),
        name: family.name.replace('@', DATE),
        description: family.description,
        architecture: family.architecture,
        has_agent: family.has_agent,
        parameter: family.parameter.to_owned(),
        owner: family.owner,
        owner_alias: (family.owner != CANONICAL).then_some("amazon"),
        root_device: family.root_device,
    };
    FAMILIES.iter().map(image).collect()
}

/// The image of this id in the region.
pub fn find(region: &Region, id: &str) -> Option<MachineImage> {
    all(region).into_iter().find(|image| image.id == id)
}

/// What ECS recommends for this architecture.
pub fn ecs_optimized(region: &Region, architecture: &str) -> Option<MachineImage> {
    let fits = |i: &MachineImage| i.has_agent && i.architecture == architecture;
    all(region).into_iter().find(fits)
}

/// The image that a public parameter names, such as
/// `/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id`.
pub fn of_parameter(region: &Region, name: &str) -> Option<MachineImage> {
    all(region)
        .into_iter()
        .find(|image| image.parameter == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_a_region_and_stay() {
        let (here, there) = (Region::default(), "eu-west-1".parse().expect("a region"));
        let (a, b) = (all(&here), all(&there));
        assert_eq!(a, all(&here));
        assert!(
            a.iter()
                .zip(&b)
                .all(|(a, b)| a.name == b.name && a.id != b.id)
        );
        let ids: std::collections::BTreeSet<_> = a.iter().map(|i| &i.id).collect();
        assert_eq!(ids.len(), a.len());
        assert_eq!(find(&here, &a[3].id).as_ref(), Some(&a[3]));
        assert_eq!(find(&here, &b[3].id), None);
        assert_eq!(
            ecs_optimized(&here, "arm64").map(|i| i.name),
            Some(a[1].name.clone())
        );
        assert_eq!(of_parameter(&here, &a[5].parameter), Some(a[5].clone()));
    }
}
