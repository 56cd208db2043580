//! Ports of a service: `8080:80`, `127.0.0.1:8080:80/tcp`, `3000-3005:3000-3005`, and the long form. Pure.

use super::fields::{entries, items, text};
use super::model::Port;
use super::read::Findings;
use crate::commands::yaml::{Kind, Node};
use std::net::{IpAddr, Ipv4Addr};

pub fn read(node: &Node, path: &str, found: &mut Findings) -> Vec<Port> {
    let mut all = Vec::new();
    for item in found.take(items(node, path)) {
        let ports = match &item.kind {
            Kind::Map(_) => long(item, path, found),
            _ => {
                let text = found.take(text(item, path));
                short(&text)
            }
        };
        match ports {
            Ok(more) => all.extend(more),
            Err(why) => found.refuse(item.line, format!("{path}: {why}")),
        }
    }
    all
}

fn short(text: &str) -> Result<Vec<Port>, String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    is_tcp(protocol)?;
    let (front, container) = match ports.rsplit_once(':') {
        Some((front, container)) => (front, container),
        None => return Err(no_port(text)),
    };
    let (address, host) = match front.rsplit_once(':') {
        Some((address, host)) => (Some(address), host),
        None => (None, front),
    };
    of(address, host, container).ok_or_else(|| format!("{text:?} is not [ADDRESS:]HOST:CONTAINER"))
}

fn no_port(text: &str) -> String {
    format!("{text:?} leaves the host's port open: give one, HOST:CONTAINER")
}

fn is_tcp(protocol: &str) -> Result<(), String> {
    match protocol {
        "tcp" => Ok(()),
        other => Err(format!(
            "{other} is not mapped: Neargate publishes TCP only"
        )),
    }
}

fn of(address: Option<&str>, host: &str, container: &str) -> Option<Vec<Port>> {
    let address = match address {
        None | Some("") => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        Some(text) => text.trim_matches(['[', ']']).parse().ok()?,
    };
    let (host, container) = (range(host)?, range(container)?);
    if host.1 - host.0 != container.1 - container.0 {
        return None;
    }
    let ports = (0..=host.1 - host.0).map(|n| Port {
        address,
        host: host.0 + n,
        container: container.0 + n,
    });
    Some(ports.collect())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from != 0 && from <= to && to - from < 100).then_some((from, to))
}

fn long(node: &Node, path: &str, found: &mut Findings) -> Result<Vec<Port>, String> {
    let (mut address, mut host, mut container) = (None, None, String::new());
    for (key, node) in found.take(entries(node, path)) {
        let value = found.take(text(node, path));
        match key.name.as_str() {
            "target" => container = value,
            "published" => host = Some(value),
            "host_ip" => address = Some(value),
            "protocol" => is_tcp(&value)?,
            "mode" | "name" | "app_protocol" => {}
            other => return Err(format!("{other} is not known")),
        }
    }
    let host = host.ok_or_else(|| no_port(&container))?;
    let read = of(address.as_deref(), &host, &container);
    read.ok_or_else(|| format!("{host}:{container} are no ports"))
}
