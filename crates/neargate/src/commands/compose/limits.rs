//! How much a service may take, and how often it runs. Pure.

use super::fields::{self, amount, entries, number, text, texts};
use super::model::Service;
use super::read::Findings;
use super::size;
use crate::commands::yaml::{Key, Kind, Node};

pub(super) fn deploy(node: &Node, path: &str, service: &mut Service, found: &mut Findings) {
    for (key, node) in found.take(entries(node, path)) {
        let at = format!("{path}.{}", key.name);
        match key.name.as_str() {
            "replicas" => service.replicas = found.take(number(node, &at)),
            "mode" if matches!(text(node, &at).as_deref(), Ok("replicated")) => {}
            "restart_policy" => service.runs_once = false,
            "labels" | "update_config" | "rollback_config" => {
                found.note(format!("{at} is not used: ECS rolls a service's tasks"));
            }
            "resources" => resources(node, &at, service, found),
            other => found.refuse(key.line, format!("{path}.{other} is not mapped")),
        }
    }
}

fn resources(node: &Node, path: &str, service: &mut Service, found: &mut Findings) {
    for (key, node) in found.take(entries(node, path)) {
        let is_limit = key.name == "limits";
        if !is_limit && key.name != "reservations" {
            found.refuse(key.line, format!("{path}.{} is not known", key.name));
            continue;
        }
        for (option, node) in found.take(entries(node, path)) {
            let at = format!("{path}.{}.{}", key.name, option.name);
            match option.name.as_str() {
                "cpus" => {
                    let units = found.take(amount(node, &at, "a number of CPUs", size::cpu_units));
                    service.cpu_units = service.cpu_units.max(units);
                }
                "memory" => {
                    let mib = found.take(amount(node, &at, "an amount of memory", size::mib));
                    match is_limit {
                        true => service.memory_mib = mib,
                        false => service.memory_reservation_mib = mib,
                    }
                }
                "pids" => found.note(format!("{at} is not used: Neargate has a limit of its own")),
                other => found.refuse(option.line, format!("{at}: Fargate has no {other}")),
            }
        }
    }
}

pub(super) fn grace(node: &Node, path: &str, found: &mut Findings) -> Option<u64> {
    let seconds = found.take(amount(node, path, "a duration", size::seconds))?;
    if seconds > 120 {
        found.note(format!("{path}: Fargate waits 120 s at most"));
    }
    Some(seconds.clamp(2, 120))
}

pub(super) fn capabilities(node: &Node, path: &str, found: &mut Findings) -> Vec<String> {
    let all = found.take(texts(node, path));
    for name in &all {
        if name.trim_start_matches("CAP_") != "SYS_PTRACE" {
            found.refuse(
                node.line,
                format!("{path}: {name}: Fargate adds SYS_PTRACE only"),
            );
        }
    }
    all
}

pub(super) fn ulimits(node: &Node, path: &str, service: &mut Service, found: &mut Findings) {
    for (key, node) in found.take(entries(node, path)) {
        if key.name != "nofile" {
            found.refuse(
                key.line,
                format!("{path}.{}: Fargate sets nofile only", key.name),
            );
            continue;
        }
        service.open_files = match &node.kind {
            Kind::Map(_) => {
                let of = |name: &str| {
                    let all: &[(Key, Node)] = fields::entries(node, path).unwrap_or_default();
                    let one = all.iter().find(|(key, _)| key.name == name);
                    one.and_then(|(_, node)| number(node, path).ok())
                };
                let soft = of("soft").or(of("hard"));
                soft.map(|soft| (soft, of("hard").unwrap_or(soft)))
            }
            _ => Some(found.take(number(node, path))).map(|n| (n, n)),
        };
    }
}
