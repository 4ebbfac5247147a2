//! The strings of a run. Steps hold their numbers, which are equal where the strings are: what moves, picks or compares elements
//! serves strings as it is, and only what looks inside them comes here.
//!
//! This file needs a heap, and so does whatever names it.

use core::hash::BuildHasher;
use core::ops::Index;
use std::hash::RandomState;
use std::string::String;
use std::vec::Vec;

/// A slot that holds no number.
const EMPTY: u32 = u32::MAX;

/// Strings by number, each once: first those the model knows, then those of the run. The empty string is number 0.
pub struct Texts {
    /// All strings, one after another.
    bytes: String,
    /// Where each ends.
    ends: Vec<usize>,
    /// Numbers by hash, open addressing with linear probing; a power of two, at most half of it taken.
    slots: Vec<u32>,
    hasher: RandomState,
    /// How many are the model's own.
    known: usize,
}

impl Texts {
    /// A table of the model's own strings, which are distinct, and the first of which is empty.
    pub fn new(known: &[&str]) -> Texts {
        let (bytes, ends, slots) = (String::new(), Vec::new(), std::vec![EMPTY; 16]);
        let mut texts = Texts { bytes, ends, slots, hasher: RandomState::new(), known: 0 };
        for text in known {
            texts.number(text);
        }
        texts.known = texts.ends.len();
        texts
    }

    /// Forgets the strings of the last run; their memory is kept.
    pub fn reset(&mut self) {
        // The last to come is the first to go: each is the last of its chain by then.
        while self.ends.len() > self.known {
            let last = self.ends.len() - 1;
            let slot = self.slot(self.text(last as i32), |number| number as usize == last);
            self.slots[slot] = EMPTY;
            self.ends.pop();
            self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
        }
    }

    /// The string of a number.
    pub fn text(&self, number: i32) -> &str {
        let at = number as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    /// The number of a string.
    pub fn number(&mut self, text: &str) -> i32 {
        if self.ends.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let slot = self.slot(text, |number| self.text(number as i32) == text);
        if self.slots[slot] == EMPTY {
            self.slots[slot] = self.ends.len() as u32;
            self.bytes.push_str(text);
            self.ends.push(self.bytes.len());
        }
        self.slots[slot] as i32
    }

    /// Puts the numbers of `texts` in the place of what `to` held.
    pub fn numbers(&mut self, texts: &[&str], to: &mut Vec<i32>) {
        to.clear();
        to.extend(texts.iter().map(|text| self.number(text)));
    }

    /// The slot of a string: one whose number `is` it, or an empty one.
    fn slot(&self, text: &str, is: impl Fn(u32) -> bool) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = self.hasher.hash_one(text) as usize & mask;
        while self.slots[at] != EMPTY && !is(self.slots[at]) {
            at = (at + 1) & mask;
        }
        at
    }

    /// Twice as many slots. Numbers are put in again by age, so that the last to come stays the last of its chain.
    fn grow(&mut self) {
        let wider = self.slots.len() * 2;
        self.slots.clear();
        self.slots.resize(wider, EMPTY);
        for number in 0..self.ends.len() {
            let slot = self.slot(self.text(number as i32), |_| false);
            self.slots[slot] = number as u32;
        }
    }
}

/// Strings that a run gives, dense and row-major.
#[derive(Clone, Copy)]
pub struct TextView<'a, const R: usize> {
    numbers: &'a [i32],
    texts: &'a Texts,
    /// Sizes, outermost axis first.
    pub shape: [usize; R],
}

impl<'a, const R: usize> TextView<'a, R> {
    /// The strings of `numbers` under `shape`, which holds as many.
    pub fn new(numbers: &'a [i32], texts: &'a Texts, shape: [usize; R]) -> TextView<'a, R> {
        TextView { numbers, texts, shape }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The string at a place, counted through all axes.
    pub fn get(&self, at: usize) -> Option<&'a str> {
        self.numbers.get(at).map(|&number| self.texts.text(number))
    }

    /// All of them in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a, R> {
        let texts = self.texts;
        self.numbers.iter().map(move |&number| texts.text(number))
    }

    /// All of them in order, in memory of their own.
    pub fn to_vec(&self) -> Vec<&'a str> {
        self.iter().collect()
    }
}

impl<const R: usize> Index<usize> for TextView<'_, R> {
    type Output = str;

    fn index(&self, at: usize) -> &str {
        self.texts.text(self.numbers[at])
    }
}

impl<const R: usize> core::fmt::Debug for TextView<'_, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        f.debug_struct("TextView").field("data", &self.to_vec()).field("shape", &self.shape).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn equal_strings_have_equal_numbers() {
        let mut texts = Texts::new(&["", "known"]);
        for _ in 0..3 {
            let first: Vec<i32> = (0..100).map(|i| texts.number(&format!("text {}", i % 50))).collect();
            assert_eq!(first[..50], first[50..]);
            assert_eq!(first[0], 2);
            assert_eq!((texts.number("known"), texts.number("")), (1, 0));
            assert_eq!(texts.text(first[49]), "text 49");
            texts.reset();
            assert_eq!(texts.ends.len(), 2);
            assert_eq!(texts.slots.iter().filter(|slot| **slot != EMPTY).count(), 2);
        }
        let numbers = [texts.number("ä"), texts.number("known")];
        let view = TextView::new(&numbers, &texts, [2]);
        assert_eq!(view.to_vec(), ["ä", "known"]);
        assert_eq!((&view[1], view.get(2)), ("known", None));
    }
}
