//! No arguments at all.

kiln::include_model!();

fn main() {}
