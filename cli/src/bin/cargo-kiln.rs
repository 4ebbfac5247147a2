//! `cargo kiln`: cargo repeats the subcommand's name as the first argument.

fn main() -> std::process::ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|argument| argument == "kiln") {
        arguments.remove(1);
    }
    cargo_kiln::main(arguments)
}
