//! What the instructions of a [`Map`](super::map::Map) mean, one element at a time.

use super::map::{Binary, Unary};
use crate::ir::{DType, Tensor};

/// One element while evaluating: `f` if its type is floating-point, `i` otherwise.
#[derive(Clone, Copy, Default, Debug)]
pub struct Lane {
    /// Floating-point value.
    pub f: f64,
    /// Integer or truth value; `u64` as bits.
    pub i: i64,
}

impl Lane {
    /// As the type keeps it.
    pub(super) fn rounded(self, dtype: DType) -> Lane {
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

/// A floating-point value.
pub(super) fn float(f: f64) -> Lane {
    Lane { f, i: 0 }
}

/// An integer or truth value.
pub(super) fn int(i: i64) -> Lane {
    Lane { f: 0.0, i }
}

/// `op a` for an operand of `dtype`.
pub(super) fn unary(op: Unary, a: Lane, dtype: DType) -> Lane {
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

/// `a op b` for operands of `dtype`.
pub(super) fn binary(op: Binary, a: Lane, b: Lane, dtype: DType) -> Lane {
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

/// `a` of the type `from` as `to`.
pub(super) fn cast(a: Lane, from: DType, to: DType) -> Lane {
    match (from.is_float(), to.is_float()) {
        (true, true) => a,
        (true, false) if to == DType::Bool => int(i64::from(a.f != 0.0)),
        (true, false) => int(Tensor::from_f64s(to, vec![1], &[a.f]).to_i64s()[0]),
        (false, true) if from == DType::U64 => float(a.i as u64 as f64),
        (false, true) => float(a.i as f64),
        (false, false) => a,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_matches_known_values() {
        for (x, want) in [(0.5, 0.5204998778130465), (1.0, 0.8427007929497149), (3.0, 0.9999779095030014)] {
            assert!((erf(x) - want).abs() < 1e-14, "{x}");
        }
    }
}
