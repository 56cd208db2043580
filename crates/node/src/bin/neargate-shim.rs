//! `neargate zygote` alone, for this crate's own tests: the real binary is in another crate.

fn main() {
    let code = match std::env::args().nth(1).as_deref() {
        Some("zygote") => neargate_node::shim::zygote(),
        _ => 2,
    };
    std::process::exit(code);
}
