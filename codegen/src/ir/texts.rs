//! The strings of a model. A graph holds their numbers, so that all that moves, picks or compares elements serves strings too.

use super::{DType, Tensor};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Strings by number, each once; the first is the empty one. Clones share them.
#[derive(Clone)]
pub struct Texts(Arc<Mutex<Table>>);

struct Table {
    list: Vec<String>,
    numbers: HashMap<String, i64>,
}

impl Default for Texts {
    fn default() -> Texts {
        let texts = Texts(Arc::new(Mutex::new(Table { list: Vec::new(), numbers: HashMap::new() })));
        texts.number("");
        texts
    }
}

impl Texts {
    fn with<T>(&self, f: impl FnOnce(&mut Table) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of a string.
    pub fn number(&self, text: &str) -> i64 {
        self.with(|table| {
            if let Some(&known) = table.numbers.get(text) {
                return known;
            }
            let next = table.list.len() as i64;
            table.list.push(text.to_string());
            table.numbers.insert(text.to_string(), next);
            next
        })
    }

    /// The string of a number; of none that exists, the empty one.
    pub fn text(&self, number: i64) -> String {
        self.with(|table| usize::try_from(number).ok().and_then(|at| table.list.get(at).cloned())).unwrap_or_default()
    }

    /// All of them so far, by number.
    pub fn all(&self) -> Vec<String> {
        self.with(|table| table.list.clone())
    }

    /// The numbers of `texts` under `shape`.
    pub fn tensor<T: AsRef<str>>(&self, shape: Vec<usize>, texts: &[T]) -> Tensor {
        let numbers: Vec<i64> = texts.iter().map(|text| self.number(text.as_ref())).collect();
        Tensor::from_i64s(DType::I32, shape, &numbers)
    }

    /// The strings whose numbers a tensor holds.
    pub fn read(&self, tensor: &Tensor) -> Vec<String> {
        tensor.to_i64s().into_iter().map(|number| self.text(number)).collect()
    }
}

impl PartialEq for Texts {
    fn eq(&self, other: &Texts) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("texts")
    }
}
