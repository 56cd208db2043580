//! Bytes that anybody may send, and the cache.

use super::super::cache::Cache;
use super::super::message::{Question, Reply, Transport};
use super::*;
use hickory_proto::op::ResponseCode;
use proptest::prelude::*;

fn read(message: &Message) -> Question {
    Question::read(&message.to_vec().unwrap()).expect("a question")
}

fn reply(records: usize, edns: bool) -> (Question, Vec<u8>) {
    let asked = question("long.example.", RecordType::TXT);
    let mut reply = reply_to(&asked);
    reply.add_answers((0..records).map(|n| text(&asked, n)));
    reply.add_authority(soa(30));
    reply.add_additionals((0..2).map(|n| text(&asked, n)));
    if edns {
        reply = with_edns(reply, 1_232);
    }
    (read(&asked), reply.to_vec().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever comes is read to an end, and what is said to it is a message.
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        match Question::read(&bytes) {
            Ok(question) => {
                let answer = question.answer(question.failed(ResponseCode::ServFail), Transport::Udp);
                prop_assert!(Message::from_vec(&answer).is_ok());
            }
            Err(super::super::Unasked::Refused(said)) => {
                prop_assert!(Message::from_vec(&said).is_ok());
            }
            Err(super::super::Unasked::Silence) => {}
        }
    }

    /// A question with a few bytes of it changed.
    #[test]
    fn damaged_questions_are_read(at in 0_usize..60, byte: u8, cut in 0_usize..60) {
        let asked = with_edns(question("ip-10-0-0-5.ec2.internal.", RecordType::A), 512);
        let mut bytes = asked.to_vec().unwrap();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut % length);
        if let Ok(question) = Question::read(&bytes) {
            let failed = question.failed(ResponseCode::ServFail);
            prop_assert!(question.answer(failed, Transport::Udp).len() <= 512);
        }
    }

    /// A damaged reply is none, or one that fits and is whole.
    #[test]
    fn damaged_replies_fit(
        changes in proptest::collection::vec((0_usize..1_000, any::<u8>()), 0..4),
        records in 0_usize..30,
        edns: bool,
        room in 0_u16..2_000,
    ) {
        let (question, mut bytes) = reply(records, edns);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Some(mut reply) = Reply::read(&bytes, &question) {
            let _ = reply.lifetime();
            reply.age(7);
            let mut minimal = reply.clone();
            minimal.only_first_type();
            let asked = with_edns(question_of(&question), room);
            let most = usize::from(room.clamp(512, 1_232));
            for reply in [reply, minimal] {
                let answer = read(&asked).answer(reply, Transport::Udp);
                prop_assert!(answer.len() <= most, "{} of {most}", answer.len());
            }
        }
    }

    /// An undamaged reply loses only what there is no room for, and says so.
    #[test]
    fn replies_are_cut_between_records(records in 0_usize..40, edns: bool, room in 512_u16..3_000) {
        let (question, bytes) = reply(records, edns);
        let asked = read(&with_edns(question_of(&question), room));
        let answer = asked.answer(Reply::read(&bytes, &question).unwrap(), Transport::Udp);
        let answer = Message::from_vec(&answer).unwrap();
        prop_assert!(answer.edns.is_some());
        prop_assert_eq!(answer.truncation, answer.answers.len() < records);
    }
}

fn question_of(question: &Question) -> Message {
    let mut message = super::question("x.", question.kind);
    message.queries[0].name = question.name.clone();
    message
}

#[test]
fn a_message_with_two_opt_records_or_a_name_that_points_at_itself_is_malformed() {
    let asked = with_edns(question("a.example.", RecordType::A), 512);
    let mut twice = asked.to_vec().unwrap();
    let opt = twice[twice.len() - 11..].to_vec();
    twice.extend(opt);
    twice[11] = 2;
    let mut circle = question("a.example.", RecordType::A).to_vec().unwrap();
    circle[12..14].copy_from_slice(&[0xc0, 12]);
    for bytes in [twice, circle] {
        let Err(super::super::Unasked::Refused(said)) = Question::read(&bytes) else {
            panic!("it is malformed");
        };
        let said = Message::from_vec(&said).unwrap();
        assert_eq!(
            (said.id, said.response_code),
            (0x1234, ResponseCode::FormErr)
        );
    }
}

#[test]
fn replies_grow_old_and_are_forgotten() {
    let second = Duration::from_secs;
    let asked = question("a.example.", RecordType::A);
    let mut said = reply_to(&asked);
    said.add_answer(address(&asked, 100, [192, 0, 2, 1]));
    said.add_answer(address(&asked, 60, [192, 0, 2, 2]));
    let question = read(&asked);
    let said = Reply::read(&said.to_vec().unwrap(), &question).unwrap();
    let mut cache = Cache::default();
    cache.put(&question, &said, second(10));
    let later = cache.get(&question, second(40)).expect("it holds");
    let later = Message::from_vec(&question.answer(later, Transport::Udp)).unwrap();
    let left: Vec<u32> = later.answers.iter().map(|a| a.ttl).collect();
    assert_eq!(left, [70, 30]);
    assert!(
        cache.get(&question, second(70)).is_none(),
        "the first end counts"
    );
}

#[test]
fn what_says_that_there_is_nothing_holds_as_long_as_its_soa_says_and_not_for_hours() {
    let asked = question("a.example.", RecordType::A);
    let lifetime = |code, soa_minimum: Option<u32>, truncated| {
        let mut said = reply_to(&asked);
        said.metadata.response_code = code;
        said.metadata.truncation = truncated;
        said.add_authorities(soa_minimum.map(soa));
        Reply::read(&said.to_vec().unwrap(), &read(&asked))
            .unwrap()
            .lifetime()
    };
    assert_eq!(lifetime(ResponseCode::NXDomain, Some(30), false), Some(30));
    assert_eq!(lifetime(ResponseCode::NoError, Some(30), false), Some(30));
    assert_eq!(
        lifetime(ResponseCode::NXDomain, Some(86_400), false),
        Some(900)
    );
    assert_eq!(lifetime(ResponseCode::NXDomain, None, false), None);
    assert_eq!(lifetime(ResponseCode::NXDomain, Some(30), true), None);
    assert_eq!(lifetime(ResponseCode::ServFail, Some(30), false), None);
}

#[test]
fn the_cache_is_bounded() {
    let mut cache = Cache::default();
    let mut last = None;
    for n in 0..10_000_u32 {
        let asked = question(&format!("n{n}.example."), RecordType::A);
        let mut said = reply_to(&asked);
        said.add_answer(address(&asked, 300 + n % 7, [192, 0, 2, 1]));
        let question = read(&asked);
        let said = Reply::read(&said.to_vec().unwrap(), &question).unwrap();
        cache.put(&question, &said, Duration::from_secs(u64::from(n) / 100));
        last = Some((question, cache.size()));
    }
    let (question, (replies, bytes)) = last.unwrap();
    assert!(
        replies <= 4_096 && replies > 3_000 && bytes <= 2 << 20,
        "{replies}, {bytes}"
    );
    assert!(cache.get(&question, Duration::from_secs(100)).is_some());
}
