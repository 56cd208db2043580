//! Express services: what a call may ask for, and which step comes next. Pure.

pub mod configuration;
pub mod next;

#[cfg(test)]
mod tests;

/// What AWS puts on everything that it makes for an Express service, and what the policy of the infrastructure
/// role asks for.
pub const MANAGED_TAG: (&str, &str) = ("AmazonECSManaged", "true");

/// The container of task definitions that customers bring must have this name, and ours has it.
pub const CONTAINER: &str = "Main";

/// Two letters of the service's name and 32 hexadecimal digits, as AWS's endpoints have them.
pub fn endpoint(service: &str, digits: &str, region: &str) -> String {
    let letters = service.chars().filter(char::is_ascii_alphanumeric).take(2);
    let letters: String = letters.collect::<String>().to_ascii_lowercase();
    format!("{letters}-{digits}.ecs.{region}.on.aws")
}

/// What tells the resources of one Express service from another's: the first digits of its endpoint.
pub fn suffix(endpoint: &str) -> &str {
    let (_, digits) = endpoint.split_once('-').unwrap_or_default();
    digits.get(..12).unwrap_or(digits)
}
