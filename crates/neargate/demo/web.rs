//! The program of the demo image: a web page, served with nothing but the standard library,
//! so that it links statically and runs in an otherwise empty image.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static VISITS: AtomicU64 = AtomicU64::new(0);

/// Process 1 of a container gets no default action for SIGTERM: without this, stopping the task
/// would wait for SIGKILL.
fn stop_on_sigterm() {
    unsafe extern "C" {
        fn signal(signum: i32, handler: extern "C" fn(i32)) -> usize;
        fn _exit(status: i32) -> !;
    }
    extern "C" fn stop(_: i32) {
        // SAFETY: _exit is async-signal-safe and does not return.
        unsafe { _exit(0) }
    }
    const SIGTERM: i32 = 15;
    // SAFETY: the handler is async-signal-safe and lives as long as the program.
    unsafe { signal(SIGTERM, stop) };
}

fn main() {
    stop_on_sigterm();
    let port = std::env::var("PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(80u16);
    let listener = match TcpListener::bind(("0.0.0.0", port)) {
        Ok(listener) => listener,
        Err(e) => {
            eprintln!("cannot listen on port {port}: {e}");
            std::process::exit(1);
        }
    };
    println!("serving on port {port}");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || serve(stream));
    }
}

fn serve(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut request = String::new();
    let mut reader = BufReader::new((&stream).take(8192));
    if reader.read_line(&mut request).is_err() {
        return;
    }
    let mut header = String::new();
    while reader.read_line(&mut header).is_ok_and(|n| n > 2) {
        header.clear();
    }
    let visit = VISITS.fetch_add(1, Ordering::Relaxed) + 1;
    println!("{} (visit {visit})", request.trim_end());
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let body = PAGE.replace("{host}", host.trim()).replace("{visit}", &visit.to_string());
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Neargate</title>
<style>body{font:18px system-ui;margin:15vh auto;max-width:34em;padding:0 1em}code{background:#eee;padding:.1em .3em}</style>
<h1>A Fargate task, on your machine</h1>
<p>This page comes from the container <code>{host}</code>. You are visit number {visit}.</p>
</html>
"#;
