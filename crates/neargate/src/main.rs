//! The binary: command line, configuration and wiring; every role starts here.

// Its macro is for all below.
#[macro_use]
mod view;

mod allocator;
mod backup;
mod builder;
mod cli;
mod client;
mod commands;
mod config;
mod containers;
mod demo;
mod edge;
mod environment;
mod host_pages;
mod hosts_file;
mod installation;
mod instance_metadata;
mod load_balancers;
mod log;
mod machine;
mod mail_relay;
mod node;
mod operator;
mod own_code;
mod people;
mod port_tls;
mod preflight;
mod publish;
mod running;
mod slices;
mod smtp;
mod span;
mod task_network;
mod up;
mod upstream;
mod version;
mod xray;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let code = match arguments.next() {
        // It forks: it must run before any thread exists.
        Some(word) if word == "zygote" => neargate_node::shim::zygote(),
        Some(word) if word == "edge" => neargate_edge::process::main(arguments),
        _ => return cli::run(),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
