//! TfIdfVectorizer: how often each run of tokens of a pool occurs, tokens being whole numbers or strings.

use super::array::part;
use super::cx::{Cx, Results, one};
use crate::ir::{DType, Dim, Outer, Tensor, ValueId};
use crate::ops::expand::Expand;
use crate::ops::map::{Binary, Map};
use crate::ops::reduce::{Reduce, ReduceKind};

/// Comparisons at one go: positions times grams.
const LIMIT: i64 = 1 << 28;

/// Grams of one length: the tokens of each, and which column of the result counts it.
struct Grams {
    len: usize,
    tokens: Vec<i64>,
    columns: Vec<usize>,
}

/// TfIdfVectorizer. Every gram of a length is compared with the row at once: `[rows, positions, grams]`.
pub fn vectorize(cx: &mut Cx) -> Results {
    let x = cx.input(0)?;
    if !cx.ty(x).dtype.is_int() {
        return Err(format!("its tokens are {}; whole numbers work", cx.ty(x).dtype));
    }
    let flat = cx.rank(x) == 1;
    let mut rows = x;
    if flat {
        let len = cx.ty(x).len();
        rows = cx.reshape(x, vec![Dim::from(1), len])?;
    }
    if cx.rank(rows) != 2 {
        return Err(format!("its rows of tokens are {}, and should have 1 or 2 axes", cx.ty(x)));
    }
    let rows = cx.cast(rows, DType::I64)?;
    let [n_rows, n_tokens] = [0, 1].map(|axis| cx.ty(rows).shape[axis].clone());
    let n_tokens = n_tokens.as_const().ok_or_else(|| format!("the number of tokens {n_tokens} is not fixed"))?;
    let indexes = cx.int_list("ngram_indexes").unwrap_or_default();
    let n_columns = indexes.iter().max().map_or(0, |&most| most.saturating_add(1));
    let n_columns = usize::try_from(n_columns).ok().filter(|n| (1..1 << 22).contains(n));
    let n_columns = n_columns.ok_or("its ngram_indexes are empty, negative or larger than four million")?;
    let range = |name: &str| usize::try_from(cx.int(name, 0)).map_err(|_| format!("its {name} is negative"));
    let (least, most, skips) = (range("min_gram_length")?, range("max_gram_length")?, range("max_skip_count")?);
    let mut counts: Option<ValueId> = None;
    for grams in grams(cx, &indexes)?.into_iter().filter(|grams| (least..=most).contains(&grams.len)) {
        // A gram of one token is the same whatever is skipped between its tokens.
        let skips = if grams.len == 1 { 0 } else { skips.min(n_tokens.max(0) as usize) };
        for skip in 0..=skips {
            if let Some(found) = occurrences(cx, rows, &grams, skip, n_tokens, n_columns)? {
                counts = Some(match counts {
                    Some(counts) => cx.binary(Binary::Add, counts, found)?,
                    None => found,
                });
            }
        }
    }
    let counts = match counts {
        Some(counts) => counts,
        None => {
            let zero = cx.scalar(0.0, DType::F32);
            cx.add(Expand { shape: vec![n_rows, Dim::from(n_columns)] }, &[zero])?
        }
    };
    let mut y = weighted(cx, counts, n_columns)?;
    if flat {
        y = cx.reshape(y, vec![Dim::from(n_columns)])?;
    }
    one(y)
}

/// The pool's grams by length.
fn grams(cx: &Cx, indexes: &[i64]) -> Result<Vec<Grams>, String> {
    let strings = cx.strings("pool_strings");
    let pool = match strings.is_empty() {
        true => cx.int_list("pool_int64s").filter(|pool| !pool.is_empty()).ok_or("its pool is empty")?,
        false => strings.iter().map(|text| cx.im.texts.number(text)).collect(),
    };
    if strings.is_empty() == (cx.outer(cx.input(0)?) == Some(Outer::Text)) {
        return Err("its pool and its tokens are of different types".into());
    }
    let starts = cx.int_list("ngram_counts").unwrap_or_default();
    let mut all = Vec::new();
    let mut columns = indexes.iter();
    for (i, &start) in starts.iter().enumerate() {
        let (len, end) = (i + 1, starts.get(i + 1).copied().unwrap_or(pool.len() as i64));
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let tokens = range.and_then(|(start, end)| pool.get(start..end));
        let tokens =
            tokens.ok_or_else(|| format!("its ngram_counts {starts:?} do not divide a pool of {}", pool.len()))?;
        if tokens.len() % len != 0 {
            return Err(format!("{} tokens of its pool do not make grams of {len}", tokens.len()));
        }
        let columns: Vec<usize> = columns.by_ref().take(tokens.len() / len).map(|&at| at.max(0) as usize).collect();
        if columns.len() != tokens.len() / len {
            return Err("its ngram_indexes are fewer than its grams".into());
        }
        all.push(Grams { len, tokens: tokens.to_vec(), columns });
    }
    Ok(all.into_iter().filter(|grams| !grams.columns.is_empty()).collect())
}

/// How often each gram occurs with `skip` tokens left out after each of its own, `[rows, columns]`; nothing if rows are too short.
fn occurrences(
    cx: &mut Cx,
    rows: ValueId,
    grams: &Grams,
    skip: usize,
    n_tokens: i64,
    n_columns: usize,
) -> Result<Option<ValueId>, String> {
    let span = (grams.len as i64 - 1) * (skip as i64 + 1) + 1;
    let positions = n_tokens - span + 1;
    if positions <= 0 {
        return Ok(None);
    }
    // A column of tokens for each place in the gram, under the result's columns; a column no gram has never matches.
    let mut equal: Option<ValueId> = None;
    let mut used = vec![0.0; n_columns];
    grams.columns.iter().for_each(|&column| used[column] = 1.0);
    if positions.saturating_mul(n_columns as i64) > LIMIT {
        return Err(format!("{positions} positions of {n_columns} grams are too many to compare"));
    }
    for place in 0..grams.len {
        let mut wanted = vec![0i64; n_columns];
        for (gram, &column) in grams.columns.iter().enumerate() {
            wanted[column] = grams.tokens[gram * grams.len + place];
        }
        let wanted = cx.value(Tensor::from_i64s(DType::I64, vec![n_columns], &wanted));
        let start = place as i64 * (skip as i64 + 1);
        let tokens = part(cx, rows, 1, Dim::from(start), Dim::from(positions))?;
        let mut shape = cx.ty(tokens).shape;
        shape.push(Dim::from(1));
        let tokens = cx.reshape(tokens, shape)?;
        let same = cx.binary(Binary::Eq, tokens, wanted)?;
        equal = Some(match equal {
            Some(equal) => cx.binary(Binary::And, equal, same)?,
            None => same,
        });
    }
    let equal = equal.ok_or("a gram of no tokens")?;
    let used = cx.value(Tensor::from_f64s(DType::F32, vec![n_columns], &used));
    let mut map = Map::of(&[DType::Bool, DType::F32]);
    let zero = map.number(0.0, DType::F32);
    let result = map.select(0, 1, zero);
    let ones = cx.add(map.finish(result), &[equal, used])?;
    Ok(Some(cx.add(Reduce { kind: ReduceKind::Sum, axes: vec![1], keep: false }, &[ones])?))
}

fn weighted(cx: &mut Cx, counts: ValueId, n_columns: usize) -> Result<ValueId, String> {
    let mode = cx.string("mode", "TF");
    let weights: Vec<f64> = cx.float_list("weights").unwrap_or_default().into_iter().map(f64::from).collect();
    if !weights.is_empty() && weights.len() != n_columns {
        return Err(format!("{} weights for {n_columns} counts", weights.len()));
    }
    let weights = if weights.is_empty() { vec![1.0; n_columns] } else { weights };
    let weights = cx.value(Tensor::from_f64s(DType::F32, vec![n_columns], &weights));
    match mode.as_str() {
        "TF" => Ok(counts),
        "TFIDF" => cx.binary(Binary::Mul, counts, weights),
        "IDF" => {
            let mut map = Map::of(&[DType::F32; 2]);
            let zero = map.number(0.0, DType::F32);
            let some = map.binary(Binary::Lt, zero, 0);
            let result = map.select(some, 1, zero);
            cx.add(map.finish(result), &[counts, weights])
        }
        other => Err(format!("mode {other:?} does not exist")),
    }
}
