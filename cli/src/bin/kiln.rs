//! `kiln`

fn main() -> std::process::ExitCode {
    cargo_kiln::main(std::env::args_os())
}
