//! Operators on strings. Inside a graph strings are numbers (`ir::Texts`), so only what looks inside them is here.

use super::array;
use super::cx::{Cx, Entry, Results, one};
use super::regex;
use super::tensor::Element;
use crate::ir::{DType, Dim, Outer, Tensor, ValueId};
use crate::ops::expand::Expand;
use crate::ops::text_case::TextCase;
use crate::ops::text_concat::TextConcat;
use crate::ops::text_format::TextFormat;
use crate::ops::text_match::TextMatch;
use crate::ops::text_parse::TextParse;
use crate::ops::text_remove::TextRemove;
use crate::ops::text_split::TextSplit;
use crate::ops::within::Within;
use crate::plan::Limit;

/// Pieces of a string for which memory is planned where nothing else is said.
const PIECES: i64 = 1024;

/// The name under which the number of pieces can be bounded.
pub fn pieces_name(output: &str) -> String {
    format!("{output}:pieces")
}

impl Cx<'_, '_> {
    /// Operand `i`, which must be strings.
    fn text(&self, i: usize) -> Result<ValueId, String> {
        let id = self.input(i)?;
        match self.outer(id) {
            Some(Outer::Text) => Ok(id),
            _ => Err(format!("its operand {i} is {}, and should be strings", self.element(id))),
        }
    }

    /// Strings as a constant.
    pub fn texts(&mut self, shape: Vec<usize>, texts: &[String]) -> ValueId {
        let tensor = self.im.texts.tensor(shape, texts);
        let id = self.value(tensor);
        self.im.mark(id, Some(Outer::Text));
        id
    }
}

/// `x` from or to strings.
pub fn convert(cx: &mut Cx, x: ValueId, from: Element, to: Element) -> Result<ValueId, String> {
    let texts = cx.im.texts.clone();
    if to.outer == Some(Outer::Text) {
        return match from.dtype {
            DType::Bool => Err("bools as strings are not supported: `1` and `True` are both in use".into()),
            _ => cx.add(TextFormat { texts }, &[x]),
        };
    }
    if to.dtype == DType::Bool || to.outer.is_some_and(|outer| outer.coded().is_none()) {
        return Err(format!("strings are not read as {to}; other numbers work"));
    }
    let all = cx.ty(x).len();
    let count = cx.im.graph.add_count(all);
    let what = format!("strings of {:?} that are no {to}", cx.name);
    let op = TextParse { dtype: to.dtype, count: count.clone(), texts };
    let numbers = super::select::counting(cx, op, &[x])?;
    let found = cx.ty(numbers[1]).shape[0].clone();
    let numbers = limited(cx, numbers[0], what, found, 0)?;
    match to.outer {
        Some(_) => {
            let wide = Element::from(to.dtype);
            debug_assert_eq!(cx.element(numbers), wide);
            cx.convert(numbers, to, crate::ir::Rounding::default())
        }
        None => Ok(numbers),
    }
}

/// `x` if `size` is `most` at most.
fn limited(cx: &mut Cx, x: ValueId, what: String, size: Dim, most: i64) -> Result<ValueId, String> {
    match size.as_const() {
        Some(known) if known <= most => Ok(x),
        Some(known) => Err(format!("{what}: {known}")),
        None => cx.im.graph.add_node1(&cx.name, Within(Limit { what, size, most }), &[x]),
    }
}

/// StringConcat.
pub fn concat(cx: &mut Cx) -> Results {
    let (a, b) = (cx.text(0)?, cx.text(1)?);
    let shape = crate::ops::broadcast::broadcast(&cx.ty(a).shape, &cx.ty(b).shape)?;
    let mut spread = |x: ValueId| match cx.ty(x).shape == shape {
        true => Ok(x),
        false => cx.add(Expand { shape: shape.clone() }, &[x]),
    };
    let both = [spread(a)?, spread(b)?];
    let texts = cx.im.texts.clone();
    one(cx.add(TextConcat { texts }, &both)?)
}

/// StringSplit.
pub fn split(cx: &mut Cx) -> Results {
    let x = cx.text(0)?;
    let shape = cx.ty(x).shape;
    let most = match cx.has("maxsplit") {
        true => usize::try_from(cx.int("maxsplit", 0)).ok(),
        false => None,
    };
    let output = cx.node.output.first().cloned().unwrap_or_default();
    let chosen = cx.im.graph.bounds.get(&super::ports::symbol_name(&pieces_name(&output))).copied();
    let split_at_most = most.and_then(|most| i64::try_from(most).ok()).map_or(i64::MAX, |most| most.saturating_add(1));
    let bound = chosen.unwrap_or(PIECES).min(split_at_most);
    let count = cx.im.graph.add_count(Dim::from(bound));
    let flat = cx.reshape(x, vec![Dim::product(&shape)])?;
    let (delimiter, texts) = (cx.string("delimiter", ""), cx.im.texts.clone());
    texts.number(&delimiter);
    let ids = super::select::counting(cx, TextSplit { delimiter, most, count, texts }, &[flat])?;
    let pieces = cx.ty(ids[0]).shape[1].clone();
    let what = format!("pieces of a string of {output:?}");
    let y = match pieces.as_const() {
        Some(_) => ids[0],
        None => limited(cx, ids[0], what, pieces.clone(), bound)?,
    };
    let mut wide = shape.clone();
    wide.push(pieces);
    let (y, counts) = (cx.reshape(y, wide)?, cx.reshape(ids[1], shape)?);
    cx.stated = Some(Outer::Text.into());
    Ok([y, counts].map(Entry::Value).to_vec())
}

/// StringNormalizer.
pub fn normalize(cx: &mut Cx) -> Results {
    let x = cx.text(0)?;
    let shape = cx.ty(x).shape;
    if !matches!(shape.as_slice(), [_]) && !matches!(shape.as_slice(), [one, _] if one.is(1)) {
        return Err(format!("its operand has the shape {shape:?}, and should be [C] or [1, C]"));
    }
    let upper = match cx.string("case_change_action", "NONE").as_str() {
        "NONE" => None,
        "LOWER" => Some(false),
        "UPPER" => Some(true),
        other => return Err(format!("case_change_action {other:?} is none of NONE, LOWER and UPPER")),
    };
    let cased = |cx: &mut Cx, x: ValueId, upper: bool| {
        let texts = cx.im.texts.clone();
        cx.add(TextCase { upper, texts }, &[x])
    };
    let y = match upper {
        Some(upper) => cased(cx, x, upper)?,
        None => x,
    };
    let mut stops = cx.strings("stopwords");
    if stops.is_empty() {
        return if y == x { Ok(vec![cx.inputs[0].clone()]) } else { one(y) };
    }
    let keys = match cx.flag("is_case_sensitive", false) {
        true => x,
        false => {
            stops = stops.iter().map(|stop| stop.to_lowercase()).collect();
            cased(cx, x, false)?
        }
    };
    let n = Dim::product(&shape);
    let stops = cx.texts(vec![stops.len()], &stops);
    let rows = [cx.reshape(y, vec![n.clone()])?, cx.reshape(keys, vec![n.clone()])?, stops];
    let count = cx.im.graph.add_count(Dim::max(&n, &Dim::from(1)));
    let left = super::select::counting(cx, TextRemove { count }, &rows)?[0];
    let mut wide = cx.ty(left).shape;
    if shape.len() == 2 {
        wide.insert(0, Dim::from(1));
    }
    one(cx.reshape(left, wide)?)
}

/// RegexFullMatch: the pattern becomes an automaton's tables here.
pub fn full_match(cx: &mut Cx) -> Results {
    let x = cx.text(0)?;
    let automaton = regex::automaton(&cx.string("pattern", ""))?;
    let states = automaton.ends.len();
    let n_classes = automaton.next.len() / states;
    let classes: Vec<i64> = automaton.classes.iter().map(|&class| i64::from(class)).collect();
    let classes = cx.value(Tensor::from_i64s(DType::U8, vec![256], &classes));
    let next = cx.value(Tensor::from_i64s(DType::I32, vec![states, n_classes], &automaton.next));
    let ends: Vec<i64> = automaton.ends.iter().map(|&end| i64::from(end)).collect();
    let ends = cx.value(Tensor::from_i64s(DType::Bool, vec![states], &ends));
    let texts = cx.im.texts.clone();
    one(cx.add(TextMatch { texts }, &[x, classes, next, ends])?)
}

/// What stands beside a key in a table of strings: `values[i]` for the `i`-th key, the last of `values` for every other string.
///
/// Keys have small numbers since they are constants, so that one look into a table finds them.
pub fn looked_up(cx: &mut Cx, x: ValueId, keys: &[String], values: ValueId) -> Result<ValueId, String> {
    let numbers: Vec<i64> = keys.iter().map(|key| cx.im.texts.number(key)).collect();
    let beyond = numbers.iter().max().map_or(0, |most| most + 1);
    let mut table = vec![keys.len() as i64; beyond as usize + 1];
    // Of a key that is there twice, the first counts.
    numbers.iter().enumerate().rev().for_each(|(at, &number)| table[number as usize] = at as i64);
    let table = cx.value(Tensor::ints(&table));
    let within = cx.map1(x, |map, x| {
        let beyond = map.number(beyond as f64, DType::I32);
        map.binary(crate::ops::map::Binary::Min, x, beyond)
    })?;
    let at = array::picked(cx, table, within)?;
    array::picked(cx, values, at)
}
