//! The rules of capacity providers and their strategies
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cluster-capacity-providers.html>).

use neargate_api_ecs as api;

/// The capacity providers that every account has.
pub const FARGATE: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];
/// The most items of one strategy
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PutClusterCapacityProviders.html>).
const MAX_ITEMS: usize = 20;

/// Up to 255 letters, digits, underscores and hyphens, not starting with `aws`, `ecs` or `fargate`.
pub fn is_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    crate::reference::is_name(name)
        && !["aws", "ecs", "fargate"]
            .iter()
            .any(|p| lower.starts_with(p))
}

/// A strategy over the `associated` providers of its cluster.
///
/// # Errors
/// What is wrong with it, in AWS's words.
pub fn check_strategy(
    strategy: &[api::CapacityProviderStrategyItem],
    associated: &[String],
) -> Result<(), String> {
    if strategy.len() > MAX_ITEMS {
        return Err(format!(
            "The specified capacity provider strategy has more than {MAX_ITEMS} capacity providers."
        ));
    }
    let mut seen = std::collections::BTreeSet::new();
    for item in strategy {
        if !associated.contains(&item.capacity_provider) {
            return Err("The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.".into());
        }
        if !seen.insert(&item.capacity_provider) {
            return Err("The specified capacity provider strategy cannot contain duplicate capacity providers.".into());
        }
        let within = |n: Option<i32>, most| (0..=most).contains(&n.unwrap_or(0));
        if !within(item.weight, 1_000) || !within(item.base, 100_000) {
            return Err("The specified capacity provider strategy has a weight that is not between 0 and 1000, or a base that is not between 0 and 100000.".into());
        }
    }
    if strategy.iter().filter(|i| i.base.unwrap_or(0) > 0).count() > 1 {
        return Err("The specified capacity provider strategy contains multiple capacity providers with a base value defined. Specify a base value for one capacity provider and try again.".into());
    }
    let fargate =
        |i: &&api::CapacityProviderStrategyItem| FARGATE.contains(&i.capacity_provider.as_str());
    let of_fargate = strategy.iter().filter(fargate).count();
    if of_fargate > 0 && of_fargate < strategy.len() {
        return Err("The specified capacity provider strategy cannot contain both Fargate capacity providers and other capacity providers.".into());
    }
    Ok(())
}

/// AWS's defaults for what a caller leaves out.
///
/// # Errors
/// What is wrong with it.
pub fn auto_scaling_group(
    mut given: api::AutoScalingGroupProvider,
) -> Result<api::AutoScalingGroupProvider, String> {
    let scaling = given
        .managed_scaling
        .get_or_insert_with(|| api::ManagedScaling {
            status: Some("DISABLED".into()),
            ..Default::default()
        });
    scaling.status.get_or_insert_with(|| "ENABLED".into());
    scaling.target_capacity.get_or_insert(100);
    scaling.minimum_scaling_step_size.get_or_insert(1);
    scaling.maximum_scaling_step_size.get_or_insert(10_000);
    scaling.instance_warmup_period.get_or_insert(300);
    if scaling.minimum_scaling_step_size > scaling.maximum_scaling_step_size {
        return Err(
            "The minimumScalingStepSize must not be greater than the maximumScalingStepSize."
                .into(),
        );
    }
    let scales = scaling.status.as_deref() == Some("ENABLED");
    let disabled = || "DISABLED".to_owned();
    let protection = given
        .managed_termination_protection
        .get_or_insert_with(disabled);
    if protection == "ENABLED" && !scales {
        return Err("The managed termination protection setting for the capacity provider is invalid. To enable managed termination protection for a capacity provider, managed scaling must be enabled.".into());
    }
    given
        .managed_draining
        .get_or_insert_with(|| "ENABLED".into());
    Ok(given)
}

/// Is this the ARN of an Auto Scaling group, or its name?
pub fn is_group(named: &str) -> bool {
    if named.starts_with("arn:") {
        named.contains(":autoscaling:") && named.contains(":autoScalingGroup:")
    } else {
        (1..=255).contains(&named.len()) && !named.contains(':')
    }
}

/// The name of the group that a provider names, by its ARN or by its name.
pub fn group_name(named: &str) -> &str {
    let by_arn = named.split_once(":autoScalingGroupName/");
    by_arn.map_or(named, |(_, name)| name)
}

/// Does the provider scale its group?
pub fn is_managed(group: &api::AutoScalingGroupProvider) -> bool {
    let scaling = group.managed_scaling.as_ref();
    scaling.is_some_and(|s| s.status.as_deref() == Some("ENABLED"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, base: i32) -> api::CapacityProviderStrategyItem {
        api::CapacityProviderStrategyItem {
            capacity_provider: name.into(),
            weight: Some(1),
            base: Some(base),
        }
    }

    #[test]
    fn names() {
        for good in ["a", "My_provider-1", &"x".repeat(255)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "aws-x", "ECSx", "fargate", "a b", &"x".repeat(256)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn strategies() {
        let associated: Vec<String> = ["FARGATE", "FARGATE_SPOT", "asg", "other"]
            .map(Into::into)
            .into();
        let check = |items: &[(&str, i32)]| {
            let items: Vec<_> = items.iter().map(|(n, b)| item(n, *b)).collect();
            check_strategy(&items, &associated)
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[("FARGATE", 1), ("FARGATE_SPOT", 0)]), Ok(()));
        assert_eq!(check(&[("asg", 1), ("other", 0)]), Ok(()));
        for bad in [
            &[("none", 0)][..],
            &[("asg", 0), ("asg", 0)],
            &[("asg", 1), ("other", 1)],
            &[("asg", 0), ("FARGATE", 0)],
            &[("asg", -1)],
            &[("asg", 100_001)],
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        let many = vec![item("asg", 0); 21];
        assert!(check_strategy(&many, &associated).is_err());
    }

    #[test]
    fn groups() {
        let bare = api::AutoScalingGroupProvider {
            auto_scaling_group_arn: "g".into(),
            ..Default::default()
        };
        let full = auto_scaling_group(bare.clone()).expect("fine");
        let scaling = full.managed_scaling.clone().expect("set");
        assert_eq!(scaling.status.as_deref(), Some("DISABLED"));
        assert_eq!(full.managed_draining.as_deref(), Some("ENABLED"));
        let protected = api::AutoScalingGroupProvider {
            managed_termination_protection: Some("ENABLED".into()),
            ..bare
        };
        assert!(auto_scaling_group(protected).is_err());
        assert_eq!(auto_scaling_group(full.clone()), Ok(full));
    }
}
