//! Virtual devices for a second factor.

use super::{Room, said};
use crate::totp;
use data_encoding::BASE32;
use neargate_api_iam::{self as api, ops};
use neargate_service::identity::{NoFactor, Principal};
use std::time::Duration;

const SERIAL: &str = "arn:aws:iam::000000000000:mfa/phone";

async fn device(room: &Room) -> Vec<u8> {
    let input = api::CreateVirtualMFADeviceInput {
        virtual_mfa_device_name: "phone".into(),
        ..Default::default()
    };
    let made = room.ask(ops::CreateVirtualMFADevice, input).await;
    let made = made
        .expect("a device")
        .virtual_mfa_device
        .expect("a device");
    assert_eq!(made.serial_number.as_deref(), Some(SERIAL));
    let picture = made.qr_code_png.expect("a picture");
    assert!(picture.starts_with(b"\x89PNG") && picture.ends_with(b"IEND\xaeB`\x82"));
    let seed = made.base32_string_seed.expect("a seed");
    assert_eq!(seed.len(), 64);
    BASE32.decode(&seed).expect("base 32")
}

fn enable(first: String, second: String) -> api::EnableMFADeviceInput {
    api::EnableMFADeviceInput {
        user_name: "ann".into(),
        serial_number: SERIAL.into(),
        authentication_code1: first,
        authentication_code2: second,
    }
}

#[tokio::test]
async fn a_device_is_enabled_by_two_codes_and_shown_until_it_is_not() {
    let room = Room::new();
    let user = room.user("ann").await;
    let seed = device(&room).await;
    let step = totp::step(room.lab.house.now());
    let code = |at: i64| totp::code(&seed, step + at);
    let wrong = room.ask(ops::EnableMFADevice, enable(code(0), code(-1)));
    assert_eq!(
        said(wrong.await),
        "403 InvalidAuthenticationCode Authentication code for device is not valid."
    );
    let right = room.ask(ops::EnableMFADevice, enable(code(-1), code(0)));
    right.await.expect("it is enabled");
    let again = room.ask(ops::EnableMFADevice, enable(code(-1), code(0)));
    assert!(said(again.await).contains("MFA Device is already in use."));
    let of_ann = api::ListMFADevicesInput {
        user_name: Some("ann".into()),
        ..Default::default()
    };
    let listed = room.ask(ops::ListMFADevices, of_ann).await.expect("a list");
    assert_eq!(listed.mfa_devices.expect("devices").len(), 1);
    let gone = room.ask(
        ops::DeleteVirtualMFADevice,
        api::DeleteVirtualMFADeviceInput {
            serial_number: SERIAL.into(),
        },
    );
    assert!(said(gone.await).contains("Must deactivate first."));

    // A code is good once, and only of about now.
    let id = user.user_id.expect("an id");
    let ann = Principal::user(user.arn.expect("an ARN"), id, "AKIAEXAMPLE");
    let identities = room.lab.house.identities.get();
    let show = |who: &Principal, given: &str| {
        identities.second_factor(who, SERIAL, given, room.lab.house.now())
    };
    let bob = Principal::user("arn:aws:iam::000000000000:user/bob", "AIDABOB", "AKIA");
    assert_eq!(show(&bob, &code(0)), Err(NoFactor::Device));
    assert_eq!(show(&ann, &code(5)), Err(NoFactor::Code));
    assert_eq!(show(&ann, &code(0)), Ok(()));
    assert_eq!(show(&ann, &code(0)), Err(NoFactor::Code));
    room.lab.clock.advance(Duration::from_secs(30));
    assert_eq!(show(&ann, &code(1)), Ok(()));

    let user = || Some("ann".to_owned());
    let deleted = room.ask(
        ops::DeleteUser,
        api::DeleteUserInput {
            user_name: "ann".into(),
        },
    );
    assert!(said(deleted.await).contains("must deactivate MFA devices first"));
    let off = api::DeactivateMFADeviceInput {
        user_name: user(),
        serial_number: SERIAL.into(),
    };
    room.ask(ops::DeactivateMFADevice, off.clone())
        .await
        .expect("off");
    assert_eq!(
        said(room.ask(ops::DeactivateMFADevice, off).await),
        "404 NoSuchEntity MFA Device invalid for user."
    );
    assert_eq!(show(&ann, &code(2)), Err(NoFactor::Device));
}
