//! Small floats as their bits: f16, bf16, and those of 8 and 4 bits, to and from `f32`.
//!
//! Every value of these types is an `f32`, so decoding is exact. It places the bits where an `f32` has them and multiplies by
//! the distance of the two exponents, which makes numbers of subnormal ones too. Encoding rounds to the nearest, the even one
//! of two: where the result is normal by adding just less than half a unit to the bits; where it is subnormal by adding a
//! number so large that its last place is the result's.

/// Layout of a small float: bits of its fraction, the exponent of one, the bits of its largest number, of what lies beyond
/// and of NaN.
#[derive(Clone, Copy)]
struct Format {
    fraction: u32,
    one: u32,
    largest: u32,
    beyond: u32,
    nan: u32,
    sign: u32,
    /// No negative zero: its bits are NaN.
    unsigned_zero: bool,
}

const F16: Format =
    Format { fraction: 10, one: 15, largest: 0x7bff, beyond: 0x7c00, nan: 0x7e00, sign: 0x8000, unsigned_zero: false };
const BF16: Format =
    Format { fraction: 7, one: 127, largest: 0x7f7f, beyond: 0x7f80, nan: 0x7fc0, sign: 0x8000, unsigned_zero: false };
const F8E4M3FN: Format =
    Format { fraction: 3, one: 7, largest: 0x7e, beyond: 0x7f, nan: 0x7f, sign: 0x80, unsigned_zero: false };
const F8E4M3FNUZ: Format =
    Format { fraction: 3, one: 8, largest: 0x7f, beyond: 0x80, nan: 0x80, sign: 0x80, unsigned_zero: true };
const F8E5M2: Format =
    Format { fraction: 2, one: 15, largest: 0x7b, beyond: 0x7c, nan: 0x7e, sign: 0x80, unsigned_zero: false };
const F8E5M2FNUZ: Format =
    Format { fraction: 2, one: 16, largest: 0x7f, beyond: 0x80, nan: 0x80, sign: 0x80, unsigned_zero: true };
const F4E2M1: Format = Format { fraction: 1, one: 1, largest: 7, beyond: 7, nan: 0, sign: 8, unsigned_zero: false };

/// The float whose exponent field is `exponent` and fraction zero.
const fn power(exponent: u32) -> f32 {
    f32::from_bits(exponent << 23)
}

#[inline(always)]
fn decode(bits: u32, f: Format) -> f32 {
    let magnitude = bits & (f.sign - 1);
    let sign = (bits & f.sign) << (31 - f.sign.trailing_zeros());
    let finite = f32::from_bits(magnitude << (23 - f.fraction)) * power(254 - f.one);
    let special = if f.beyond != f.nan && magnitude == f.beyond { f32::INFINITY } else { f32::NAN };
    let is_special = if f.unsigned_zero { bits & (2 * f.sign - 1) == f.nan } else { magnitude > f.largest };
    let value = if is_special { special } else { finite };
    f32::from_bits(value.to_bits() | sign)
}

#[inline(always)]
fn encode(x: f32, f: Format, saturate: bool) -> u32 {
    let bits = x.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let sign = if bits >> 31 != 0 { f.sign } else { 0 };
    let shift = 23 - f.fraction;
    // The exponent field of the least normal number.
    let least = 128 - f.one;
    let rounded = (magnitude + ((1 << (shift - 1)) - 1) + ((magnitude >> shift) & 1)) >> shift;
    let normal = rounded.wrapping_sub((127 - f.one) << f.fraction);
    let unit = power(least + shift);
    let subnormal = (f32::from_bits(magnitude) + unit).to_bits().wrapping_sub(unit.to_bits());
    let nearest = if magnitude < least << 23 { subnormal } else { normal };
    let beyond = if saturate { f.largest } else { f.beyond };
    let kept = if nearest > f.largest { beyond } else { nearest };
    let kept = if magnitude > 0x7f80_0000 { f.nan } else { kept };
    // Where zero has no sign its bits with one are NaN, which has none either.
    if f.unsigned_zero && kept & (f.sign - 1) == 0 { kept } else { kept | sign }
}

/// The number that an IEEE half's bits stand for.
#[inline(always)]
pub fn decode_f16(bits: u16) -> f32 {
    decode(u32::from(bits), F16)
}

/// The bits of the nearest IEEE half.
#[inline(always)]
pub fn encode_f16(x: f32) -> u16 {
    encode(x, F16, false) as u16
}

/// The number that a bfloat16's bits stand for.
#[inline(always)]
pub fn decode_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The bits of the nearest bfloat16.
#[inline(always)]
pub fn encode_bf16(x: f32) -> u16 {
    encode(x, BF16, false) as u16
}

macro_rules! eights {
    ($($decode:ident $encode:ident $format:ident $what:literal;)*) => {$(
        #[doc = concat!("The number that the bits of ", $what, " stand for.")]
        #[inline(always)]
        pub fn $decode(bits: u8) -> f32 {
            decode(u32::from(bits), $format)
        }

        #[doc = concat!("The bits of the nearest ", $what, ", or of the largest if `saturate`.")]
        #[inline(always)]
        pub fn $encode(x: f32, saturate: bool) -> u8 {
            encode(x, $format, saturate) as u8
        }
    )*};
}

eights! {
    decode_f8e4m3fn encode_f8e4m3fn F8E4M3FN "float8e4m3fn";
    decode_f8e4m3fnuz encode_f8e4m3fnuz F8E4M3FNUZ "float8e4m3fnuz";
    decode_f8e5m2 encode_f8e5m2 F8E5M2 "float8e5m2";
    decode_f8e5m2fnuz encode_f8e5m2fnuz F8E5M2FNUZ "float8e5m2fnuz";
    decode_f4e2m1 encode_f4e2m1 F4E2M1 "float4e2m1";
}

/// The power of two that a float8e8m0's bits stand for.
#[inline(always)]
pub fn decode_f8e8m0(bits: u8) -> f32 {
    match bits {
        0 => f32::from_bits(1 << 22),
        255 => f32::NAN,
        bits => power(bits as u32),
    }
}

/// The bits of the next power of two at or below `x`; at or above if it exceeds that by `up` of 2^23 parts and more.
#[inline(always)]
fn encode_f8e8m0(x: f32, saturate: bool, up: u32) -> u8 {
    let bits = x.to_bits() & 0x7fff_ffff;
    let (exponent, fraction) = (bits >> 23, bits & 0x7f_ffff);
    if bits > 0x7f80_0000 {
        return 255;
    }
    // The least power, 2^-127, is subnormal as an f32: its fraction is one half, and counts from there double.
    let fraction = if exponent > 0 { fraction } else { 2 * fraction.saturating_sub(1 << 22) };
    let next = exponent + (fraction >= up) as u32;
    let out = bits < 1 << 22 || next > 254;
    if out && !saturate {
        255
    } else if next > 254 {
        254
    } else {
        next as u8
    }
}

/// The bits of the power of two at or above `x`.
#[inline(always)]
pub fn encode_f8e8m0_up(x: f32, saturate: bool) -> u8 {
    encode_f8e8m0(x, saturate, 1)
}

/// The bits of the power of two at or below `x`.
#[inline(always)]
pub fn encode_f8e8m0_down(x: f32, saturate: bool) -> u8 {
    encode_f8e8m0(x, saturate, u32::MAX)
}

/// The bits of the power of two nearest to `x`, the greater one of two as near.
#[inline(always)]
pub fn encode_f8e8m0_nearest(x: f32, saturate: bool) -> u8 {
    encode_f8e8m0(x, saturate, 1 << 22)
}
