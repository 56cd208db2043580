//! What clients are answered of names that are known here.

use super::*;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::DNSClass;

const OWN: &str = "ip-10-0-0-5.ec2.internal.";

#[tokio::test]
async fn a_name_is_answered_by_udp_and_tcp_as_it_was_written() {
    let lab = Lab::alone();
    let written = "iP-10-0-0-5.eC2.InTeRnAl.";
    let asked = question(written, RecordType::A);
    let by_tcp = lab.tcp(&asked.to_vec().unwrap()).await.expect("an answer");
    for answer in [lab.ask(&asked).await, Message::from_vec(&by_tcp).unwrap()] {
        assert_eq!(answer.response_code, ResponseCode::NoError);
        assert!(answer.recursion_available && answer.recursion_desired);
        assert!(!answer.authoritative && !answer.truncation && answer.edns.is_none());
        assert!(answer.queries[0].name.eq_case(&asked.queries[0].name));
        let [record] = &answer.answers[..] else {
            panic!("one address: {answer}");
        };
        assert!(record.name.eq_case(&asked.queries[0].name) && record.ttl == 60);
        assert_eq!(record.data, RData::A(A::new(10, 0, 0, 5)));
    }
}

#[tokio::test]
async fn what_is_not_there_comes_with_its_soa() {
    let lab = Lab::alone();
    let none = lab
        .ask_for("ip-10-0-0-9.ec2.internal.", RecordType::A)
        .await;
    assert_eq!(none.response_code, ResponseCode::NXDomain);
    let no_data = lab.ask_for(OWN, RecordType::AAAA).await;
    assert_eq!(no_data.response_code, ResponseCode::NoError);
    for answer in [none, no_data] {
        assert!(answer.answers.is_empty());
        let [soa] = &answer.authorities[..] else {
            panic!("an SOA: {answer}");
        };
        assert_eq!(
            (soa.name.to_ascii().as_str(), soa.ttl),
            ("ec2.internal.", 60)
        );
    }
}

#[tokio::test]
async fn edns_is_answered_with_edns_and_of_the_one_version() {
    let lab = Lab::alone();
    let mut asked = with_edns(question(OWN, RecordType::A), 4_096);
    let edns = lab.ask(&asked).await.edns.expect("an OPT record");
    assert_eq!(
        (edns.max_payload(), edns.version(), edns.flags().dnssec_ok),
        (1_232, 0, false)
    );
    asked.edns.as_mut().unwrap().set_dnssec_ok(true);
    assert!(lab.ask(&asked).await.edns.unwrap().flags().dnssec_ok);
    asked.edns.as_mut().unwrap().set_version(1);
    let answer = lab.ask(&asked).await;
    assert_eq!(
        u16::from(answer.response_code),
        u16::from(ResponseCode::BADVERS)
    );
    assert!(answer.answers.is_empty() && answer.edns.unwrap().version() == 0);
}

#[tokio::test]
async fn what_is_no_question_of_ours_is_refused() {
    let lab = Lab::alone();
    let changed = |change: fn(&mut Message)| {
        let mut asked = question(OWN, RecordType::A);
        change(&mut asked);
        asked
    };
    let cases: [(&str, Message, ResponseCode); 7] = [
        (
            "chaos",
            changed(|m| {
                m.queries[0].query_class = DNSClass::CH;
            }),
            ResponseCode::Refused,
        ),
        (
            "any class",
            changed(|m| {
                m.queries[0].query_class = DNSClass::ANY;
            }),
            ResponseCode::Refused,
        ),
        (
            "transfer",
            changed(|m| {
                m.queries[0].query_type = RecordType::AXFR;
            }),
            ResponseCode::Refused,
        ),
        (
            "notify",
            changed(|m| {
                m.metadata.op_code = OpCode::Notify;
            }),
            ResponseCode::NotImp,
        ),
        (
            "update",
            changed(|m| {
                m.metadata.op_code = OpCode::Update;
            }),
            ResponseCode::NotImp,
        ),
        (
            "nothing",
            changed(|m| m.queries.clear()),
            ResponseCode::FormErr,
        ),
        (
            "two",
            changed(|m| {
                m.add_query(m.queries[0].clone());
            }),
            ResponseCode::FormErr,
        ),
    ];
    for (what, asked, code) in cases {
        let answer = lab.ask(&asked).await;
        assert_eq!(
            (answer.response_code, answer.op_code),
            (code, asked.op_code),
            "{what}"
        );
        assert!(answer.answers.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn any_gets_records_of_one_type() {
    let lab = Lab::alone();
    let answer = lab.ask_for(OWN, RecordType::ANY).await;
    assert_eq!(answer.answers.len(), 1);
    let none = lab
        .ask_for("ip-10-0-0-9.ec2.internal.", RecordType::ANY)
        .await;
    assert_eq!(none.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn an_answer_is_never_answered() {
    let lab = Lab::alone();
    let mut asked = question(OWN, RecordType::A);
    asked.metadata.message_type = MessageType::Response;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket
        .send_to(&asked.to_vec().unwrap(), lab.at)
        .await
        .unwrap();
    socket.send_to(&[7; 11], lab.at).await.unwrap();
    // What comes first is the answer to what was sent last.
    let real = question(OWN, RecordType::AAAA);
    socket
        .send_to(&real.to_vec().unwrap(), lab.at)
        .await
        .unwrap();
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).await.unwrap();
    let first = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!(first.queries[0].query_type, RecordType::AAAA);
}

/// How many questions are sent before an answer is read.
const BURST: usize = 64;

#[tokio::test]
async fn a_client_that_asks_too_much_is_not_heard_until_the_next_second() {
    let lab = Lab::alone();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let asked = question(OWN, RecordType::A).to_vec().unwrap();
    let mut buffer = [0; 512];
    // More come at once than a slow machine answers between two of them.
    let mut asked_so_far = 0;
    'heard: loop {
        for _ in 0..BURST {
            socket.send_to(&asked, lab.at).await.unwrap();
        }
        asked_so_far += BURST;
        for _ in 0..BURST {
            let answer = timeout(Duration::from_millis(100), socket.recv(&mut buffer));
            if answer.await.is_err() {
                break 'heard;
            }
        }
        assert!(asked_so_far < 100_000, "nobody holds it back");
    }
    // It is heard again.
    while timeout(Duration::from_millis(100), socket.recv(&mut buffer))
        .await
        .is_err()
    {
        socket.send_to(&asked, lab.at).await.unwrap();
    }
}

#[tokio::test]
async fn one_connection_asks_often_and_none_is_kept_for_ever() {
    let lab = Lab::alone();
    let mut stream = TcpStream::connect(lab.at).await.unwrap();
    let asked = question(OWN, RecordType::A).to_vec().unwrap();
    for _ in 0..3 {
        // In pieces, as a slow client does.
        for byte in (asked.len() as u16).to_be_bytes().iter().chain(&asked) {
            stream.write_u8(*byte).await.unwrap();
        }
    }
    for _ in 0..3 {
        let length = stream.read_u16().await.unwrap();
        let mut answer = vec![0; length.into()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(Message::from_vec(&answer).unwrap().answers.len(), 1);
    }
    // A question that cannot be ends the connection.
    stream.write_u16(5_000).await.unwrap();
    assert!(stream.read_u8().await.is_err());
    // So does one connection too many of the same client.
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(TcpStream::connect(lab.at).await.unwrap());
    }
    let mut over = TcpStream::connect(lab.at).await.unwrap();
    assert_eq!(over.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn without_servers_it_fails_at_once() {
    let lab = Lab::alone();
    let answer = lab.ask_for("example.com.", RecordType::A).await;
    assert_eq!(answer.response_code, ResponseCode::ServFail);
    assert!(
        answer.queries[0]
            .name
            .eq_case(&Name::from_str("example.com.").unwrap())
    );
}
