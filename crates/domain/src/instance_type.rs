//! The usual EC2 instance types: what they have
//! (<https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-type-specifications.html>).

/// An EC2 instance type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceType {
    /// `t3.small`.
    pub name: String,
    pub vcpus: u32,
    /// Nominal: less is registered.
    pub memory_mib: u32,
    /// Network interfaces, the primary one included.
    pub interfaces: u32,
    /// `x86_64` or `arm64`.
    pub architecture: &'static str,
}

/// (size, vCPUs, GiB, interfaces)
type Size = (&'static str, u32, u32, u32);

/// In half GiB, for the smallest has half a one.
const BURSTABLE: [Size; 7] = [
    ("nano", 2, 1, 2),
    ("micro", 2, 2, 2),
    ("small", 2, 4, 3),
    ("medium", 2, 8, 3),
    ("large", 2, 16, 3),
    ("xlarge", 4, 32, 4),
    ("2xlarge", 8, 64, 4),
];

/// The sizes of the other families: vCPUs and interfaces; memory is so much for each vCPU.
const FIXED: [Size; 4] = [
    ("large", 2, 0, 3),
    ("xlarge", 4, 0, 4),
    ("2xlarge", 8, 0, 4),
    ("4xlarge", 16, 0, 8),
];

const BURSTABLE_FAMILIES: [&str; 4] = ["t2", "t3", "t3a", "t4g"];

/// (family, GiB for each vCPU)
const FAMILIES: [(&str, u32); 27] = [
    ("c5", 2),
    ("c5a", 2),
    ("c6a", 2),
    ("c6g", 2),
    ("c6i", 2),
    ("c7a", 2),
    ("c7g", 2),
    ("c7i", 2),
    ("c8g", 2),
    ("m5", 4),
    ("m5a", 4),
    ("m6a", 4),
    ("m6g", 4),
    ("m6i", 4),
    ("m7a", 4),
    ("m7g", 4),
    ("m7i", 4),
    ("m8g", 4),
    ("r5", 8),
    ("r5a", 8),
    ("r6a", 8),
    ("r6g", 8),
    ("r6i", 8),
    ("r7a", 8),
    ("r7g", 8),
    ("r7i", 8),
    ("r8g", 8),
];

/// The type of this name.
pub fn find(name: &str) -> Option<InstanceType> {
    let (family, size) = name.split_once('.')?;
    let named = |(of, ..): &&Size| *of == size;
    let (vcpus, memory_mib, interfaces) = if BURSTABLE_FAMILIES.contains(&family) {
        let (_, vcpus, half_gib, interfaces) = *BURSTABLE.iter().find(named)?;
        burstable(family, size, vcpus, half_gib * 512, interfaces)
    } else {
        let (_, gib) = *FAMILIES.iter().find(|(of, _)| *of == family)?;
        let (_, vcpus, _, interfaces) = *FIXED.iter().find(named)?;
        (vcpus, vcpus * gib * 1024, interfaces)
    };
    Some(InstanceType {
        name: name.to_owned(),
        vcpus,
        memory_mib,
        interfaces,
        // AWS's processors have a g after the generation's number.
        architecture: if family.ends_with('g') {
            "arm64"
        } else {
            "x86_64"
        },
    })
}

/// Where a family differs from t3.
fn burstable(
    family: &str,
    size: &str,
    vcpus: u32,
    memory_mib: u32,
    interfaces: u32,
) -> (u32, u32, u32) {
    match (family, size) {
        ("t2", "nano" | "micro" | "small") => (1, memory_mib, interfaces),
        ("t2", "xlarge" | "2xlarge") => (vcpus, memory_mib, 3),
        ("t3a", "small") => (vcpus, memory_mib, 2),
        _ => (vcpus, memory_mib, interfaces),
    }
}

/// Every name that [`find`] knows.
pub fn names() -> Vec<String> {
    let of = |family: &'static str, sizes: &'static [Size]| {
        sizes
            .iter()
            .map(move |(size, ..)| format!("{family}.{size}"))
    };
    let burstable = BURSTABLE_FAMILIES
        .into_iter()
        .flat_map(|f| of(f, &BURSTABLE));
    let fixed = FAMILIES.into_iter().flat_map(|(f, _)| of(f, &FIXED));
    burstable.chain(fixed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_as_ec2_has_them() {
        for (name, vcpus, memory_mib, interfaces) in [
            ("t2.micro", 1, 1024, 2),
            ("t2.2xlarge", 8, 32_768, 3),
            ("t3.nano", 2, 512, 2),
            ("t3.small", 2, 2048, 3),
            ("t3a.small", 2, 2048, 2),
            ("m5.large", 2, 8192, 3),
            ("c6i.xlarge", 4, 8192, 4),
            ("r5.4xlarge", 16, 131_072, 8),
        ] {
            let found = find(name).unwrap();
            assert_eq!(
                (found.vcpus, found.memory_mib, found.interfaces),
                (vcpus, memory_mib, interfaces),
                "{name}"
            );
        }
        assert_eq!(find("t4g.small").unwrap().architecture, "arm64");
        assert_eq!(find("m6i.large").unwrap().architecture, "x86_64");
        for bad in ["", "t3", "t3.", "t3.huge", "m5.nano", "x9.large"] {
            assert_eq!(find(bad), None, "{bad}");
        }
        for name in names() {
            assert!(find(&name).is_some(), "{name}");
        }
    }
}
