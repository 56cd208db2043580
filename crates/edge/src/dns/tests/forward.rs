//! Names that the host's servers know.

use super::*;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::NULL;

fn v4(server: &Server) -> Ipv4Addr {
    match server.at {
        SocketAddr::V4(at) => *at.ip(),
        SocketAddr::V6(_) => panic!("IPv4"),
    }
}

fn honest(asked: &Message, _: bool) -> Vec<Vec<u8>> {
    let mut reply = reply_to(asked);
    match asked.queries[0]
        .name
        .to_ascii()
        .to_ascii_lowercase()
        .as_str()
    {
        "gone.example." => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            reply.add_authority(soa(30));
        }
        "empty.example." => {
            reply.add_authority(soa(30));
        }
        "new.example." => {
            reply.add_answer(address(asked, 0, [192, 0, 2, 1]));
        }
        _ => {
            reply.add_answer(address(asked, 300, [192, 0, 2, 1]));
        }
    }
    if asked.edns.is_some() {
        reply = with_edns(reply, 1_232);
    }
    vec![reply.to_vec().unwrap()]
}

#[tokio::test]
async fn a_name_is_asked_once_and_kept() {
    let server = Server::new(1, 0, honest);
    let lab = server.lab();
    for name in ["www.example.", "WWW.example.", "www.EXAMPLE."] {
        let answer = lab.ask_for(name, RecordType::A).await;
        assert_eq!(answer.answers[0].data, RData::A(A::new(192, 0, 2, 1)));
        assert!(answer.answers[0].ttl <= 300 && answer.edns.is_none());
        assert!(
            answer.queries[0]
                .name
                .eq_case(&Name::from_str(name).unwrap())
        );
    }
    assert_eq!(server.asked(), 1);
    let heard = server.heard.lock()[0].clone();
    assert!(heard.recursion_desired && heard.edns.is_some_and(|e| e.max_payload() == 1_232));
    // Another type is another question; so are DNSSEC's records.
    lab.ask_for("www.example.", RecordType::AAAA).await;
    let mut dnssec = with_edns(question("www.example.", RecordType::A), 1_232);
    dnssec.edns.as_mut().unwrap().set_dnssec_ok(true);
    assert!(lab.ask(&dnssec).await.edns.is_some());
    assert_eq!(server.asked(), 3);
    assert!(
        server.heard.lock()[2]
            .edns
            .as_ref()
            .unwrap()
            .flags()
            .dnssec_ok
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_as_such_and_kept_as_long_as_its_soa_says() {
    let server = Server::new(1, 0, honest);
    let lab = server.lab();
    for _ in 0..2 {
        let gone = lab.ask_for("gone.example.", RecordType::A).await;
        assert_eq!(gone.response_code, ResponseCode::NXDomain);
        assert_eq!(gone.authorities.len(), 1);
        let empty = lab.ask_for("empty.example.", RecordType::A).await;
        assert_eq!(empty.response_code, ResponseCode::NoError);
        assert!(empty.answers.is_empty());
    }
    assert_eq!(server.asked(), 2);
    // What holds for no time is not kept.
    lab.ask_for("new.example.", RecordType::A).await;
    lab.ask_for("new.example.", RecordType::A).await;
    assert_eq!(server.asked(), 4);
}

#[tokio::test]
async fn a_server_that_fails_or_refuses_is_followed_by_the_next() {
    fn fails(asked: &Message, _: bool) -> Vec<Vec<u8>> {
        let mut reply = reply_to(asked);
        let servfail = asked.queries[0].name.to_ascii().starts_with('s');
        reply.metadata.response_code = match servfail {
            true => ResponseCode::ServFail,
            false => ResponseCode::Refused,
        };
        vec![reply.to_vec().unwrap()]
    }
    let first = Server::new(1, 0, fails);
    let second = Server::new(2, first.at.port(), honest);
    let lab = Lab::new(&[v4(&first), v4(&second)], first.at.port());
    for name in ["s.example.", "r.example."] {
        let answer = lab.ask_for(name, RecordType::A).await;
        assert_eq!(answer.response_code, ResponseCode::NoError, "{name}");
    }
    // Where all fail, so do we; and that is not kept.
    let lab = first.lab();
    let before = first.asked();
    let answer = lab.ask_for("s.example.", RecordType::A).await;
    assert_eq!(answer.response_code, ResponseCode::ServFail);
    lab.ask_for("s.example.", RecordType::A).await;
    assert_eq!(first.asked() - before, 4, "two rounds each");
}

#[tokio::test]
async fn a_silent_server_is_asked_first_no_more() {
    let first = Server::new(1, 0, |_, _| Vec::new());
    let second = Server::new(2, first.at.port(), honest);
    let lab = Lab::new(&[v4(&first), v4(&second)], first.at.port());
    let a = lab.ask_for("a.example.", RecordType::A).await;
    let b = lab.ask_for("b.example.", RecordType::A).await;
    assert_eq!((a.answers.len(), b.answers.len()), (1, 1));
    assert_eq!((first.asked(), second.asked()), (1, 2));
}

#[tokio::test]
async fn nobody_there_is_a_failure() {
    // Its port is closed when it goes.
    let port = pair(Ipv4Addr::LOCALHOST).0.local_addr().unwrap().port();
    let lab = Lab::new(&[Ipv4Addr::LOCALHOST], port);
    let answer = lab.ask_for("a.example.", RecordType::A).await;
    assert_eq!(answer.response_code, ResponseCode::ServFail);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_a_failure_before_clients_give_up() {
    let silent = Server::new(1, 0, |_, _| Vec::new());
    let asked = timeout(Duration::from_secs(5), async {
        silent.lab().ask_for("a.example.", RecordType::A).await
    });
    let answer = asked.await.expect("in time");
    assert_eq!(answer.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn lies_are_passed_over() {
    fn lies(asked: &Message, _: bool) -> Vec<Vec<u8>> {
        let lie = |change: fn(&mut Message)| {
            let mut lie = reply_to(asked);
            lie.add_answer(address(asked, 300, [6, 6, 6, 6]));
            change(&mut lie);
            lie.to_vec().unwrap()
        };
        let mut cut = lie(|_| {});
        cut.truncate(cut.len() - 3);
        let mut said = vec![
            lie(|m| m.metadata.id = !m.id),
            lie(|m| m.metadata.message_type = MessageType::Query),
            lie(|m| m.queries[0].name = Name::from_str("other.example.").unwrap()),
            lie(|m| m.queries[0].query_type = RecordType::TXT),
            lie(|m| m.queries.clear()),
            cut,
            vec![1, 2, 3],
        ];
        said.extend(honest(asked, false));
        said
    }
    let lab = Server::new(1, 0, lies).lab();
    let answer = lab.ask_for("www.example.", RecordType::A).await;
    assert_eq!(answer.answers[0].data, RData::A(A::new(192, 0, 2, 1)));
}

#[tokio::test]
async fn an_answer_from_somewhere_else_is_not_heard() {
    // 127.0.0.3 guesses id and port; only the server that was asked is believed.
    static FORGER: std::sync::OnceLock<std::net::UdpSocket> = std::sync::OnceLock::new();
    FORGER.get_or_init(|| std::net::UdpSocket::bind("127.0.0.3:0").unwrap());
    let server = UdpSocket::bind("127.0.0.4:0").await.unwrap();
    let lab = Lab::new(
        &["127.0.0.4".parse().unwrap()],
        server.local_addr().unwrap().port(),
    );
    spawn("server", async move {
        let mut buffer = [0; 512];
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        let asked = Message::from_vec(&buffer[..length]).unwrap();
        let mut lie = reply_to(&asked);
        lie.add_answer(address(&asked, 300, [6, 6, 6, 6]));
        FORGER
            .get()
            .unwrap()
            .send_to(&lie.to_vec().unwrap(), from)
            .unwrap();
        server
            .send_to(&honest(&asked, false)[0], from)
            .await
            .unwrap();
    });
    let answer = lab.ask_for("www.example.", RecordType::A).await;
    assert_eq!(answer.answers[0].data, RData::A(A::new(192, 0, 2, 1)));
}

/// By UDP one record and the word that there are more; by TCP a hundred.
fn long(asked: &Message, tcp: bool) -> Vec<Vec<u8>> {
    let mut reply = reply_to(asked);
    reply.metadata.truncation = !tcp;
    reply.add_answers((0..if tcp { 100 } else { 1 }).map(|n| text(asked, n)));
    vec![reply.to_vec().unwrap()]
}

#[tokio::test]
async fn what_is_too_long_for_udp_is_fetched_by_tcp_and_cut_for_each_client() {
    let server = Server::new(1, 0, long);
    let lab = server.lab();
    let plain = question("long.example.", RecordType::TXT);
    let whole = lab.tcp(&plain.to_vec().unwrap()).await.unwrap();
    assert_eq!(Message::from_vec(&whole).unwrap().answers.len(), 100);
    for (asked, most) in [
        (plain.clone(), 512),
        (with_edns(plain.clone(), 100), 512),
        (with_edns(plain.clone(), 800), 800),
        (with_edns(plain, 65_535), 1_232),
    ] {
        let answer = lab.udp(&asked.to_vec().unwrap()).await.unwrap();
        assert!(
            answer.len() <= most && answer.len() > most - 80,
            "{} of {most}",
            answer.len()
        );
        let answer = Message::from_vec(&answer).unwrap();
        // Some clients know no TCP and take what they get.
        assert!(answer.truncation && !answer.answers.is_empty());
        assert_eq!(answer.edns.is_some(), asked.edns.is_some());
    }
    assert_eq!(server.asked(), 1, "the whole answer is kept");
}

#[tokio::test]
async fn additional_records_are_left_away_without_a_word() {
    let server = Server::new(1, 0, |asked, _| {
        let mut reply = reply_to(asked);
        reply.add_answer(address(asked, 60, [192, 0, 2, 1]));
        reply.add_authority(soa(30));
        reply.add_additionals((0..12).map(|n| text(asked, n)));
        vec![with_edns(reply, 1_232).to_vec().unwrap()]
    });
    let answer = server.lab().ask_for("www.example.", RecordType::A).await;
    assert!(!answer.truncation && answer.answers.len() == 1 && answer.additionals.is_empty());
}

#[tokio::test]
async fn records_that_nobody_knows_pass_as_they_are() {
    let server = Server::new(1, 0, |asked, _| {
        let mut reply = reply_to(asked);
        let data = RData::Unknown {
            code: RecordType::Unknown(65_280),
            rdata: NULL::with(vec![0xc0, 0xff, 0, 1]),
        };
        let name = asked.queries[0].name.clone();
        reply.add_answer(Record::from_rdata(name, 60, data));
        vec![reply.to_vec().unwrap()]
    });
    let asked = question("odd.example.", RecordType::Unknown(65_280));
    let answer = server.lab().ask(&asked).await;
    assert_eq!(answer.answers.len(), 1);
    assert_eq!(answer.answers[0].record_type(), RecordType::Unknown(65_280));
}

#[tokio::test]
async fn a_server_without_edns_is_asked_without() {
    let server = Server::new(1, 0, |asked, _| {
        if asked.edns.is_some() {
            // Old ones do not even repeat the question.
            let mut reply = Message::response(asked.id, OpCode::Query);
            reply.metadata.response_code = ResponseCode::FormErr;
            return vec![reply.to_vec().unwrap()];
        }
        honest(asked, false)
    });
    let answer = server.lab().ask_for("www.example.", RecordType::A).await;
    assert_eq!(answer.answers.len(), 1);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_laptop_that_moves_asks_its_new_servers() {
    let home = Server::new(1, 0, |asked, _| {
        let mut reply = reply_to(asked);
        reply.add_answer(address(asked, 3_600, [192, 0, 2, 9]));
        vec![reply.to_vec().unwrap()]
    });
    let away = Server::new(2, home.at.port(), honest);
    let lab = home.lab();
    let data = |answer: Message| answer.answers[0].data.clone();
    let ask = async |name: &str| lab.ask_for(name, RecordType::A).await;
    assert_eq!(
        data(ask("www.example.").await),
        RData::A(A::new(192, 0, 2, 9))
    );
    // Replaced, as NetworkManager and systemd do it.
    let (file, new) = (
        lab.dir.path().join("resolv.conf"),
        lab.dir.path().join("new"),
    );
    std::fs::write(&new, format!("nameserver {}\n", v4(&away))).unwrap();
    std::fs::rename(new, file).unwrap();
    // What was known is forgotten when the file is looked at again.
    while data(ask("www.example.").await) != RData::A(A::new(192, 0, 2, 1)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_client_of_slow_names_leaves_room_for_known_ones() {
    let lab = Server::new(1, 0, |_, _| Vec::new()).lab();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    for n in 0..200 {
        let asked = question(&format!("n{n}.example."), RecordType::A);
        socket
            .send_to(&asked.to_vec().unwrap(), lab.at)
            .await
            .unwrap();
    }
    // Those for which there is no place to wait fail at once.
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).await.unwrap();
    let failed = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!(failed.response_code, ResponseCode::ServFail);
    let known = lab
        .ask_for("ip-10-0-0-5.ec2.internal.", RecordType::A)
        .await;
    assert_eq!(known.answers.len(), 1);
}
