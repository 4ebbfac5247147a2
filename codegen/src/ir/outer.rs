//! What values stand for outside the graph, where that is another element type than the one they are computed in.

use super::{DType, Narrow};
use std::fmt;

/// An element type of the model's that a graph holds as another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outer {
    /// A small type, of which the model's edges see the bits.
    Narrow(Narrow),
    /// Strings, which are their numbers in [`Texts`](super::Texts).
    Text,
}

impl Outer {
    /// What the values are inside a graph.
    pub fn computed(self) -> DType {
        match self {
            Outer::Narrow(narrow) => narrow.computed(),
            Outer::Text => DType::I32,
        }
    }

    /// What an input or output of it is made of.
    pub fn stored(self) -> DType {
        match self {
            Outer::Narrow(narrow) => narrow.bits(),
            Outer::Text => DType::I32,
        }
    }

    /// The narrow type, if it is one.
    pub fn narrow(self) -> Option<Narrow> {
        match self {
            Outer::Narrow(narrow) => Some(narrow),
            Outer::Text => None,
        }
    }

    /// The narrow float that is decoded where it comes in and encoded where it goes out.
    pub fn coded(self) -> Option<Narrow> {
        self.narrow().filter(|narrow| !narrow.is_int())
    }
}

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Outer::Narrow(narrow) => narrow.fmt(f),
            Outer::Text => f.write_str("string"),
        }
    }
}
