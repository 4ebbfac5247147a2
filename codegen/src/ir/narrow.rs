//! Element types that are stored and never computed: small floats, whose values are `f32` inside a graph, and 4-bit integers.
//!
//! This is their reference meaning, by search among all values of a type; it shares nothing with the kernels that do the same.

use super::DType;
use std::fmt;

/// An element type that the graph computes in a wider one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)] // named as ONNX names them
pub enum Narrow {
    F16,
    Bf16,
    F8E4m3fn,
    F8E4m3fnuz,
    F8E5m2,
    F8E5m2fnuz,
    F8E8m0,
    F4E2m1,
    I4,
    U4,
}

/// What becomes of a number that an 8-bit float cannot hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rounding {
    /// Out of range gives the largest number there is, rather than infinity or NaN.
    pub saturate: bool,
    /// Where to, for the type that holds powers of two alone.
    pub toward: Toward,
}

/// The neighbour a number between two powers of two becomes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)] // the names say it
pub enum Toward {
    Up,
    Down,
    Nearest,
}

impl Default for Rounding {
    fn default() -> Rounding {
        Rounding { saturate: true, toward: Toward::Up }
    }
}

impl Narrow {
    /// All of them.
    pub const ALL: [Narrow; 10] = [
        Narrow::F16,
        Narrow::Bf16,
        Narrow::F8E4m3fn,
        Narrow::F8E4m3fnuz,
        Narrow::F8E5m2,
        Narrow::F8E5m2fnuz,
        Narrow::F8E8m0,
        Narrow::F4E2m1,
        Narrow::I4,
        Narrow::U4,
    ];

    /// The short name, as kiln writes it.
    pub fn name(self) -> &'static str {
        match self {
            Narrow::F16 => "f16",
            Narrow::Bf16 => "bf16",
            Narrow::F8E4m3fn => "f8e4m3fn",
            Narrow::F8E4m3fnuz => "f8e4m3fnuz",
            Narrow::F8E5m2 => "f8e5m2",
            Narrow::F8E5m2fnuz => "f8e5m2fnuz",
            Narrow::F8E8m0 => "f8e8m0",
            Narrow::F4E2m1 => "f4e2m1",
            Narrow::I4 => "i4",
            Narrow::U4 => "u4",
        }
    }

    /// The type of `name`.
    pub fn named(name: &str) -> Option<Narrow> {
        Narrow::ALL.into_iter().find(|narrow| narrow.name() == name)
    }

    /// What its values are inside a graph.
    pub fn computed(self) -> DType {
        match self {
            Narrow::I4 => DType::I8,
            Narrow::U4 => DType::U8,
            _ => DType::F32,
        }
    }

    /// What holds its bits at the model's edges, one element in each.
    pub fn bits(self) -> DType {
        match self {
            Narrow::F16 | Narrow::Bf16 => DType::U16,
            Narrow::I4 => DType::I8,
            _ => DType::U8,
        }
    }

    /// Whether it is an integer.
    pub fn is_int(self) -> bool {
        matches!(self, Narrow::I4 | Narrow::U4)
    }

    /// Whether two elements share a byte in a model file.
    pub fn is_packed(self) -> bool {
        matches!(self, Narrow::I4 | Narrow::U4 | Narrow::F4E2m1)
    }

    /// Bits of the exponent and of the fraction, and the exponent of one.
    fn layout(self) -> (u32, u32, i32) {
        match self {
            Narrow::F16 => (5, 10, 15),
            Narrow::Bf16 => (8, 7, 127),
            Narrow::F8E4m3fn => (4, 3, 7),
            Narrow::F8E4m3fnuz => (4, 3, 8),
            Narrow::F8E5m2 => (5, 2, 15),
            Narrow::F8E5m2fnuz => (5, 2, 16),
            Narrow::F8E8m0 => (8, 0, 127),
            Narrow::F4E2m1 | Narrow::I4 | Narrow::U4 => (2, 1, 1),
        }
    }

    /// The bits of the largest number.
    fn largest(self) -> u32 {
        match self {
            Narrow::F16 => 0x7bff,
            Narrow::Bf16 => 0x7f7f,
            Narrow::F8E4m3fn => 0x7e,
            Narrow::F8E4m3fnuz | Narrow::F8E5m2fnuz => 0x7f,
            Narrow::F8E5m2 => 0x7b,
            Narrow::F8E8m0 => 0xfe,
            Narrow::F4E2m1 | Narrow::I4 | Narrow::U4 => 7,
        }
    }

    /// The number that `bits` stand for.
    pub fn decode(self, bits: i64) -> f64 {
        match self {
            Narrow::I4 => return (((bits & 15) ^ 8) - 8) as f64,
            Narrow::U4 => return (bits & 15) as f64,
            Narrow::F8E8m0 if bits & 255 == 255 => return f64::NAN,
            Narrow::F8E8m0 => return 2f64.powi((bits & 255) as i32 - 127),
            _ => {}
        }
        let (exponent_bits, fraction_bits, one) = self.layout();
        let fraction = (bits & ((1 << fraction_bits) - 1)) as f64 / f64::from(1u32 << fraction_bits);
        let exponent = (bits >> fraction_bits) & ((1 << exponent_bits) - 1);
        let negative = (bits >> (fraction_bits + exponent_bits)) & 1 != 0;
        let magnitude = bits & ((1 << (fraction_bits + exponent_bits)) - 1);
        let unsigned_zero = matches!(self, Narrow::F8E4m3fnuz | Narrow::F8E5m2fnuz);
        let value = match exponent {
            0 if unsigned_zero && negative && magnitude == 0 => return f64::NAN,
            _ if magnitude > i64::from(self.largest()) => {
                let infinite = !matches!(self, Narrow::F8E4m3fn) && fraction == 0.0;
                if infinite { f64::INFINITY } else { f64::NAN }
            }
            0 => fraction * 2f64.powi(1 - one),
            _ => (1.0 + fraction) * 2f64.powi(exponent as i32 - one),
        };
        if negative { -value } else { value }
    }

    /// The bits of the number nearest to `value`, the even one of two as near.
    pub fn encode(self, value: f64, rounding: Rounding) -> i64 {
        if self.is_int() {
            return value as i64 & 15;
        }
        if self == Narrow::F8E8m0 {
            return power_of_two(value, rounding);
        }
        let (exponent_bits, fraction_bits, _) = self.layout();
        let sign = i64::from(value.is_sign_negative()) << (exponent_bits + fraction_bits);
        let unsigned_zero = matches!(self, Narrow::F8E4m3fnuz | Narrow::F8E5m2fnuz);
        let largest = i64::from(self.largest());
        let saturates = self == Narrow::F4E2m1 || (self.bits() == DType::U8 && rounding.saturate);
        if value.is_nan() {
            return match self {
                _ if unsigned_zero => 0x80,
                Narrow::F4E2m1 => 0,
                Narrow::F8E4m3fn => sign | 0x7f,
                // The first bit of the fraction says that a NaN is quiet.
                _ => sign | (largest + 1) | 1 << (fraction_bits - 1),
            };
        }
        // Magnitudes grow with their bits; the step beyond the largest is where it would go on.
        let magnitude = value.abs();
        let beyond = 2.0 * self.decode(largest) - self.decode(largest - 1);
        let at = |bits: i64| if bits > largest { beyond } else { self.decode(bits) };
        let (mut low, mut high) = (0, largest + 1);
        while low < high {
            let middle = (low + high + 1) / 2;
            if at(middle) <= magnitude { low = middle } else { high = middle - 1 }
        }
        let nearest = if low > largest {
            low
        } else {
            let (down, up) = (magnitude - at(low), at(low + 1) - magnitude);
            if up < down || (up == down && low % 2 == 1) { low + 1 } else { low }
        };
        let bits = match nearest {
            bits if bits <= largest => bits,
            _ if saturates => largest,
            _ if unsigned_zero => return 0x80,
            _ if self == Narrow::F8E4m3fn => 0x7f,
            _ => largest + 1,
        };
        if unsigned_zero && bits == 0 { 0 } else { sign | bits }
    }
}

/// The exponent of a power of two next to `value`, whose sign is not kept.
fn power_of_two(value: f64, Rounding { saturate, toward }: Rounding) -> i64 {
    const NAN: i64 = 255;
    let magnitude = value.abs();
    let at = |bits: i64| 2f64.powi(bits as i32 - 127);
    match () {
        () if value.is_nan() => NAN,
        () if magnitude < at(0) => {
            if saturate {
                0
            } else {
                NAN
            }
        }
        () if magnitude.is_infinite() => {
            if saturate {
                NAN - 1
            } else {
                NAN
            }
        }
        () => {
            let low = (0..255).rev().find(|&bits| at(bits) <= magnitude).unwrap_or(0);
            let up = match toward {
                Toward::Up => magnitude > at(low),
                Toward::Down => false,
                Toward::Nearest => magnitude >= 1.5 * at(low),
            };
            let bits = low + i64::from(up);
            if bits == NAN && saturate { NAN - 1 } else { bits }
        }
    }
}

impl fmt::Display for Narrow {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_survive_a_round_trip() {
        for narrow in Narrow::ALL {
            let all = if narrow.bits() == DType::U16 {
                1i64 << 16
            } else if narrow.is_packed() {
                16
            } else {
                256
            };
            for bits in 0..all {
                let value = narrow.decode(bits);
                if !value.is_nan() {
                    assert_eq!(
                        narrow.encode(value, Rounding { saturate: false, ..Rounding::default() }),
                        bits,
                        "{narrow} {value}"
                    );
                }
            }
        }
    }

    #[test]
    fn known_numbers() {
        let bits = |narrow: Narrow, value| narrow.encode(value, Rounding::default());
        assert_eq!(bits(Narrow::F16, 65504.0), 0x7bff);
        assert_eq!(bits(Narrow::F16, 65519.9), 0x7bff);
        assert_eq!(bits(Narrow::F16, 65520.0), 0x7c00);
        assert_eq!(bits(Narrow::F16, -6e-8), 0x8001);
        assert_eq!(bits(Narrow::Bf16, 3.140625), 0x4049);
        assert_eq!(bits(Narrow::F8E4m3fn, 448.0), 0x7e);
        assert_eq!(bits(Narrow::F8E4m3fn, f64::INFINITY), 0x7e);
        assert_eq!(bits(Narrow::F8E4m3fnuz, 240.0), 0x7f);
        assert_eq!(bits(Narrow::F8E5m2, 57344.0), 0x7b);
        assert_eq!(bits(Narrow::F4E2m1, 5.0), 6);
        assert_eq!(bits(Narrow::F4E2m1, -100.0), 15);
        assert_eq!(bits(Narrow::F8E8m0, 1.1), 128);
        assert_eq!(Narrow::F8E4m3fn.encode(465.0, Rounding { saturate: false, toward: Toward::Up }), 0x7f);
    }
}
