//! Operators of ai.onnx.ml that are small: scaling, picking, linear models, tables of labels.

use super::cx::{Cx, Entry, Results, one};
use super::reduce;
use crate::ir::{DType, Dim, Tensor, ValueId};
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

/// LabelEncoder between numbers: what a table names is replaced, all else becomes the default.
pub fn label_encoder(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    let keys = table(cx, "keys")?.ok_or("its keys are strings or missing; only numbers are supported")?;
    let values = table(cx, "values")?.ok_or("its values are strings or missing; only numbers are supported")?;
    if keys.len() != values.len() || keys.len() > 1 << 12 {
        return Err(format!("{} keys for {} values; as many, and 4096 at most, work", keys.len(), values.len()));
    }
    let (dtype, result) = (cx.ty(x).dtype, values.dtype());
    let default = match cx.tensor("default_tensor")? {
        Some(default) => default.to_f64s().first().copied().unwrap_or(0.0),
        None if result.is_float() => f64::from(cx.float("default_float", -0.0)),
        None => cx.int("default_int64", -1) as f64,
    };
    one(cx.map1(x, |map, x| {
        let mut found = map.number(default, result);
        for (key, value) in keys.to_f64s().into_iter().zip(values.to_f64s()).rev() {
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
    })?)
}

fn table(cx: &Cx, role: &str) -> Result<Option<Tensor>, String> {
    if let Some(tensor) = cx.tensor(&format!("{role}_tensor"))? {
        return Ok(Some(tensor));
    }
    if let Some(ints) = cx.int_list(&format!("{role}_int64s")) {
        return Ok(Some(Tensor::ints(&ints)));
    }
    let floats = cx.float_list(&format!("{role}_floats"));
    let floats = floats.map(|values| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    Ok(floats.map(|values| Tensor::from_f64s(DType::F32, vec![values.len()], &values)))
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

/// LinearClassifier with whole numbers for classes.
pub fn linear_classifier(cx: &mut Cx) -> Results {
    let labels = cx.int_list("classlabels_ints").unwrap_or_default();
    if labels.is_empty() {
        return Err(
            "its classes are strings, which are not supported\nhelp: train with whole numbers for classes".into()
        );
    }
    let y = linear(cx, labels.len())?;
    let best = cx.add(ArgReduce { axis: 1, largest: true, last: false, keep: false }, &[y])?;
    let labels = cx.value(Tensor::from_i64s(DType::I64, vec![labels.len()], &labels));
    let label = cx.add(Gather { axis: 0 }, &[labels, best])?;
    let scores = transformed(cx, y)?;
    Ok(vec![Entry::Value(label), Entry::Value(scores)])
}
