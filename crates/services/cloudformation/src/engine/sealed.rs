//! Values of parameters with `NoEcho` are in the store only sealed, under the house's key: as parameters, and in
//! the properties of resources that may hold them.

use crate::model::{Deployment, Made, StackResource};
use crate::template::Template;
use neargate_service::House;
use neargate_service::sealing::Sealed;
use serde_json::{Value, json};

/// Begins what is sealed of a parameter. No template or call has it: it is no character of XML.
const SEALED: &str = "\u{0}sealed:";
/// The one member of properties that are sealed.
const MEMBER: &str = "\u{0}sealed";

fn context(deployment: &Deployment, name: &str) -> String {
    format!("cloudformation/parameter/{}/{name}", deployment.template)
}

/// As it is stored.
pub fn seal(house: &House, template: &Template, deployment: &Deployment) -> Deployment {
    let declared = template.declared();
    let mut sealed = deployment.clone();
    for (name, value) in &mut sealed.parameters {
        let hidden = declared.get(name.as_str()).is_some_and(|d| d.no_echo);
        if hidden && !value.starts_with(SEALED) {
            let text: String = house
                .root_key
                .seal(&context(deployment, name), value.as_bytes())
                .into();
            *value = format!("{SEALED}{text}");
        }
    }
    sealed
}

/// As it was given.
pub fn open(house: &House, deployment: &Deployment) -> Deployment {
    let mut open = deployment.clone();
    for (name, value) in &mut open.parameters {
        let Some(text) = value.strip_prefix(SEALED) else {
            continue;
        };
        let sealed = Sealed::try_from(text.to_owned()).ok();
        let plain =
            sealed.and_then(|sealed| house.root_key.open(&context(deployment, name), &sealed));
        if let Some(plain) = plain.and_then(|plain| String::from_utf8(plain).ok()) {
            *value = plain;
        }
    }
    open
}

fn each(resource: &mut StackResource, mut change: impl FnMut(&mut Made)) {
    let StackResource {
        now,
        next,
        before,
        doomed,
        ..
    } = resource;
    let all = now
        .iter_mut()
        .chain(next.iter_mut())
        .chain(before.iter_mut())
        .chain(doomed.iter_mut());
    all.filter(|made| made.secret).for_each(&mut change);
}

/// A record as it is stored under its key.
pub fn seal_resource(house: &House, key: &str, resource: &StackResource) -> StackResource {
    let mut sealed = resource.clone();
    each(&mut sealed, |made| {
        for value in [&mut made.properties, &mut made.attributes] {
            if value.get(MEMBER).is_none() {
                let text: String = house
                    .root_key
                    .seal(key, value.to_string().as_bytes())
                    .into();
                *value = json!({MEMBER: text});
            }
        }
    });
    sealed
}

/// A record with all that it holds.
pub fn open_resource(house: &House, key: &str, resource: &mut StackResource) {
    each(resource, |made| {
        for value in [&mut made.properties, &mut made.attributes] {
            let sealed = value.get(MEMBER).and_then(Value::as_str).map(str::to_owned);
            let sealed = sealed.and_then(|text| Sealed::try_from(text).ok());
            let plain = sealed.and_then(|sealed| house.root_key.open(key, &sealed));
            if let Some(plain) = plain.and_then(|plain| serde_json::from_slice(&plain).ok()) {
                *value = plain;
            }
        }
    });
}
