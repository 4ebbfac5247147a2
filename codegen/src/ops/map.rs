//! Elementwise expressions over broadcast operands: every unary, binary and ternary op of ONNX, alone or fused.

use super::broadcast::{broadcast, broadcast_equalities, broadcast_strides, collapse};
use super::lane::{Lane, binary, cast, float, int, unary};
use super::{Lower, Rules};
use crate::ir::{DType, Dim, Narrow, Rounding, Shape, Tensor, Type, indices};
use crate::plan::Arg;

/// A small program run for every element of the result; the last instruction is the result.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Map {
    /// Operands read.
    pub n_inputs: usize,
    /// Instructions, each with the type of its result; operands of an instruction stand before it.
    pub insts: Vec<(Inst, DType)>,
}

/// An expression apart from some of its numbers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Template {
    /// The expression, zero where a number is given.
    pub map: Map,
    /// The instructions whose numbers are given.
    pub given: Vec<usize>,
}

/// One instruction; numbers index earlier instructions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Inst {
    /// The element of an operand.
    Input(usize),
    /// A number: the bits of an `f64` if the instruction's type is floating-point, an `i64`'s otherwise.
    Const(u64),
    /// `op a`
    Unary(Unary, usize),
    /// `a op b`, operands of one type
    Binary(Binary, usize, usize),
    /// `if a { b } else { c }`
    Select(usize, usize, usize),
    /// Conversion of `a` to the instruction's type.
    Cast(usize),
}

/// Functions of one element.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the names are the mathematics
pub enum Unary {
    Neg,
    Abs,
    Exp,
    Log,
    Sqrt,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Erf,
    Sigmoid,
    Floor,
    Ceil,
    Round,
    /// -1, 0 or 1.
    Sign,
    /// Logical not of a bool.
    Not,
    BitNot,
    IsNan,
    /// Whether positive infinity.
    IsPosInf,
    /// Whether negative infinity.
    IsNegInf,
    /// The number that the bits of a narrow type stand for.
    Decode(Narrow),
    /// The bits of the nearest number of a narrow type.
    Encode(Narrow, Rounding),
}

/// Functions of two elements of one type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the names are the mathematics
pub enum Binary {
    Add,
    Sub,
    Mul,
    /// Integers truncate.
    Div,
    /// Remainder with the sign of the dividend.
    Fmod,
    /// Remainder with the sign of the divisor.
    Mod,
    Pow,
    Min,
    Max,
    And,
    Or,
    Xor,
    BitAnd,
    BitOr,
    BitXor,
    Shl,
    Shr,
    Eq,
    Lt,
    Le,
}

impl Binary {
    /// Whether the result is a bool whatever the operands.
    pub fn compares(self) -> bool {
        matches!(self, Binary::Eq | Binary::Lt | Binary::Le)
    }
}

impl Unary {
    /// Whether it is a function of real numbers, which integers and truth values do not have.
    fn is_real(self) -> bool {
        use Unary::{Abs, BitNot, Ceil, Floor, IsNan, IsNegInf, IsPosInf, Neg, Not, Round, Sign};
        let any = matches!(self, Neg | Abs | Floor | Ceil | Round | Sign | Not | BitNot | IsNan | IsPosInf | IsNegInf);
        !any && !matches!(self, Unary::Decode(_) | Unary::Encode(..))
    }

    /// Type of the result for an operand of `dtype`.
    fn dtype(self, dtype: DType) -> DType {
        match self {
            Unary::IsNan | Unary::IsPosInf | Unary::IsNegInf => DType::Bool,
            Unary::Decode(narrow) => narrow.computed(),
            Unary::Encode(narrow, _) => narrow.bits(),
            _ => dtype,
        }
    }
}

impl Map {
    /// A program reading operands of these types, with no result yet.
    pub fn of(inputs: &[DType]) -> Map {
        let insts = inputs.iter().enumerate().map(|(i, &dtype)| (Inst::Input(i), dtype)).collect();
        Map { n_inputs: inputs.len(), insts }
    }

    /// The operand itself.
    pub fn identity(dtype: DType) -> Map {
        Map::of(&[dtype])
    }

    /// Appends an instruction and gives its index.
    pub fn push(&mut self, inst: Inst, dtype: DType) -> usize {
        // What was decoded and is encoded again was the bits already.
        if let Inst::Unary(Unary::Encode(narrow, _), value) = inst
            && let Inst::Unary(Unary::Decode(from), bits) = self.insts[value].0
            && narrow == from
        {
            return bits;
        }
        // The same computation twice is one instruction.
        if let Some(at) = self.insts.iter().position(|known| *known == (inst, dtype)) {
            return at;
        }
        self.insts.push((inst, dtype));
        self.insts.len() - 1
    }

    /// Appends the number `value`.
    pub fn number(&mut self, value: f64, dtype: DType) -> usize {
        let bits = if dtype.is_float() { value.to_bits() } else { (value as i64) as u64 };
        self.push(Inst::Const(bits), dtype)
    }

    /// Appends `op a`.
    pub fn unary(&mut self, op: Unary, a: usize) -> usize {
        let dtype = op.dtype(self.insts[a].1);
        self.push(Inst::Unary(op, a), dtype)
    }

    /// Appends `a op b`.
    pub fn binary(&mut self, op: Binary, a: usize, b: usize) -> usize {
        let dtype = if op.compares() { DType::Bool } else { self.insts[a].1 };
        self.push(Inst::Binary(op, a, b), dtype)
    }

    /// Appends `if a { b } else { c }`.
    pub fn select(&mut self, a: usize, b: usize, c: usize) -> usize {
        let dtype = self.insts[b].1;
        self.push(Inst::Select(a, b, c), dtype)
    }

    /// Appends the conversion of `a` to `dtype`.
    pub fn cast(&mut self, a: usize, dtype: DType) -> usize {
        if self.insts[a].1 == dtype { a } else { self.push(Inst::Cast(a), dtype) }
    }

    /// Makes `at` the result.
    pub fn finish(mut self, at: usize) -> Map {
        if at + 1 != self.insts.len() {
            // Only the last instruction is the result: drop what follows, or repeat an operand as the result.
            let read_later = self.insts[at + 1..].iter().all(|(inst, _)| matches!(inst, Inst::Input(_)));
            if read_later {
                let result = self.insts[at];
                self.insts.push(result);
            } else {
                self.insts.truncate(at + 1);
            }
        }
        self
    }

    /// Type of the result.
    pub fn dtype(&self) -> DType {
        self.insts.last().map_or(DType::F32, |&(_, dtype)| dtype)
    }

    /// The program computing `self` of `inner`'s result in place of operand `at`. Operands of the result: `self`'s without
    /// `at`, then `inner`'s.
    pub fn compose(&self, at: usize, inner: &Map) -> Map {
        let kept = self.n_inputs - 1;
        let mut result = Map { n_inputs: kept + inner.n_inputs, insts: Vec::new() };
        let inner_at = result.append(inner, &|i| Source::Input(kept + i));
        let outer_at = result.append(self, &|i| match i {
            i if i == at => Source::Inst(inner_at),
            i => Source::Input(i - usize::from(i > at)),
        });
        result.finish_exact(outer_at)
    }

    /// The same program where operand `i` becomes operand `to[i]`, of `n_inputs`.
    pub fn with_inputs(&self, to: &[usize], n_inputs: usize) -> Map {
        let mut result = Map { n_inputs, insts: Vec::new() };
        let at = result.append(self, &|i| Source::Input(to[i]));
        result.finish_exact(at)
    }

    /// The same program with operand `at` replaced by a number.
    pub fn with_number(&self, at: usize, value: &Tensor) -> Map {
        let bits = match value.dtype() {
            dtype if dtype.is_float() => value.to_f64s().first().map_or(0, |v| v.to_bits()),
            _ => value.to_i64s().first().map_or(0, |&v| v as u64),
        };
        let mut result = Map { n_inputs: self.n_inputs - 1, insts: Vec::new() };
        let end = result.append(self, &|i| match i {
            i if i == at => Source::Number(bits),
            i => Source::Input(i - usize::from(i > at)),
        });
        result.finish_exact(end)
    }

    fn append(&mut self, other: &Map, source: &dyn Fn(usize) -> Source) -> usize {
        let mut moved: Vec<usize> = Vec::with_capacity(other.insts.len());
        for &(inst, dtype) in &other.insts {
            let at = match inst {
                Inst::Input(i) => match source(i) {
                    Source::Input(j) => self.push(Inst::Input(j), dtype),
                    Source::Inst(at) => at,
                    Source::Number(bits) => self.push(Inst::Const(bits), dtype),
                },
                Inst::Const(_) => self.push(inst, dtype),
                Inst::Unary(op, a) => self.push(Inst::Unary(op, moved[a]), dtype),
                Inst::Binary(op, a, b) => self.push(Inst::Binary(op, moved[a], moved[b]), dtype),
                Inst::Select(a, b, c) => self.push(Inst::Select(moved[a], moved[b], moved[c]), dtype),
                Inst::Cast(a) => self.push(Inst::Cast(moved[a]), dtype),
            };
            moved.push(at);
        }
        moved.last().copied().unwrap_or(0)
    }

    /// Keeps only what `at` needs, with `at` last.
    fn finish_exact(self, at: usize) -> Map {
        let mut needed = vec![false; self.insts.len()];
        needed[at] = true;
        for i in (0..self.insts.len()).rev().filter(|&i| i <= at) {
            if needed[i] {
                self.insts[i].0.operands().for_each(|a| needed[a] = true);
            }
        }
        let mut result = Map { n_inputs: self.n_inputs, insts: Vec::new() };
        let mut moved = vec![0; self.insts.len()];
        for (i, &(inst, dtype)) in self.insts.iter().enumerate().filter(|&(i, _)| needed[i]) {
            let inst = match inst {
                Inst::Unary(op, a) => Inst::Unary(op, moved[a]),
                Inst::Binary(op, a, b) => Inst::Binary(op, moved[a], moved[b]),
                Inst::Select(a, b, c) => Inst::Select(moved[a], moved[b], moved[c]),
                Inst::Cast(a) => Inst::Cast(moved[a]),
                inst => inst,
            };
            result.insts.push((inst, dtype));
            moved[i] = result.insts.len() - 1;
        }
        result
    }

    /// The least and the greatest result, where all that the program does is to keep its one operand between them.
    pub fn clamp(&self) -> Option<(f64, f64)> {
        if self.n_inputs != 1 || !self.is_f32() {
            return None;
        }
        let number = |at: usize| match self.insts[at].0 {
            Inst::Const(bits) => Some(f64::from_bits(bits)).filter(|value| !value.is_nan()),
            _ => None,
        };
        let (mut low, mut high, mut kept) = (f64::NEG_INFINITY, f64::INFINITY, None);
        for (at, &(inst, _)) in self.insts.iter().enumerate() {
            match inst {
                Inst::Const(_) => continue,
                Inst::Input(0) if kept.is_none() => {}
                Inst::Binary(op @ (Binary::Max | Binary::Min), a, b) => {
                    let bound = match (number(a), number(b)) {
                        (None, Some(bound)) if kept == Some(a) => bound,
                        (Some(bound), None) if kept == Some(b) => bound,
                        _ => return None,
                    };
                    let bounded = |x: f64| if op == Binary::Max { x.max(bound) } else { x.min(bound) };
                    (low, high) = (bounded(low), bounded(high));
                }
                _ => return None,
            }
            kept = Some(at);
        }
        (kept == self.insts.len().checked_sub(1)).then_some((low, high))
    }

    /// The expression apart from the numbers that a model was trained to have, and these; round ones belong to what the
    /// expression is.
    pub fn template(&self) -> (Template, Vec<f64>) {
        let mut template = Template { map: self.clone(), given: Vec::new() };
        let mut numbers = Vec::new();
        if self.is_f32() {
            for (at, (inst, _)) in template.map.insts.iter_mut().enumerate() {
                let Inst::Const(bits) = inst else { continue };
                let number = f64::from_bits(*bits);
                let round = number.abs() <= 64.0 && (64.0 * number).fract() == 0.0;
                if number.is_finite() && !round {
                    *bits = 0;
                    template.given.push(at);
                    numbers.push(f64::from(number as f32));
                }
            }
        }
        (template, numbers)
    }

    /// Whether the program computes with `f32` alone (and truth values on the way), as the SIMD form of the kernel does.
    pub fn is_f32(&self) -> bool {
        self.dtype() == DType::F32
            && self.insts.iter().all(|&(inst, dtype)| match inst {
                Inst::Input(_) | Inst::Const(_) => dtype == DType::F32,
                Inst::Unary(Unary::BitNot, _) => false,
                Inst::Binary(op, a, _) => {
                    let simd = !matches!(
                        op,
                        Binary::Fmod
                            | Binary::Mod
                            | Binary::Xor
                            | Binary::BitAnd
                            | Binary::BitOr
                            | Binary::BitXor
                            | Binary::Shl
                            | Binary::Shr
                    );
                    simd && !(op == Binary::Eq && self.insts[a].1 == DType::Bool)
                        && matches!(dtype, DType::F32 | DType::Bool)
                }
                Inst::Select(_, a, _) => self.insts[a].1 == DType::F32,
                Inst::Cast(_) => false,
                Inst::Unary(..) => matches!(dtype, DType::F32 | DType::Bool),
            })
    }

    /// Whether the result is the one operand itself.
    pub fn is_identity(&self) -> bool {
        self.n_inputs == 1 && self.insts.iter().all(|(inst, _)| matches!(inst, Inst::Input(0)))
    }

    /// A rough count of operations per element.
    pub fn cost(&self) -> usize {
        self.insts.iter().filter(|(inst, _)| !matches!(inst, Inst::Input(_) | Inst::Const(_))).count()
    }

    /// The result for one element of each operand, as lanes.
    pub fn eval_lanes(&self, inputs: &[Lane]) -> Lane {
        let mut lanes: Vec<Lane> = Vec::with_capacity(self.insts.len());
        for &(inst, dtype) in &self.insts {
            let lane = match inst {
                Inst::Input(i) => inputs[i],
                Inst::Const(bits) if dtype.is_float() => Lane { f: f64::from_bits(bits), i: 0 },
                Inst::Const(bits) => Lane { f: 0.0, i: bits as i64 },
                Inst::Unary(op, a) => unary(op, lanes[a], self.insts[a].1),
                Inst::Binary(op, a, b) => binary(op, lanes[a], lanes[b], self.insts[a].1),
                Inst::Select(a, b, c) => lanes[if lanes[a].i != 0 { b } else { c }],
                Inst::Cast(a) => cast(lanes[a], self.insts[a].1, dtype),
            };
            lanes.push(lane.rounded(dtype));
        }
        lanes.last().copied().unwrap_or_default()
    }
}

impl Inst {
    /// Indices of the instructions this one reads.
    pub fn operands(self) -> impl Iterator<Item = usize> {
        let operands = match self {
            Inst::Input(_) | Inst::Const(_) => [None; 3],
            Inst::Unary(_, a) | Inst::Cast(a) => [Some(a), None, None],
            Inst::Binary(_, a, b) => [Some(a), Some(b), None],
            Inst::Select(a, b, c) => [Some(a), Some(b), Some(c)],
        };
        operands.into_iter().flatten()
    }
}

enum Source {
    Input(usize),
    Inst(usize),
    Number(u64),
}

impl Rules for Map {
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, String> {
        if inputs.len() != self.n_inputs {
            return Err(format!("takes {} operands, not {}", self.n_inputs, inputs.len()));
        }
        for &(inst, dtype) in &self.insts {
            if let Inst::Input(i) = inst
                && inputs[i].dtype != dtype
            {
                return Err(format!("operand {i} is {}, not {dtype}", inputs[i].dtype));
            }
            if let Inst::Unary(op, _) = inst
                && op.is_real()
                && !dtype.is_float()
            {
                return Err(format!("elements are {dtype}; f32 and f64 work"));
            }
        }
        let shape = inputs.iter().try_fold(Shape::new(), |shape, ty| broadcast(&shape, &ty.shape))?;
        Ok(vec![Type { dtype: self.dtype(), shape }])
    }

    fn eval(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let types: Vec<Type> = inputs.iter().map(|t| t.ty()).collect();
        let out = self.infer(&types.iter().collect::<Vec<_>>())?.remove(0);
        let dims = out.dims().ok_or("sizes are not known")?;
        let lanes: Vec<Vec<Lane>> = inputs
            .iter()
            .map(|t| match t.dtype().is_float() {
                true => t.to_f64s().into_iter().map(float).collect(),
                false => t.to_i64s().into_iter().map(int).collect(),
            })
            .collect();
        let steps: Vec<Vec<usize>> = inputs.iter().map(|t| broadcast_strides(t.shape(), dims.len())).collect();
        let results: Vec<Lane> = indices(&dims)
            .map(|index| {
                let operands: Vec<Lane> = lanes
                    .iter()
                    .zip(&steps)
                    .map(|(lanes, steps)| lanes[index.iter().zip(steps).map(|(i, s)| i * s).sum::<usize>()])
                    .collect();
                self.eval_lanes(&operands)
            })
            .collect();
        Ok(vec![match out.dtype.is_float() {
            true => Tensor::from_f64s(out.dtype, dims, &results.iter().map(|l| l.f).collect::<Vec<_>>()),
            false => Tensor::from_i64s(out.dtype, dims, &results.iter().map(|l| l.i).collect::<Vec<_>>()),
        }])
    }

    fn equalities(&self, inputs: &[&Type], outputs: &[&Type]) -> Vec<(Dim, Dim)> {
        inputs.iter().flat_map(|ty| broadcast_equalities(&ty.shape, &outputs[0].shape)).collect()
    }

    fn in_place(&self) -> Vec<usize> {
        // Only the SIMD form reads an operand from its own result.
        if self.is_f32() { (0..self.n_inputs).collect() } else { Vec::new() }
    }

    fn lower(&self, cx: &mut Lower) -> Result<(), String> {
        let shapes: Vec<Shape> = (0..self.n_inputs).map(|i| cx.ty(i).shape.clone()).collect();
        let (dims, strides) = collapse(&cx.out_ty(0).shape.clone(), &shapes);
        let table = Arg::Table(strides);
        if self.is_f32() {
            let in_place = cx.in_place();
            let ins = (0..self.n_inputs).map(|i| (in_place != Some(i)).then(|| cx.input(i))).collect();
            let (out, func) = (cx.output(0), cx.func(self, Vec::new()));
            cx.call(
                "map",
                "Map",
                vec![
                    ("out", Arg::Write(out)),
                    ("ins", Arg::ReadOpts(ins)),
                    ("dims", Arg::Sizes(dims)),
                    ("strides", table),
                    ("f", func),
                ],
            );
        } else {
            let ins = (0..self.n_inputs).map(|i| cx.input(i)).collect();
            let (out, func) = (cx.output(0), cx.func(self, ins));
            cx.call(
                "map",
                "MapEach",
                vec![("out", Arg::Write(out)), ("dims", Arg::Sizes(dims)), ("strides", table), ("f", func)],
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relu() -> Map {
        let mut map = Map::of(&[DType::F32]);
        let zero = map.number(0.0, DType::F32);
        let result = map.binary(Binary::Max, 0, zero);
        map.finish(result)
    }

    #[test]
    fn composing_drops_the_replaced_operand() {
        let mut add = Map::of(&[DType::F32, DType::F32]);
        let sum = add.binary(Binary::Add, 0, 1);
        let add = add.finish(sum);
        let composed = add.compose(0, &relu());
        assert_eq!(composed.n_inputs, 2);
        // Operand 0 is the other addend, operand 1 what relu reads.
        let lanes = [float(5.0), float(-3.0)];
        assert_eq!(composed.eval_lanes(&lanes).f, 5.0);
    }

    #[test]
    fn expressions_that_differ_in_trained_numbers_share_a_template() {
        let scaled = |by: f64| {
            let mut map = Map::of(&[DType::F32]);
            let (scale, three) = (map.number(by, DType::F32), map.number(3.0, DType::F32));
            let shifted = map.binary(Binary::Add, 0, three);
            let result = map.binary(Binary::Mul, shifted, scale);
            map.finish(result).template()
        };
        let ((first, a), (second, b)) = (scaled(0.3), scaled(-1.7));
        assert_eq!(first, second);
        assert_eq!((a, b), (vec![f64::from(0.3_f32)], vec![f64::from(-1.7_f32)]));
        assert_ne!(scaled(0.5).0, first);
    }

    #[test]
    fn only_bounds_make_a_clamp() {
        assert_eq!(relu().clamp(), Some((0.0, f64::INFINITY)));
        let mut map = Map::of(&[DType::F32]);
        let (zero, six) = (map.number(0.0, DType::F32), map.number(6.0, DType::F32));
        let below = map.binary(Binary::Min, six, 0);
        let result = map.binary(Binary::Max, below, zero);
        assert_eq!(map.clone().finish(result).clamp(), Some((0.0, 6.0)));
        let scaled = map.binary(Binary::Mul, result, six);
        assert_eq!(map.finish(scaled).clamp(), None);
        // The result is bounded, but the operand is not what is bounded last.
        let mut map = Map::of(&[DType::F32]);
        let zero = map.number(0.0, DType::F32);
        let twice = map.binary(Binary::Max, 0, zero);
        let result = map.binary(Binary::Max, 0, twice);
        assert_eq!(map.finish(result).clamp(), None);
    }
}
