//! `neargate shim` alone, for this crate's own tests: the real binary is in another crate.

fn main() {
    let mut args = std::env::args_os().skip(1);
    let code = match (args.next(), args.next()) {
        (Some(command), Some(dir)) if command == "shim" => {
            neargate_node::shim::main(std::path::Path::new(&dir))
        }
        _ => 2,
    };
    std::process::exit(code);
}
