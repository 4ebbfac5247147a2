//! Elementwise expressions over broadcast operands: every unary, binary and ternary op of ONNX, alone or fused.

use super::{Lower, Rules};
use crate::ir::{DType, Dim, Narrow, Rounding, Shape, Tensor, Type, indices, strides};
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

/// One element while evaluating: `f` if its type is floating-point, `i` otherwise.
#[derive(Clone, Copy, Default, Debug)]
pub struct Lane {
    /// Floating-point value.
    pub f: f64,
    /// Integer or truth value; `u64` as bits.
    pub i: i64,
}

impl Lane {
    fn rounded(self, dtype: DType) -> Lane {
        match dtype {
            DType::F32 => Lane { f: f64::from(self.f as f32), i: 0 },
            DType::F64 => self,
            DType::Bool => Lane { f: 0.0, i: i64::from(self.i != 0) },
            DType::U8 => Lane { f: 0.0, i: i64::from(self.i as u8) },
            DType::I8 => Lane { f: 0.0, i: i64::from(self.i as i8) },
            DType::U16 => Lane { f: 0.0, i: i64::from(self.i as u16) },
            DType::I16 => Lane { f: 0.0, i: i64::from(self.i as i16) },
            DType::U32 => Lane { f: 0.0, i: i64::from(self.i as u32) },
            DType::I32 => Lane { f: 0.0, i: i64::from(self.i as i32) },
            DType::U64 | DType::I64 => Lane { f: 0.0, i: self.i },
        }
    }
}

fn float(f: f64) -> Lane {
    Lane { f, i: 0 }
}

fn int(i: i64) -> Lane {
    Lane { f: 0.0, i }
}

fn unary(op: Unary, a: Lane, dtype: DType) -> Lane {
    match op {
        Unary::Decode(narrow) => return float(narrow.decode(a.i)),
        Unary::Encode(narrow, rounding) => return int(narrow.encode(a.f, rounding)),
        _ => {}
    }
    if !dtype.is_float() {
        return int(match op {
            Unary::Neg => a.i.wrapping_neg(),
            Unary::Abs => {
                if dtype.is_unsigned() {
                    a.i
                } else {
                    a.i.wrapping_abs()
                }
            }
            Unary::Sign => {
                if dtype.is_unsigned() {
                    i64::from(a.i != 0)
                } else {
                    a.i.signum()
                }
            }
            Unary::Not => i64::from(a.i == 0),
            Unary::BitNot => !a.i,
            Unary::IsNan | Unary::IsPosInf | Unary::IsNegInf => 0,
            _ => a.i,
        });
    }
    let x = a.f;
    float(match op {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sqrt => x.sqrt(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tan => x.tan(),
        Unary::Asin => x.asin(),
        Unary::Acos => x.acos(),
        Unary::Atan => x.atan(),
        Unary::Sinh => x.sinh(),
        Unary::Cosh => x.cosh(),
        Unary::Tanh => x.tanh(),
        Unary::Asinh => x.asinh(),
        Unary::Acosh => x.acosh(),
        Unary::Atanh => x.atanh(),
        Unary::Erf => erf(x),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Sign => {
            if x == 0.0 || x.is_nan() {
                x
            } else {
                x.signum()
            }
        }
        Unary::IsNan => return int(i64::from(x.is_nan())),
        Unary::IsPosInf => return int(i64::from(x == f64::INFINITY)),
        Unary::IsNegInf => return int(i64::from(x == f64::NEG_INFINITY)),
        Unary::Not | Unary::BitNot | Unary::Decode(_) | Unary::Encode(..) => x,
    })
}

/// The error function: its Maclaurin series near zero, the continued fraction of erfc further out.
fn erf(x: f64) -> f64 {
    let magnitude = x.abs();
    if x.is_nan() {
        return x;
    }
    if magnitude < 2.5 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while f64::abs(term) > f64::abs(sum) * 1e-17 {
            n += 1.0;
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return sum * std::f64::consts::FRAC_2_SQRT_PI;
    }
    if magnitude > 6.5 {
        return x.signum();
    }
    let fraction = (1..=80).rev().fold(magnitude, |tail, k| magnitude + f64::from(k) / 2.0 / tail);
    let erfc = (-x * x).exp() / fraction * std::f64::consts::FRAC_2_SQRT_PI / 2.0;
    x.signum() * (1.0 - erfc)
}

fn binary(op: Binary, a: Lane, b: Lane, dtype: DType) -> Lane {
    if dtype.is_float() {
        let (x, y) = (a.f, b.f);
        return float(match op {
            Binary::Add => x + y,
            Binary::Sub => x - y,
            Binary::Mul => x * y,
            Binary::Div => x / y,
            Binary::Fmod => x % y,
            Binary::Mod => x - y * (x / y).floor(),
            Binary::Pow => x.powf(y),
            Binary::Min => {
                if x.is_nan() || y.is_nan() {
                    f64::NAN
                } else {
                    x.min(y)
                }
            }
            Binary::Max => {
                if x.is_nan() || y.is_nan() {
                    f64::NAN
                } else {
                    x.max(y)
                }
            }
            Binary::Eq => return int(i64::from(x == y)),
            Binary::Lt => return int(i64::from(x < y)),
            Binary::Le => return int(i64::from(x <= y)),
            _ => f64::NAN,
        });
    }
    let (x, y) = (a.i, b.i);
    let (ux, uy) = (x as u64, y as u64);
    let unsigned = dtype.is_unsigned();
    int(match op {
        Binary::Add => x.wrapping_add(y),
        Binary::Sub => x.wrapping_sub(y),
        Binary::Mul => x.wrapping_mul(y),
        // Division by zero has no meaning in ONNX; generated code gives zero, and so does this.
        Binary::Div | Binary::Fmod | Binary::Mod if y == 0 => 0,
        Binary::Div if unsigned => (ux / uy) as i64,
        Binary::Div => x.wrapping_div(y),
        Binary::Fmod | Binary::Mod if unsigned => (ux % uy) as i64,
        Binary::Fmod => x.wrapping_rem(y),
        Binary::Mod => x.wrapping_rem(y).wrapping_add(y).wrapping_rem(y),
        Binary::Pow if unsigned => ux.wrapping_pow(uy.min(u64::from(u32::MAX)) as u32) as i64,
        Binary::Pow if y < 0 => (x as f64).powi(y as i32) as i64,
        Binary::Pow => x.wrapping_pow(y.min(i64::from(u32::MAX)) as u32),
        Binary::Min => {
            if unsigned {
                ux.min(uy) as i64
            } else {
                x.min(y)
            }
        }
        Binary::Max => {
            if unsigned {
                ux.max(uy) as i64
            } else {
                x.max(y)
            }
        }
        Binary::And => i64::from(x != 0 && y != 0),
        Binary::Or => i64::from(x != 0 || y != 0),
        Binary::Xor => i64::from((x != 0) != (y != 0)),
        Binary::BitAnd => x & y,
        Binary::BitOr => x | y,
        Binary::BitXor => x ^ y,
        Binary::Shl => {
            if uy < 64 {
                x << y
            } else {
                0
            }
        }
        Binary::Shr => {
            if uy < 64 {
                (ux >> uy) as i64
            } else {
                0
            }
        }
        Binary::Eq => i64::from(x == y),
        Binary::Lt => i64::from(if unsigned { ux < uy } else { x < y }),
        Binary::Le => i64::from(if unsigned { ux <= uy } else { x <= y }),
    })
}

fn cast(a: Lane, from: DType, to: DType) -> Lane {
    match (from.is_float(), to.is_float()) {
        (true, true) => a,
        (true, false) if to == DType::Bool => int(i64::from(a.f != 0.0)),
        (true, false) => int(Tensor::from_f64s(to, vec![1], &[a.f]).to_i64s()[0]),
        (false, true) if from == DType::U64 => float(a.i as u64 as f64),
        (false, true) => float(a.i as f64),
        (false, false) => a,
    }
}

/// The shape both broadcast to, by ONNX's rule: sizes match from the innermost axis, and a size of one stretches. Sizes that are
/// equal only for some values of their symbols are taken to be equal; `equalities` says which.
pub fn broadcast(a: &Shape, b: &Shape) -> Result<Shape, String> {
    let rank = a.len().max(b.len());
    let size = |shape: &Shape, axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(Dim::from(1), |at| shape[at].clone())
    };
    (0..rank)
        .map(|axis| {
            let (x, y) = (size(a, axis), size(b, axis));
            match () {
                () if x == y || y.is(1) => Ok(x),
                () if x.is(1) => Ok(y),
                () => {
                    let agreed = x.agreed(&y);
                    agreed.ok_or_else(|| format!("shapes {a:?} and {b:?} do not broadcast: {x} against {y}"))
                }
            }
        })
        .collect()
}

/// Each size of an operand that does not have the form of the size of the result it lies under, with that size.
pub fn broadcast_equalities(operand: &[Dim], out: &[Dim]) -> Vec<(Dim, Dim)> {
    let under = out[out.len().saturating_sub(operand.len())..].iter();
    let pairs = operand.iter().zip(under).filter(|(size, out)| !size.is(1) && size != out);
    pairs.map(|(size, out)| (size.clone(), out.clone())).collect()
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

/// Strides of a tensor of `shape` read under a shape of `rank` axes it broadcasts to.
fn broadcast_strides(shape: &[usize], rank: usize) -> Vec<usize> {
    let dense = strides(shape);
    let mut result = vec![0; rank - shape.len()];
    result.extend(dense.iter().zip(shape).map(|(&stride, &size)| if size == 1 { 0 } else { stride }));
    result
}

/// The fewest axes that walk `out` and each broadcast operand alike, and the operands' strides along them.
pub fn collapse(out: &Shape, operands: &[Shape]) -> (Vec<Dim>, Vec<Vec<Dim>>) {
    let rank = out.len();
    let stretched = |shape: &Shape, axis: usize| match (axis + shape.len()).checked_sub(rank) {
        Some(at) => shape[at].is(1) && !out[axis].is(1),
        None => !out[axis].is(1),
    };
    // Neighbouring axes join where every operand stretches along both or along neither.
    let mut dims: Vec<Dim> = Vec::new();
    let mut patterns: Vec<Vec<bool>> = Vec::new();
    for axis in (0..rank).filter(|&axis| !out[axis].is(1)) {
        let pattern: Vec<bool> = operands.iter().map(|shape| stretched(shape, axis)).collect();
        match (dims.last_mut(), patterns.last()) {
            (Some(last), Some(known)) if *known == pattern => *last = last.clone() * out[axis].clone(),
            _ => {
                dims.push(out[axis].clone());
                patterns.push(pattern);
            }
        }
    }
    if dims.is_empty() {
        return (vec![Dim::from(1)], vec![vec![Dim::from(0)]; operands.len()]);
    }
    let strides = (0..operands.len())
        .map(|operand| {
            let mut stride = Dim::from(1);
            let mut strides = vec![Dim::from(0); dims.len()];
            for axis in (0..dims.len()).rev() {
                if !patterns[axis][operand] {
                    strides[axis] = stride.clone();
                    stride = stride * dims[axis].clone();
                }
            }
            strides
        })
        .collect();
    (dims, strides)
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

    #[test]
    fn broadcast_operands_share_axes_where_they_can() {
        let shape = |dims: &[usize]| dims.iter().map(|&d| Dim::from(d)).collect::<Shape>();
        let (dims, strides) = collapse(&shape(&[2, 3, 4, 5]), &[shape(&[2, 3, 4, 5]), shape(&[5]), shape(&[1])]);
        assert_eq!(dims, shape(&[24, 5]));
        assert_eq!(strides[1], shape(&[0, 1]));
        assert_eq!(strides[2], shape(&[0, 0]));
    }

    #[test]
    fn erf_matches_known_values() {
        for (x, want) in [(0.5, 0.5204998778130465), (1.0, 0.8427007929497149), (3.0, 0.9999779095030014)] {
            assert!((erf(x) - want).abs() < 1e-14, "{x}");
        }
    }
}
