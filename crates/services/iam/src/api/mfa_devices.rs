//! Virtual devices for a second factor
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa.html>).

use super::{check_quota, new_tags, shown_tags};
use crate::call::{Change, View};
use crate::index::Record;
use crate::model::{MfaDevice, User};
use crate::page::paged;
use crate::{error, name, qr, totp};
use data_encoding::BASE32;
use neargate_api_iam as api;
use neargate_service::{AwsError, Stored, sealing};
use std::sync::Arc;

/// 64 characters in base 32, as AWS's seeds have.
const SEED_BYTES: usize = 40;
const MOST_PER_USER: usize = 8;

impl View {
    /// The device with this serial number, which is its ARN.
    pub(super) fn mfa_device(&self, serial: &str) -> Result<Arc<Stored<MfaDevice>>, AwsError> {
        let own = format!("arn:aws:iam::{}:mfa", self.id());
        let path = serial.strip_prefix(&own).filter(|p| p.starts_with('/'));
        let found = path.and_then(|path| self.mfa_devices.named(path));
        found
            .cloned()
            .ok_or_else(|| error::mfa_device_not_found(serial))
    }

    /// The device, if it is enabled for the user.
    fn device_of(&self, user: &User, serial: &str) -> Result<Arc<Stored<MfaDevice>>, AwsError> {
        let device = self.mfa_device(serial)?;
        match device.user.as_ref() == Some(&user.unique_id) {
            true => Ok(device),
            false => Err(error::mfa_device_invalid()),
        }
    }

    /// The devices of a user.
    pub(super) fn mfa_devices_of(&self, user: &User) -> impl Iterator<Item = &MfaDevice> {
        let all = self.mfa_devices.iter().map(|d| &d.value);
        all.filter(|d| d.user.as_ref() == Some(&user.unique_id))
    }

    fn seed(&self, device: &Stored<MfaDevice>) -> Result<Vec<u8>, AwsError> {
        let seed = self.cx.house.root_key.open(&device.key, &device.seed);
        seed.ok_or_else(error::service_failure)
    }

    /// How far ahead the device is that shows these codes.
    fn in_step(&self, device: &Stored<MfaDevice>, codes: (&str, &str)) -> Result<i64, AwsError> {
        let ahead = totp::ahead(&self.seed(device)?, codes, self.now());
        ahead.ok_or_else(error::wrong_mfa_code)
    }
}

fn serial(view: &View, device: &MfaDevice) -> String {
    name::arn(view.id(), "mfa", &device.path, &device.name)
}

/// The seed is shown this once.
pub fn create_virtual_mfa_device(
    call: &mut Change,
    input: api::CreateVirtualMFADeviceInput,
) -> Result<api::CreateVirtualMFADeviceOutput, AwsError> {
    let (device_name, path) = (input.virtual_mfa_device_name, name::path(input.path));
    let id = format!("{path}{device_name}");
    if call.mfa_devices.named(&id).is_some() {
        return Err(error::mfa_device_taken());
    }
    let mut seed = [0; SEED_BYTES];
    sealing::fill(&mut seed);
    let key = call.key::<MfaDevice>(&id);
    let device = MfaDevice {
        seed: call.cx.house.root_key.seal(&key, &seed),
        name: device_name,
        path,
        user: None,
        enabled_at: None,
        ahead: 0,
        tags: new_tags(input.tags)?,
    };
    call.create(&device);
    let text = BASE32.encode(&seed);
    let link = format!("otpauth://totp/{}@{}?secret={text}", device.name, call.id());
    Ok(api::CreateVirtualMFADeviceOutput {
        virtual_mfa_device: Some(api::VirtualMFADevice {
            serial_number: Some(serial(call, &device)),
            base32_string_seed: Some(text.into_bytes().into()),
            qr_code_png: qr::png(&link).map(Into::into),
            tags: shown_tags(&device.tags),
            ..Default::default()
        }),
    })
}

pub fn enable_mfa_device(
    call: &mut Change,
    input: api::EnableMFADeviceInput,
) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    let device = call.mfa_device(&input.serial_number)?;
    if device.user.is_some() {
        return Err(error::mfa_device_in_use());
    }
    let own = call.mfa_devices_of(&user).count();
    check_quota("MFADevicesPerUser", own, MOST_PER_USER)?;
    let codes = (&*input.authentication_code1, &*input.authentication_code2);
    let ahead = call.in_step(&device, codes)?;
    let now = call.now();
    call.modify(&device, |device| {
        device.user = Some(user.unique_id.clone());
        device.enabled_at = Some(now);
        device.ahead = ahead;
    });
    Ok(())
}

pub fn resync_mfa_device(
    call: &mut Change,
    input: api::ResyncMFADeviceInput,
) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    let device = call.device_of(&user, &input.serial_number)?;
    let codes = (&*input.authentication_code1, &*input.authentication_code2);
    let ahead = call.in_step(&device, codes)?;
    call.modify(&device, |device| device.ahead = ahead);
    Ok(())
}

pub fn deactivate_mfa_device(
    call: &mut Change,
    input: api::DeactivateMFADeviceInput,
) -> Result<(), AwsError> {
    let user = call.meant_user(input.user_name.as_deref())?;
    let device = call.device_of(&user, &input.serial_number)?;
    call.modify(&device, |device| {
        device.user = None;
        device.enabled_at = None;
    });
    Ok(())
}

pub fn delete_virtual_mfa_device(
    call: &mut Change,
    input: api::DeleteVirtualMFADeviceInput,
) -> Result<(), AwsError> {
    let device = call.mfa_device(&input.serial_number)?;
    if device.user.is_some() {
        return Err(error::conflict(
            "MFA VirtualDevice in use. Must deactivate first.",
        ));
    }
    call.delete(&device);
    Ok(())
}

pub fn get_mfa_device(
    view: &View,
    input: api::GetMFADeviceInput,
) -> Result<api::GetMFADeviceOutput, AwsError> {
    let user = view.meant_user(input.user_name.as_deref())?;
    let device = view.device_of(&user, &input.serial_number)?;
    Ok(api::GetMFADeviceOutput {
        user_name: Some(user.name.clone()),
        serial_number: Some(serial(view, &device)),
        enable_date: device.enabled_at,
        ..Default::default()
    })
}

/// Of an account's root there are none here.
pub fn list_mfa_devices(
    view: &View,
    input: api::ListMFADevicesInput,
) -> Result<api::ListMFADevicesOutput, AwsError> {
    let user = view.meant(input.user_name.as_deref())?;
    let user = user.as_deref();
    let own = user.into_iter().flat_map(|user| view.mfa_devices_of(user));
    let page = paged(own, input.marker.as_deref(), input.max_items, |d| d.id())?;
    let page = page.map(|device| api::MFADevice {
        user_name: user.map(|user| user.name.clone()),
        serial_number: Some(serial(view, device)),
        enable_date: device.enabled_at,
    });
    Ok(api::ListMFADevicesOutput {
        mfa_devices: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn list_virtual_mfa_devices(
    view: &View,
    input: api::ListVirtualMFADevicesInput,
) -> Result<api::ListVirtualMFADevicesOutput, AwsError> {
    let assigned = match input.assignment_status.as_deref() {
        Some("Assigned") => Some(true),
        Some("Unassigned") => Some(false),
        _ => None,
    };
    let all = view.mfa_devices.iter().map(|d| &d.value);
    let all = all.filter(|d| assigned.is_none_or(|assigned| assigned == d.user.is_some()));
    let page = paged(all, input.marker.as_deref(), input.max_items, |d| d.id())?;
    let page = page.map(|device| {
        let user = device.user.as_deref();
        let user = user.and_then(|id| view.users.of_unique_id(id));
        api::VirtualMFADevice {
            serial_number: Some(serial(view, device)),
            enable_date: device.enabled_at,
            user: user.map(|user| super::users::listed(view, user)),
            ..Default::default()
        }
    });
    Ok(api::ListVirtualMFADevicesOutput {
        virtual_mfa_devices: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
