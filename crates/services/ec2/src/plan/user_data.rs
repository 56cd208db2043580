//! What user data tells the ECS agent of an instance. It is not run: an instance here is a slice of
//! its host and boots no system of its own. What counts is how a script, cloud-init's
//! `write_files`, Bottlerocket's settings or PowerShell configure the agent
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bootstrap_container_instance.html>).

use neargate_service::instance::Agent;
use std::collections::BTreeMap;

/// The agent's cluster where nothing says another
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html>).
const DEFAULT_CLUSTER: &str = "default";

/// The agent as this text configures it. What is said last counts, as in a file that is appended to.
pub(crate) fn agent(text: &str) -> Agent {
    let cluster = variable(text, "ECS_CLUSTER")
        .or_else(|| setting(text, "cluster"))
        .or_else(|| argument(text, "-Cluster"));
    Agent {
        cluster: cluster
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| DEFAULT_CLUSTER.into()),
        attributes: attributes(text),
        capacity_provider: None,
    }
}

/// The last value of a variable, as a shell or the agent's file sets it.
fn variable(text: &str, name: &str) -> Option<String> {
    let set = format!("{name}=");
    let starts = text.match_indices(&set).filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    let (at, _) = starts.last()?;
    Some(resolved(text, &word(&text[at + set.len()..])))
}

/// The first word of a shell: in quotes, or up to what ends one.
fn word(text: &str) -> String {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    match quote {
        Some(quote) => text[1..].split(quote).next().unwrap_or_default().to_owned(),
        None => {
            let ends = |c: char| {
                c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '>' | '|' | '&' | '\\')
            };
            text.split(ends).next().unwrap_or_default().to_owned()
        }
    }
}

/// `$NAME` and `${NAME}`, where the text sets that variable, too.
fn resolved(text: &str, value: &str) -> String {
    let name = value.strip_prefix('$');
    let name = name.map(|n| {
        n.strip_prefix('{')
            .and_then(|n| n.strip_suffix('}'))
            .unwrap_or(n)
    });
    let is_name =
        |n: &&str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let other = name.filter(is_name).and_then(|name| {
        let (set, mut lines) = (format!("{name}="), text.lines());
        let line = lines.find_map(|line| {
            let line = line.trim();
            line.strip_prefix("export ")
                .unwrap_or(line)
                .strip_prefix(&set)
        })?;
        Some(word(line))
    });
    other.unwrap_or_else(|| value.to_owned())
}

/// A member of Bottlerocket's `[settings.ecs]`.
fn setting(text: &str, name: &str) -> Option<String> {
    let mut inside = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[settings.ecs]";
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == name
        {
            found = Some(value.trim().trim_matches('"').to_owned());
        }
    }
    found
}

/// The argument of PowerShell's `Initialize-ECSAgent`.
fn argument(text: &str, name: &str) -> Option<String> {
    let line = text
        .lines()
        .find(|line| line.contains("Initialize-ECSAgent"))?;
    let (_, rest) = line.split_once(name)?;
    let value = word(rest.trim_start());
    Some(value)
}

/// The JSON object of `ECS_INSTANCE_ATTRIBUTES`; whatever else is there gives none.
fn attributes(text: &str) -> BTreeMap<String, String> {
    let Some((_, rest)) = text.rsplit_once("ECS_INSTANCE_ATTRIBUTES=") else {
        return BTreeMap::new();
    };
    let Some(start) = rest.find('{').filter(|at| *at <= 2) else {
        return BTreeMap::new();
    };
    // In double quotes of a shell those of JSON have backslashes before them.
    let line = rest[start..].lines().next().unwrap_or_default();
    let json = line.replace("\\\"", "\"");
    let mut values = serde_json::Deserializer::from_str(&json).into_iter();
    match values.next() {
        Some(Ok(attributes)) => attributes,
        _ => BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::agent;

    fn cluster(text: &str) -> String {
        agent(text).cluster
    }

    #[test]
    fn the_cluster_is_found_however_it_is_written() {
        for text in [
            "#!/bin/bash\necho ECS_CLUSTER=prod >> /etc/ecs/ecs.config",
            "#!/bin/bash\necho \"ECS_CLUSTER=prod\" >> /etc/ecs/ecs.config\n",
            "#!/bin/bash\necho 'ECS_CLUSTER=prod' > /etc/ecs/ecs.config; start ecs",
            "#!/bin/bash\ncat <<'EOF' >> /etc/ecs/ecs.config\nECS_CLUSTER=prod\nECS_LOGLEVEL=debug\nEOF",
            "#!/bin/bash\necho ECS_CLUSTER='prod'>>/etc/ecs/ecs.config",
            "#!/bin/bash\nCLUSTER=prod\necho ECS_CLUSTER=$CLUSTER >> /etc/ecs/ecs.config",
            "#!/bin/bash\nexport NAME=\"prod\"\necho \"ECS_CLUSTER=${NAME}\" >> /etc/ecs/ecs.config",
            "#!/bin/bash\necho ECS_CLUSTER=old >> x\necho ECS_CLUSTER=prod >> x",
            "#cloud-config\nwrite_files:\n  - path: /etc/ecs/ecs.config\n    content: |\n      ECS_CLUSTER=prod\n",
            "#cloud-config\nbootcmd:\n  - echo ECS_CLUSTER=prod >> /etc/ecs/ecs.config\n",
            "[settings.host-containers]\ncluster = \"no\"\n[settings.ecs]\ncluster = \"prod\"\n",
            "<powershell>\nInitialize-ECSAgent -Cluster prod -EnableTaskIAMRole\n</powershell>",
            "Initialize-ECSAgent -EnableTaskIAMRole -Cluster 'prod'",
            "Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\n\n#!/bin/bash\necho ECS_CLUSTER=prod>>/etc/ecs/ecs.config\n--x--",
        ] {
            assert_eq!(cluster(text), "prod", "{text}");
        }
        for text in [
            "",
            "#!/bin/bash\nyum update -y",
            "MY_ECS_CLUSTER=x",
            "ECS_CLUSTER=",
        ] {
            assert_eq!(cluster(text), "default", "{text}");
        }
    }

    #[test]
    fn attributes_are_json() {
        for text in [
            "ECS_INSTANCE_ATTRIBUTES={\"stack\": \"blue\"}",
            "echo 'ECS_INSTANCE_ATTRIBUTES={\"stack\":\"blue\"}' >> /etc/ecs/ecs.config",
            "echo ECS_INSTANCE_ATTRIBUTES='{\"stack\":\"blue\"}' >> /etc/ecs/ecs.config",
            "echo \"ECS_INSTANCE_ATTRIBUTES={\\\"stack\\\":\\\"blue\\\"}\" >> /etc/ecs/ecs.config",
        ] {
            let attributes = agent(text).attributes;
            assert_eq!(attributes["stack"], "blue", "{text}");
        }
        assert!(agent("ECS_INSTANCE_ATTRIBUTES=none").attributes.is_empty());
    }
}
