//! Reads policies, one JSON document a line, and says which are refused and why:
//! `cargo run -p neargate-policy --example corpus -- FILE`.

use neargate_policy::Document;

fn main() {
    let path = std::env::args().nth(1).expect("a file");
    let text = std::fs::read_to_string(path).expect("readable");
    let (mut read, mut statements) = (0, 0);
    for (at, line) in text.lines().enumerate() {
        match Document::parse(line) {
            Ok(document) => {
                read += 1;
                statements += document.statements.len();
            }
            Err(why) => println!("{}: {why}", at + 1),
        }
    }
    println!(
        "{read} of {} read, {statements} statements",
        text.lines().count()
    );
}
