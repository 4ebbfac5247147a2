//! Operators of ai.onnx.ml that are small: scaling, picking, linear models, tables of labels.

use super::array;
use super::cx::{Cx, Entry, Results, one};
use super::tensor::Element;
use super::{reduce, text};
use crate::ir::{DType, Dim, Outer, Tensor, ValueId};
use crate::ops::arg_reduce::ArgReduce;
use crate::ops::gather::Gather;
use crate::ops::map::{Binary, Map, Unary};
use crate::ops::matmul::MatMul;
use crate::ops::reduce::{Reduce, ReduceKind};

/// ArrayFeatureExtractor: columns of the last axis.
pub fn extract(cx: &mut Cx) -> Results {
    let (x, picks) = (cx.input(0)?, cx.input(1)?);
    let n = cx.ty(picks).len();
    let picks = cx.reshape(picks, vec![n])?;
    let mut x = x;
    if cx.rank(x) == 1 {
        let len = cx.ty(x).len();
        x = cx.reshape(x, vec![Dim::from(1), len])?;
    }
    let axis = cx.axis(-1, cx.rank(x))?;
    one(cx.add(Gather { axis }, &[x, picks])?)
}

/// Binarizer: 1 where an element is above the threshold, else 0.
pub fn binarizer(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let (dtype, threshold) = (cx.ty(x).dtype, f64::from(cx.float("threshold", 0.0)));
    one(cx.map1(x, |map, x| {
        let threshold = map.number(threshold, dtype);
        let above = map.binary(Binary::Lt, threshold, x);
        map.cast(above, dtype)
    })?)
}

fn row(cx: &mut Cx, values: &[f32]) -> ValueId {
    let values: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
    cx.value(Tensor::from_f64s(DType::F32, vec![values.len()], &values))
}

/// Scaler: `(x - offset) * scale`, a number each or one for all; the result is f32.
pub fn scaler(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let mut y = cx.cast(x, DType::F32)?;
    for (name, op) in [("offset", Binary::Sub), ("scale", Binary::Mul)] {
        if let Some(values) = cx.float_list(name).filter(|values| !values.is_empty()) {
            let values = row(cx, &values);
            y = cx.binary(op, y, values)?;
        }
    }
    one(y)
}

/// Normalizer: rows divided by their greatest, absolute sum or length; the result is f32.
pub fn normalizer(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let x = cx.cast(x, DType::F32)?;
    let axis = cx.axis(-1, cx.rank(x))?;
    let kind = match cx.string("norm", "MAX").as_str() {
        "MAX" => ReduceKind::Max,
        "L1" => ReduceKind::L1,
        "L2" => ReduceKind::SumSquare,
        other => return Err(format!("norm {other:?} does not exist")),
    };
    let mut norm = cx.add(Reduce { kind, axes: vec![axis], keep: true }, &[x])?;
    if kind == ReduceKind::SumSquare {
        norm = cx.unary(Unary::Sqrt, norm)?;
    }
    let mut map = Map::of(&[DType::F32; 2]);
    let zero = map.number(0.0, DType::F32);
    let (none, ratio) = (map.binary(Binary::Eq, 1, zero), map.binary(Binary::Div, 0, 1));
    let result = map.select(none, 0, ratio);
    one(cx.add(map.finish(result), &[x, norm])?)
}

/// Imputer: one value replaced by another, a number each or one for all.
pub fn imputer(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let dtype = cx.ty(x).dtype;
    let (new, old) = match dtype {
        DType::I64 => {
            let new = cx.int_list("imputed_value_int64s").unwrap_or_default();
            let old = cx.int("replaced_value_int64", 0) as f64;
            (new.into_iter().map(|v| v as f64).collect::<Vec<_>>(), old)
        }
        _ => {
            let new = cx.float_list("imputed_value_floats").unwrap_or_default();
            let old = f64::from(cx.float("replaced_value_float", 0.0));
            (new.into_iter().map(f64::from).collect(), old)
        }
    };
    if new.is_empty() {
        return Err("it says no value to put in".into());
    }
    let new = cx.value(Tensor::from_f64s(dtype, vec![new.len()], &new));
    let mut map = Map::of(&[dtype, dtype]);
    let replaced = match old.is_nan() {
        true => map.unary(Unary::IsNan, 0),
        false => {
            let old = map.number(old, dtype);
            map.binary(Binary::Eq, 0, old)
        }
    };
    let result = map.select(replaced, 1, 0);
    one(cx.add(map.finish(result), &[x, new])?)
}

/// LabelEncoder: what a table names is replaced, all else becomes the default.
pub fn label_encoder(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let (keys, values) = (labels(cx, "keys")?, labels(cx, "values")?);
    let default = match cx.typed_tensor("default_tensor")? {
        Some((default, _)) => default.to_f64s().first().copied().unwrap_or(0.0),
        None if values.of == Outer::Text.into() => cx.im.texts.number(&cx.string("default_string", "_Unused")) as f64,
        None if values.of.dtype.is_float() => f64::from(cx.float("default_float", -0.0)),
        None => cx.int("default_int64", -1) as f64,
    };
    one(mapped(cx, x, &keys, &values, default)?)
}

/// CategoryMapper: strings to their numbers or numbers to their strings.
pub fn category_mapper(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let (strings, numbers) = (cx.strings("cats_strings"), cx.int_list("cats_int64s").unwrap_or_default());
    let strings = Labels { of: Outer::Text.into(), list: cx.im.texts.tensor(vec![strings.len()], &strings) };
    let numbers = Labels { of: DType::I64.into(), list: Tensor::ints(&numbers) };
    one(match cx.outer(x) {
        Some(Outer::Text) => {
            let default = cx.int("default_int64", -1) as f64;
            mapped(cx, x, &strings, &numbers, default)?
        }
        _ => {
            let default = cx.im.texts.number(&cx.string("default_string", "_Unused")) as f64;
            mapped(cx, x, &numbers, &strings, default)?
        }
    })
}

/// OneHotEncoder: a row of zeros for each element, with a one at its category.
pub fn one_hot_encoder(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    if !cx.flag("zeros", true) {
        return Err("zeros = 0, an error for what is no category, is not supported\nhelp: set zeros = 1".into());
    }
    let categories = match cx.int_list("cats_int64s") {
        Some(numbers) if cx.outer(x).is_none() => Tensor::ints(&numbers),
        _ if cx.outer(x) == Some(Outer::Text) => {
            let strings = cx.strings("cats_strings");
            cx.im.texts.tensor(vec![strings.len()], &strings)
        }
        _ => return Err(format!("its operand is {} and its categories are of another type", cx.element(x))),
    };
    // Every number is compared in the categories' type.
    let categories = cx.value(categories);
    let dtype = cx.ty(categories).dtype;
    let mut shape = cx.ty(x).shape;
    shape.push(Dim::from(1));
    let cast = cx.cast(x, dtype)?;
    let column = cx.reshape(cast, shape)?;
    let hot = cx.binary(Binary::Eq, column, categories)?;
    one(cx.cast(hot, DType::F32)?)
}

/// One side of a table of labels.
struct Labels {
    of: Element,
    /// Strings by their numbers.
    list: Tensor,
}

fn labels(cx: &Cx, role: &str) -> Result<Labels, String> {
    if let Some((list, of)) = cx.typed_tensor(&format!("{role}_tensor"))? {
        return Ok(Labels { of, list });
    }
    let strings = cx.strings(&format!("{role}_strings"));
    if !strings.is_empty() {
        return Ok(Labels { of: Outer::Text.into(), list: cx.im.texts.tensor(vec![strings.len()], &strings) });
    }
    if let Some(ints) = cx.int_list(&format!("{role}_int64s")) {
        return Ok(Labels { of: DType::I64.into(), list: Tensor::ints(&ints) });
    }
    let floats = cx.float_list(&format!("{role}_floats")).ok_or_else(|| format!("its {role} are missing"))?;
    let floats: Vec<f64> = floats.into_iter().map(f64::from).collect();
    Ok(Labels { of: DType::F32.into(), list: Tensor::from_f64s(DType::F32, vec![floats.len()], &floats) })
}

/// The value beside the key that an element is, or the default.
fn mapped(cx: &mut Cx, x: ValueId, keys: &Labels, values: &Labels, default: f64) -> Result<ValueId, String> {
    let is_text = |element: Element| element.outer == Some(Outer::Text);
    if keys.list.len() != values.list.len() {
        return Err(format!("{} keys for {} values; there should be as many", keys.list.len(), values.list.len()));
    }
    if is_text(keys.of) != is_text(cx.element(x)) {
        return Err(format!("its keys are {} and its operand is {}", keys.of, cx.element(x)));
    }
    cx.stated = Some(values.of);
    let (dtype, result) = (cx.ty(x).dtype, values.of.dtype);
    if is_text(keys.of) {
        let mut list = values.list.to_f64s();
        list.push(default);
        let list = cx.value(Tensor::from_f64s(result, vec![list.len()], &list));
        let keys = cx.im.texts.read(&keys.list);
        return text::looked_up(cx, x, &keys, list);
    }
    if keys.list.len() > 1 << 12 {
        return Err(format!("it has {} keys that are numbers; 4096 at most work", keys.list.len()));
    }
    cx.map1(x, |map, x| {
        let mut found = map.number(default, result);
        for (key, value) in keys.list.to_f64s().into_iter().zip(values.list.to_f64s()).rev() {
            let equal = match key.is_nan() {
                true => map.unary(Unary::IsNan, x),
                false => {
                    let key = map.number(key, dtype);
                    map.binary(Binary::Eq, x, key)
                }
            };
            let value = map.number(value, result);
            found = map.select(equal, value, found);
        }
        found
    })
}

/// `x` times the rows of `coefficients`, plus `intercepts`: `[rows, n]`.
fn linear(cx: &mut Cx, n: usize) -> Result<ValueId, String> {
    let x = cx.input(0)?;
    let x = cx.cast(x, DType::F32)?;
    let features =
        cx.ty(x).shape.get(1).and_then(Dim::as_usize).ok_or("its features are not a fixed number of columns")?;
    let coefficients = cx.float_list("coefficients").unwrap_or_default();
    if n.checked_mul(features) != Some(coefficients.len()) {
        return Err(format!("{} coefficients for {n} results of {features} features", coefficients.len()));
    }
    let coefficients: Vec<f64> = coefficients.into_iter().map(f64::from).collect();
    let w = cx.value(Tensor::from_f64s(DType::F32, vec![n, features], &coefficients));
    let y = cx.add(MatMul { trans_b: true, ..MatMul::default() }, &[x, w])?;
    match cx.float_list("intercepts").filter(|intercepts| !intercepts.is_empty()) {
        Some(intercepts) => {
            let intercepts = row(cx, &intercepts);
            cx.binary(Binary::Add, y, intercepts)
        }
        None => Ok(y),
    }
}

fn transformed(cx: &mut Cx, y: ValueId) -> Result<ValueId, String> {
    match cx.string("post_transform", "NONE").as_str() {
        "NONE" => Ok(y),
        "SOFTMAX" => reduce::softmax_along(cx, y, 1, false),
        "LOGISTIC" => cx.unary(Unary::Sigmoid, y),
        other => Err(format!("post_transform {other:?} is not supported\nhelp: NONE, SOFTMAX and LOGISTIC are")),
    }
}

/// LinearRegressor.
pub fn linear_regressor(cx: &mut Cx) -> Results {
    let n = usize::try_from(cx.int("targets", 1)).map_err(|_| "its targets are negative")?;
    let y = linear(cx, n)?;
    one(transformed(cx, y)?)
}

/// LinearClassifier.
pub fn linear_classifier(cx: &mut Cx) -> Results {
    let classes = classes(cx, "classlabels_ints")?;
    let n = cx.ty(classes).shape[0].as_usize().unwrap_or(0);
    let y = linear(cx, n)?;
    let label = likeliest(cx, y, classes)?;
    let scores = transformed(cx, y)?;
    Ok(vec![Entry::Value(label), Entry::Value(scores)])
}

/// A classifier's labels, which are strings or, in the attribute `ints`, whole numbers.
pub fn classes(cx: &mut Cx, ints: &str) -> Result<ValueId, String> {
    let strings = cx.strings("classlabels_strings");
    if !strings.is_empty() {
        cx.stated = Some(Outer::Text.into());
        return Ok(cx.texts(vec![strings.len()], &strings));
    }
    let numbers = cx.int_list(ints).filter(|numbers| !numbers.is_empty()).ok_or("it names no classes")?;
    Ok(cx.value(Tensor::ints(&numbers)))
}

/// The label of each row's highest score.
pub fn likeliest(cx: &mut Cx, scores: ValueId, classes: ValueId) -> Result<ValueId, String> {
    let best = cx.add(ArgReduce { axis: 1, largest: true, last: false, keep: false }, &[scores])?;
    array::picked(cx, classes, best)
}
