//! Small floats against what their formats say, every bit pattern and every midpoint between two.

use kiln_kernels::narrow::*;

/// A format in the words of its specification.
struct Format {
    name: &'static str,
    exponent: u32,
    fraction: u32,
    bias: i32,
    /// Bits of the largest finite number.
    largest: u32,
    infinities: bool,
    /// One zero and one NaN, which has the bits of a negative zero.
    fnuz: bool,
    decode: fn(u32) -> f32,
    encode: fn(f32) -> u32,
    saturated: Option<fn(f32) -> u32>,
}

macro_rules! eight {
    ($name:literal, $e:literal, $m:literal, $bias:literal, $largest:literal, $inf:literal, $fnuz:literal, $decode:ident, $encode:ident) => {
        Format {
            name: $name,
            exponent: $e,
            fraction: $m,
            bias: $bias,
            largest: $largest,
            infinities: $inf,
            fnuz: $fnuz,
            decode: |bits| $decode(bits as u8),
            encode: |x| u32::from($encode(x, false)),
            saturated: Some(|x| u32::from($encode(x, true))),
        }
    };
}

fn formats() -> Vec<Format> {
    vec![
        Format {
            name: "f16",
            exponent: 5,
            fraction: 10,
            bias: 15,
            largest: 0x7bff,
            infinities: true,
            fnuz: false,
            decode: |bits| decode_f16(bits as u16),
            encode: |x| u32::from(encode_f16(x)),
            saturated: None,
        },
        Format {
            name: "bf16",
            exponent: 8,
            fraction: 7,
            bias: 127,
            largest: 0x7f7f,
            infinities: true,
            fnuz: false,
            decode: |bits| decode_bf16(bits as u16),
            encode: |x| u32::from(encode_bf16(x)),
            saturated: None,
        },
        eight!("e4m3fn", 4, 3, 7, 0x7e, false, false, decode_f8e4m3fn, encode_f8e4m3fn),
        eight!("e4m3fnuz", 4, 3, 8, 0x7f, false, true, decode_f8e4m3fnuz, encode_f8e4m3fnuz),
        eight!("e5m2", 5, 2, 15, 0x7b, true, false, decode_f8e5m2, encode_f8e5m2),
        eight!("e5m2fnuz", 5, 2, 16, 0x7f, false, true, decode_f8e5m2fnuz, encode_f8e5m2fnuz),
        eight!("e2m1", 2, 1, 1, 7, false, false, decode_f4e2m1, encode_f4e2m1),
    ]
}

/// The number that bits stand for, by the definition of a float.
fn meaning(f: &Format, bits: u32) -> f64 {
    let width = f.exponent + f.fraction;
    let (negative, magnitude) = (bits >> width == 1, bits & ((1 << width) - 1));
    let (exponent, fraction) = (magnitude >> f.fraction, f64::from(magnitude & ((1 << f.fraction) - 1)));
    let scale = f64::from(1 << f.fraction);
    let value = if f.fnuz && negative && magnitude == 0 {
        f64::NAN
    } else if magnitude > f.largest {
        if f.infinities && fraction == 0.0 { f64::INFINITY } else { f64::NAN }
    } else if exponent == 0 {
        fraction / scale * 2f64.powi(1 - f.bias)
    } else {
        (1.0 + fraction / scale) * 2f64.powi(exponent as i32 - f.bias)
    };
    if negative { -value } else { value }
}

#[test]
fn every_pattern_decodes_to_its_number_and_back() {
    for f in formats() {
        for bits in 0..1u32 << (1 + f.exponent + f.fraction) {
            let (got, want) = ((f.decode)(bits), meaning(&f, bits));
            if want.is_nan() {
                assert!(got.is_nan(), "{} {bits:#x}: {got}", f.name);
                assert!((f.decode)((f.encode)(got)).is_nan() || f.name == "e2m1", "{} NaN", f.name);
                continue;
            }
            assert_eq!(f64::from(got).to_bits(), want.to_bits(), "{} {bits:#x}: {got} and not {want}", f.name);
            assert_eq!((f.encode)(got), bits, "{} {bits:#x}: {got}", f.name);
        }
    }
}

#[test]
fn midpoints_round_to_even_and_their_neighbours_to_the_nearer() {
    for f in formats() {
        for low in 0..f.largest {
            // Between two numbers of f16 or fewer bits lies the middle as an f32, but for the least of bf16.
            let middle = (meaning(&f, low) + meaning(&f, low + 1)) / 2.0;
            let x = middle as f32;
            if f64::from(x) != middle || x == 0.0 {
                continue;
            }
            let even = low + (low & 1);
            for (sign, x) in [(0, x), (1 << (f.exponent + f.fraction), -x)] {
                let signed = |bits| if f.fnuz && bits == 0 { 0 } else { bits | sign };
                let (below, above) = (f32::from_bits(x.to_bits() - 1), f32::from_bits(x.to_bits() + 1));
                assert_eq!((f.encode)(x), signed(even), "{} {x}", f.name);
                assert_eq!((f.encode)(below), signed(low), "{} {below}", f.name);
                assert_eq!((f.encode)(above), signed(low + 1), "{} {above}", f.name);
            }
        }
    }
}

#[test]
fn what_is_too_large_follows_the_rules() {
    for f in formats() {
        let largest = meaning(&f, f.largest);
        let step = largest - meaning(&f, f.largest - 1);
        let (inside, tie) = ((largest + 0.49 * step) as f32, (largest + 0.5 * step) as f32);
        assert_eq!((f.encode)(inside), f.largest, "{}", f.name);
        // Beyond, the tie goes to the even one; the largest is odd but where it is followed by NaN.
        let tie_stays = f.largest & 1 == 0 || f.name == "e2m1";
        assert_eq!((f.encode)(tie) == f.largest, tie_stays, "{}", f.name);
        for x in [(largest + 0.75 * step) as f32, f32::MAX, f32::INFINITY] {
            if f64::from(x) <= largest {
                continue;
            }
            for x in [x, -x] {
                let got = (f.decode)((f.encode)(x));
                match f.name {
                    "e2m1" => assert_eq!(f64::from(got), largest.copysign(f64::from(x))),
                    _ if f.infinities => assert_eq!(got, f32::INFINITY.copysign(x), "{} {x}", f.name),
                    _ => assert!(got.is_nan(), "{} {x}", f.name),
                }
                if let Some(saturated) = f.saturated {
                    assert_eq!(f64::from((f.decode)(saturated(x))), largest.copysign(f64::from(x)), "{} {x}", f.name);
                }
            }
        }
        if let Some(saturated) = f.saturated {
            assert!((f.decode)(saturated(f32::NAN)).is_nan() || f.name == "e2m1", "{}", f.name);
        }
    }
}

#[test]
fn powers_of_two() {
    for bits in 0..255u8 {
        let x = decode_f8e8m0(bits);
        assert_eq!(f64::from(x), 2f64.powi(i32::from(bits) - 127));
        for encode in [encode_f8e8m0_up, encode_f8e8m0_down, encode_f8e8m0_nearest] {
            assert_eq!((encode(x, true), encode(x, false)), (bits, bits));
        }
        let (more, half) = (f32::from_bits(x.to_bits() + 1), 1.5 * x);
        let next = bits + u8::from(bits < 254);
        assert_eq!(encode_f8e8m0_up(more, true), next, "{more}");
        assert_eq!(encode_f8e8m0_up(more, false), bits + 1, "{more}");
        assert_eq!(encode_f8e8m0_down(more, true), bits, "{more}");
        assert_eq!(encode_f8e8m0_nearest(more, true), bits, "{more}");
        assert_eq!(encode_f8e8m0_nearest(half, true), next, "{half}");
        assert_eq!(encode_f8e8m0_nearest(f32::from_bits(half.to_bits() - 1), true), bits, "{half}");
    }
    assert!(decode_f8e8m0(255).is_nan());
    assert_eq!((encode_f8e8m0_up(0.0, true), encode_f8e8m0_up(0.0, false)), (0, 255));
    assert_eq!((encode_f8e8m0_up(f32::INFINITY, true), encode_f8e8m0_up(f32::INFINITY, false)), (254, 255));
    assert_eq!((encode_f8e8m0_up(f32::NAN, true), encode_f8e8m0_nearest(f32::NAN, false)), (255, 255));
}
