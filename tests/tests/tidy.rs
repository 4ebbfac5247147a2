//! The house rules as code: what stands where, who may name whom, and how large things get.

use proc_macro2::{TokenStream, TokenTree};
use std::path::{Path, PathBuf};

/// Lines a file may have before its tests.
const LIMIT: usize = 600;
/// Files outside `runtime-kernels` that may say `unsafe`: what no safe code can do.
const UNSAFE: [&str; 4] = [
    "examples/firmware/src/boot.rs",        // the reset vector
    "examples/firmware/src/semihosting.rs", // the debugger's breakpoint
    "examples/firmware/src/once.rs",        // a static that is taken once
    "tests/tests/allocation.rs",            // a global allocator
];

/// A source file of ours.
struct File {
    /// Path from the root, with `/`.
    path: String,
    text: String,
}

impl File {
    /// The text before its tests.
    fn code(&self) -> &str {
        self.text.split("\n#[cfg(test)]").next().unwrap_or_default()
    }

    /// Identifiers of the code; neither comments nor strings are among them.
    fn words(&self) -> Vec<String> {
        let tokens: TokenStream = self.code().parse().unwrap_or_else(|e| panic!("{}: {e}", self.path));
        let mut words = Vec::new();
        collect(tokens, &mut words);
        words
    }

    /// Whether the code names the path `a::b`.
    fn names(&self, path: &str) -> bool {
        let lines = self.code().lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.flat_map(|line| line.split("// ").next()).any(|line| line.contains(path))
    }
}

fn collect(tokens: TokenStream, words: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => words.push(ident.to_string()),
            TokenTree::Group(group) => collect(group.stream(), words),
            _ => {}
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Every Rust file of the repository.
fn files() -> Vec<File> {
    let mut open: Vec<PathBuf> = vec![root().to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                let skipped = name == "target" || name.starts_with('.');
                open.extend((!skipped).then_some(path));
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root()).unwrap().display().to_string().replace('\\', "/");
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 50, "only {} files were found", files.len());
    files
}

/// Files under `folder`, of which there must be some.
fn under(folder: &str) -> Vec<File> {
    let files: Vec<File> = files().into_iter().filter(|file| file.path.starts_with(folder)).collect();
    assert!(!files.is_empty(), "there is nothing under {folder}");
    files
}

/// A file's name without its ending.
fn stem(file: &File) -> String {
    Path::new(&file.path).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Fails with the paths of `files` that break `rule`.
fn none(files: impl IntoIterator<Item = File>, rule: &str, breaks: impl Fn(&File) -> bool) {
    let guilty: Vec<String> = files.into_iter().filter(|file| breaks(file)).map(|file| file.path).collect();
    assert!(guilty.is_empty(), "{rule}:\n  {}", guilty.join("\n  "));
}

#[test]
fn every_file_says_what_it_is() {
    none(files(), "a file opens with `//!`", |file| !file.text.starts_with("//!"));
}

#[test]
fn no_file_is_long() {
    // A file that is all tests has none before them.
    let lines = |file: &File| if file.path.contains("/tests/") { 0 } else { file.code().lines().count() };
    none(files(), "a file has at most 600 lines before its tests", |file| lines(file) > LIMIT);
    let total: usize = files().iter().map(lines).sum();
    println!("{total} lines of Rust before tests, in {} files", files().len());
}

#[test]
fn no_file_is_named_for_nothing() {
    none(files(), "a file's name says what is in it", |file| {
        let stem = stem(file);
        ["utils", "util", "common", "helpers", "helper", "misc", "types2"].contains(&stem.as_str())
    });
}

#[test]
fn nothing_is_left_to_do() {
    none(files(), "nothing is left unwritten", |file| {
        file.words().iter().any(|word| ["todo", "unimplemented", "dbg"].contains(&word.as_str()))
    });
}

#[test]
fn unsafe_is_for_kernels() {
    let files = files().into_iter().filter(|file| !file.path.starts_with("runtime-kernels/"));
    none(files, "`unsafe` is for runtime-kernels alone", |file| {
        file.words().iter().any(|word| word == "unsafe") && !UNSAFE.contains(&file.path.as_str())
    });
}

#[test]
fn kernels_depend_on_nothing() {
    let manifest = std::fs::read_to_string(root().join("runtime-kernels/Cargo.toml")).unwrap();
    assert!(!manifest.lines().any(|line| line.trim() == "[dependencies]"), "runtime-kernels has dependencies");
    let library = std::fs::read_to_string(root().join("runtime-kernels/src/lib.rs")).unwrap();
    assert!(library.contains("#![no_std]"));
}

#[test]
fn every_kernel_file_is_carried_as_text() {
    // Files that never become part of a generated model: for the build alone, or for tests.
    let build_time = ["lib", "source", "pack", "peak", "catalogue", "ulp"];
    for file in under("runtime-kernels/src/") {
        let stem = stem(&file);
        if !build_time.contains(&stem.as_str()) {
            let carried = kiln_kernels::source::FILES.iter().any(|(name, text)| *name == stem && *text == file.text);
            assert!(carried, "{} is not in source.rs", file.path);
        }
    }
}

#[test]
fn kernels_name_siblings_by_super_alone() {
    let files = under("runtime-kernels/src/").into_iter().filter(|file| !["lib", "ulp"].contains(&stem(file).as_str()));
    none(files, "a kernel file works wherever it stands", |file| file.names("crate::") || file.names("kiln_kernels::"));
}

#[test]
fn the_macro_is_a_door() {
    for file in under("macros/src/") {
        let code =
            file.code().lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        assert!(code <= 130, "{}: {code} lines of code, more than 130", file.path);
    }
}

#[test]
fn only_the_front_end_reads_protobuf() {
    let files = under("codegen/src/").into_iter().filter(|file| !file.path.starts_with("codegen/src/front/"));
    none(files, "only front/ names prost", |file| file.words().iter().any(|word| word == "prost"));
}

#[test]
fn only_emission_writes_rust() {
    let files = under("codegen/src/").into_iter().filter(|file| !file.path.starts_with("codegen/src/emit/"));
    let writers = ["quote", "prettyplease", "proc_macro2", "syn"];
    none(files, "only emit/ names quote, prettyplease and what goes with them", |file| {
        file.words().iter().any(|word| writers.contains(&word.as_str()))
    });
}

#[test]
fn only_the_door_touches_the_world() {
    let files = under("codegen/src/").into_iter().filter(|file| file.path != "codegen/src/cargo.rs");
    none(files, "the core takes bytes and returns values", |file| {
        file.names("std::env")
            || file.names("std::fs")
            || file.names("println!")
            || file.names("print!")
            || file.names("std::process")
    });
}

#[test]
fn passes_do_not_plan_and_emission_does_not_see_the_graph() {
    none(under("codegen/src/passes/"), "a pass never sees the plan", |file| {
        file.names("crate::plan") || file.names("crate::schedule")
    });
    none(under("codegen/src/emit/"), "emission never sees the graph", |file| {
        file.words().iter().any(|word| word == "Graph")
    });
    none(under("codegen/src/memory.rs"), "memory never sees the graph", |file| {
        file.words().iter().any(|word| word == "Graph")
    });
    none(under("codegen/src/eval.rs"), "the interpreter shares no code with kernels", |file| {
        file.names("kiln_kernels")
    });
}

#[test]
fn the_compiler_does_not_panic() {
    none(under("codegen/src/"), "no model may make the compiler panic", |file| {
        [".unwrap()", ".expect(", "panic!", "unreachable!", "assert!(", "assert_eq!("].iter().any(|word| {
            let lines = file.code().lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
            lines
                .filter(|line| !line.contains("debug_assert"))
                .any(|line| line.contains(word) && !line.contains("quote!"))
        })
    });
}
