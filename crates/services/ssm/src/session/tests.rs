//! Frames, order and repetition of a data channel.

use super::channel::Channel;
use super::cipher::Cipher;
use super::message::{INPUT, Message, Payload, Side};
use super::websocket::{self, Frame, Outgoing};
use neargate_base::{Rng, Timestamp};
use std::time::Duration;

fn now(rng: &Rng) -> (Timestamp, &Rng) {
    (Timestamp::from_millis(1_700_000_000_000), rng)
}

fn typed(sequence: i64, text: &str) -> Message {
    Message {
        kind: INPUT.to_owned(),
        created_millis: 1,
        sequence,
        flags: 0,
        id: [7; 16],
        payload_type: Payload::Output as u32,
        payload: text.as_bytes().to_vec(),
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_message_is_laid_out_as_the_plugins() {
    let mut message = typed(5, "ls");
    for (n, byte) in message.id.iter_mut().enumerate() {
        *byte = n as u8;
    }
    let bytes = message.encode();
    assert_eq!(bytes.len(), 122);
    assert_eq!(&bytes[..4], &116_u32.to_be_bytes());
    assert_eq!(&bytes[4..36], b"input_stream_data               ");
    assert_eq!(&bytes[48..56], &5_i64.to_be_bytes());
    assert_eq!(
        &bytes[64..80],
        &[8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]
    );
    assert_eq!(&bytes[112..], b"\0\0\0\x01\0\0\0\x02ls");
    assert_eq!(message.uuid(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    assert_eq!(Message::decode(&bytes), Some(message));
}

#[test]
fn what_is_no_message_is_none() {
    let bytes = typed(0, "ls").encode();
    for end in 0..120 {
        assert_eq!(Message::decode(&bytes[..end]), None, "{end} bytes of it");
    }
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(Message::decode(&other), None, "its digest says otherwise");
    let mut long = bytes;
    long[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(Message::decode(&long), None);
}

#[test]
fn input_comes_once_and_in_order() {
    let (rng, mut channel) = (Rng::seeded(1), Channel::of(Side::Container));
    let mut get = |sequence, text: &str| {
        let received = channel.receive(typed(sequence, text), now(&rng));
        let texts = received
            .messages
            .into_iter()
            .map(|m| String::from_utf8(m.payload).unwrap());
        (
            received.acknowledgement.is_some(),
            texts.collect::<Vec<_>>(),
        )
    };
    assert_eq!(get(1, "b"), (true, vec![]));
    assert_eq!(get(2, "c"), (true, vec![]));
    assert_eq!(
        get(0, "a"),
        (true, vec!["a".into(), "b".into(), "c".into()])
    );
    assert_eq!(get(1, "b"), (true, vec![]), "it was not heard that it came");
    assert_eq!(get(5000, "far"), (true, vec![]));
}

#[test]
fn what_is_not_acknowledged_is_sent_again() {
    let (rng, mut channel) = (Rng::seeded(1), Channel::of(Side::Container));
    let first = channel.send(Payload::Output, b"one".to_vec(), now(&rng), ms(0));
    let second = channel.send(Payload::Output, b"two".to_vec(), now(&rng), ms(10));
    assert_eq!(channel.wake_in(ms(50)), Some(ms(150)));
    assert_eq!(channel.again(ms(199)), None);
    assert_eq!(channel.again(ms(200)).as_ref(), Some(&first));
    assert_eq!(channel.again(ms(201)), None);
    channel.acknowledged(0, ms(210));
    assert_eq!(channel.again(ms(210)).as_ref(), Some(&second));
    assert_eq!(channel.all_again(ms(220)), [second]);
    channel.acknowledged(1, ms(230));
    channel.acknowledged(1, ms(230));
    assert!(channel.is_settled());
    assert_eq!(channel.wake_in(ms(300)), None);
}

#[test]
fn a_client_that_hears_nothing_holds_up_the_rest() {
    let (rng, mut channel) = (Rng::seeded(1), Channel::of(Side::Container));
    while channel.has_room() {
        channel.send(Payload::Output, vec![0; 1024], now(&rng), ms(0));
    }
    assert_eq!(channel.all_again(ms(1)).len(), 256);
    channel.acknowledged(100, ms(2));
    assert!(channel.has_room());
}

#[tokio::test]
async fn frames_are_read_as_rfc_6455_says() {
    let mask = [1, 2, 3, 4];
    let frame = |first: u8, text: &[u8]| {
        let mut bytes = vec![first, 0x80 | text.len() as u8];
        bytes.extend(mask);
        bytes.extend(text.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        bytes
    };
    let stream = [
        frame(0x81, b"{}"),
        frame(0x02, b"in "),
        frame(0x89, b"keepalive"),
        frame(0x80, b"two"),
        frame(0x88, b""),
    ]
    .concat();
    let (mut from, mut partial) = (stream.as_slice(), None);
    let want = [
        Frame::Text(b"{}".to_vec()),
        Frame::Ping(b"keepalive".to_vec()),
        Frame::Binary(b"in two".to_vec()),
        Frame::Close,
    ];
    for frame in want {
        assert_eq!(
            websocket::read(&mut from, &mut partial, Side::Container)
                .await
                .unwrap(),
            frame
        );
    }
    let bad: [&[u8]; 5] = [
        &[0x82, 0x01, b'a'],
        &[0xc2, 0x81, 0, 0, 0, 0, b'a'],
        &[0x80, 0x81, 0, 0, 0, 0, b'a'],
        &[0x09, 0x81, 0, 0, 0, 0, b'a'],
        &[0x82, 0xff, 0, 0, 0, 0, 0xff, 0, 0, 0],
    ];
    for mut bytes in bad {
        assert!(
            websocket::read(&mut bytes, &mut None, Side::Container)
                .await
                .is_err()
        );
    }
}

#[test]
fn the_handshake_is_rfc_6455s_example() {
    let mut headers = http::HeaderMap::new();
    let given = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];
    assert!(websocket::accept(&headers).is_none());
    for (name, value) in given {
        headers.insert(name, value.parse().unwrap());
    }
    let [.., (_, accept)] = websocket::accept(&headers).unwrap();
    assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[tokio::test]
async fn a_clients_frames_are_masked() {
    let content = vec![7; 70_000];
    for length in [0, 125, 126, 65_535, 65_536, 70_000] {
        let mut wire = Vec::new();
        let frame = Outgoing::Binary(content[..length].to_vec());
        websocket::write(&mut wire, frame, Some([9, 8, 7, 6]))
            .await
            .unwrap();
        let read = websocket::read(&mut wire.as_slice(), &mut None, Side::Container).await;
        assert_eq!(read.unwrap(), Frame::Binary(content[..length].to_vec()));
        let theirs = websocket::read(&mut wire.as_slice(), &mut None, Side::Client).await;
        assert!(theirs.is_err(), "a server masks nothing");
    }
}

#[test]
fn each_half_of_a_data_key_is_for_one_direction() {
    let key: Vec<u8> = (0..64).collect();
    let (agent, rng) = (Cipher::new(&key).unwrap(), Rng::seeded(3));
    let client = Cipher::new(&[&key[32..], &key[..32]].concat()).unwrap();
    let sealed = agent.seal(&rng, b"secret");
    assert_eq!(sealed.len(), 12 + 6 + 16);
    assert_eq!(client.open(&sealed).unwrap(), b"secret");
    assert_eq!(agent.open(&sealed), None);
    assert_eq!(client.open(&sealed[..20]), None);
    assert!(Cipher::new(&key[..63]).is_none());
}
