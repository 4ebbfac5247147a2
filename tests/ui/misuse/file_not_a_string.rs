//! Something else than a path.

kiln::include_model!(42);

fn main() {}
