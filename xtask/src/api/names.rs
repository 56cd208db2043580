//! Rust names for the models' names.

/// Strict and reserved keywords of the 2024 edition.
const KEYWORDS: [&str; 44] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "use", "where",
];

/// `application-autoscaling` -> `application_autoscaling`.
pub fn module(service: &str) -> String {
    service.replace('-', "_")
}

/// A member's field: `enableECSManagedTags` -> `enable_ecs_managed_tags`.
pub fn field(member: &str) -> String {
    // Plurals and the like, in which a capital begins no word.
    let mut name = member.to_owned();
    for (from, to) in [
        ("IPv", "Ipv"),
        ("IPs", "Ips"),
        ("ARNs", "Arns"),
        ("IDs", "Ids"),
        ("vCPU", "Vcpu"),
        ("vCpu", "Vcpu"),
        ("CIDRs", "Cidrs"),
        ("KBs", "Kbs"),
        ("MiB", "Mib"),
        ("GiB", "Gib"),
        ("OAuth", "Oauth"),
        ("OpenID", "Openid"),
    ] {
        name = name.replace(from, to);
    }
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, c) in letters.iter().enumerate() {
        if c.is_uppercase() && at > 0 {
            let after = letters[at - 1];
            let before = letters.get(at + 1);
            let starts = after.is_lowercase()
                || after.is_ascii_digit()
                || (after.is_uppercase() && before.is_some_and(|b| b.is_lowercase()));
            if starts {
                out.push('_');
            }
        }
        out.extend(
            c.to_lowercase()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }),
        );
    }
    match out.as_str() {
        "self" | "super" | "crate" | "_" | "" => out.push('_'),
        _ if out.starts_with(|c: char| c.is_ascii_digit()) => out.insert(0, '_'),
        keyword if KEYWORDS.contains(&keyword) => out = format!("r#{keyword}"),
        _ => {}
    }
    out
}

/// A shape's table: its own name.
pub fn table(shape: &str) -> String {
    if KEYWORDS.contains(&shape) {
        format!("r#{shape}")
    } else {
        shape.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_snake_case() {
        let cases = [
            ("clusterArn", "cluster_arn"),
            ("enableECSManagedTags", "enable_ecs_managed_tags"),
            ("IPv6CidrBlock", "ipv6_cidr_block"),
            ("ec2InstanceId", "ec2_instance_id"),
            ("SHA256", "sha256"),
            ("VPCId", "vpc_id"),
            ("secretARNs", "secret_arns"),
            ("sizeInGiB", "size_in_gib"),
            ("type", "r#type"),
            ("self", "self_"),
            ("2fa", "_2fa"),
            ("x-amz", "x_amz"),
        ];
        for (member, name) in cases {
            assert_eq!(field(member), name);
        }
        assert_eq!(module("application-autoscaling"), "application_autoscaling");
    }
}
